use std::fmt;

use rayon::prelude::*;
use serde::Serialize;

use crate::{DataSet, Result, Skipped};

/// What there is to say about a set: for `mg data info` and for the record of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Name of the file or folder.
    pub name: String,
    /// The part of the source, where it has parts.
    pub split: Option<String>,
    /// Number of images.
    pub count: u64,
    /// Pixels on a side.
    pub side: usize,
    /// Channels per image: 3.
    pub channels: usize,
    /// How the images became squares.
    pub resize: String,
    /// Class names with their numbers of images; empty without labels.
    pub classes: Vec<(String, u64)>,
    /// Mean of each channel over all pixels of all images, in [-1, 1].
    pub mean: [f64; 3],
    /// Standard deviation of each channel over all pixels of all images, in [-1, 1] units.
    pub std: [f64; 3],
    /// [`DataSet::content_hash`].
    pub hash: String,
    /// The licence and attribution that must go with the images, where they are known.
    pub licence: Option<String>,
    /// What was left out.
    pub skipped: Skipped,
}

impl DataSet {
    /// Describes the set; reads every pixel once, in parallel. The sums are of integers, so exact.
    ///
    /// # Errors
    /// When a packed file has been altered.
    pub fn describe(&self) -> Result<Description> {
        let sums = (0..self.len()).into_par_iter().map(|i| self.image(i).map(sums));
        let add = |a: [[u64; 2]; 3], b: [[u64; 2]; 3]| {
            std::array::from_fn(|c| [a[c][0] + b[c][0], a[c][1] + b[c][1]])
        };
        let sums = sums.try_reduce(Default::default, |a, b| Ok(add(a, b)))?;
        let n = self.len() as f64 * (self.side() * self.side()) as f64;
        let mean = sums.map(|[sum, _]| sum as f64 / n);
        let variance: [f64; 3] = std::array::from_fn(|c| sums[c][1] as f64 / n - mean[c] * mean[c]);
        Ok(Description {
            name: self.name().to_owned(),
            split: self.split().map(str::to_owned),
            count: self.len(),
            side: self.side(),
            channels: self.channels(),
            resize: self.resize().to_owned(),
            classes: self.class_counts(),
            mean: mean.map(|m| m / 127.5 - 1.0),
            std: variance.map(|v| v.max(0.0).sqrt() / 127.5),
            hash: self.content_hash().to_owned(),
            licence: self.licence().map(str::to_owned),
            skipped: self.skipped().clone(),
        })
    }

    fn class_counts(&self) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = self.class_names().iter().map(|name| (name.clone(), 0)).collect();
        for label in (0..self.len()).filter_map(|i| self.label(i)) {
            counts[label as usize].1 += 1;
        }
        counts
    }
}

/// Sum and sum of squares of each channel of one image's bytes.
fn sums(image: &[u8]) -> [[u64; 2]; 3] {
    let mut sums = [[0; 2]; 3];
    for pixel in image.chunks_exact(3) {
        for (sum, &byte) in sums.iter_mut().zip(pixel) {
            let byte = u64::from(byte);
            *sum = [sum[0] + byte, sum[1] + byte * byte];
        }
    }
    sums
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self.split.as_ref().map(|split| format!(" ({split})")).unwrap_or_default();
        writeln!(f, "set      {}{split}", self.name)?;
        writeln!(
            f,
            "images   {} of {side} x {side} pixels, resized by {}",
            self.count,
            self.resize,
            side = self.side
        )?;
        for (k, (name, count)) in self.classes.iter().enumerate() {
            writeln!(f, "class {k:<2} {name}: {count}")?;
        }
        let [r, g, b] = self.mean;
        writeln!(f, "mean     {r:.4} {g:.4} {b:.4}   (red, green, blue, in [-1, 1])")?;
        let [r, g, b] = self.std;
        writeln!(f, "std      {r:.4} {g:.4} {b:.4}")?;
        writeln!(f, "sha-256  {}", self.hash)?;
        if let Some(licence) = &self.licence {
            writeln!(f, "licence  {licence}")?;
        }
        for note in &self.skipped.notes {
            writeln!(f, "note     {note}")?;
        }
        if self.skipped.count > 0 {
            writeln!(f, "skipped  {} bad images", self.skipped.count)?;
            for (name, defect) in self.skipped.named.iter().take(5) {
                writeln!(f, "         {name}: {defect}")?;
            }
        }
        Ok(())
    }
}
