use anyhow::Result;
use mg_backbone::{Backbone, Images};
use mg_eval::Score;
use serde::Serialize;

use super::source::Input;

/// The numbers, as written to JSON.
#[derive(Serialize)]
pub(super) struct Report {
    backbone: &'static str,
    backbone_id: String,
    input: Side,
    reference: Option<Side>,
    pub(super) inception_score: Option<Splits>,
    pub(super) frechet_distance: Option<f64>,
    pub(super) kernel_distance: Option<Subsets>,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    pub(super) k: Option<usize>,
    pub(super) density: Option<f64>,
    pub(super) coverage: Option<f64>,
    pub(super) dense_k: Option<usize>,
    pub(super) pairwise_distance: Option<Pairs>,
    pub(super) nearest: Option<Nearest>,
    pub(super) warnings: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Side {
    what: String,
    id: String,
    images: usize,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Splits {
    mean: f64,
    std_dev: f64,
    splits: usize,
}

/// Distances of features between images from one start (figure 5).
#[derive(Clone, Copy, Serialize)]
pub(super) struct Pairs {
    pub(super) per_start: usize,
    pub(super) starts: usize,
    /// Between two images from one start.
    pub(super) mean: f64,
    /// Of that mean; none from one start.
    pub(super) std_error: Option<f64>,
    /// Between any two images.
    pub(super) of_all: f64,
}

/// Distances of features from an image to the nearest reference image; copies are at 0.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Nearest {
    least: f64,
    median: f64,
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct Subsets {
    mean: f64,
    std_dev: f64,
    subsets: usize,
    subset: usize,
}

impl Splits {
    pub(super) fn of(score: &Score) -> Self {
        Splits { mean: score.mean, std_dev: score.std_dev, splits: score.n }
    }
}

impl Subsets {
    pub(super) fn of(score: &Score, subset: usize) -> Self {
        Subsets { mean: score.mean, std_dev: score.std_dev, subsets: score.n, subset }
    }
}

impl Nearest {
    /// `None` of no distances.
    pub(super) fn of(distances: &[f64]) -> Option<Self> {
        let mut sorted = distances.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = |n: usize| (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
        Some(Self { least: *sorted.first()?, median: middle(sorted.len()) })
    }
}

impl Report {
    pub(super) fn of(backbone: &Backbone, input: &Input, reference: Option<&Input>) -> Self {
        let side = |images: &Input| Side { what: images.describe(), id: images.id(), images: images.len() };
        Self {
            backbone: backbone.name(),
            backbone_id: backbone.id().to_owned(),
            input: side(input),
            reference: reference.map(side),
            inception_score: None,
            frechet_distance: None,
            kernel_distance: None,
            precision: None,
            recall: None,
            k: None,
            density: None,
            coverage: None,
            dense_k: None,
            pairwise_distance: None,
            nearest: None,
            warnings: vec![],
        }
    }

    /// The numbers as a table.
    pub(super) fn table(&self) -> Result<()> {
        let side = |side: &Side| format!("{} images of {}", side.images, side.what);
        say!("{:<26}{}", "input", side(&self.input));
        if let Some(reference) = &self.reference {
            say!("{:<26}{}", "reference", side(reference));
        }
        say!("{:<26}{}", "features of", self.backbone);
        if let Some(Splits { mean, std_dev, splits }) = self.inception_score {
            say!("{:<26}{mean:>9.4} ± {std_dev:.4} ({splits} splits)", "inception score");
        }
        if let Some(distance) = self.frechet_distance {
            say!("{:<26}{distance:>9.4}", "Fréchet distance");
        }
        if let Some(Subsets { mean, std_dev, subsets, subset }) = self.kernel_distance {
            say!("{:<26}{mean:>9.5} ± {std_dev:.5} ({subsets} subsets of {subset})", "kernel distance");
        }
        if let (Some(precision), Some(recall), Some(k)) = (self.precision, self.recall, self.k) {
            say!("{:<26}{precision:>9.4} (k = {k}; images that lie among the reference)", "precision");
            say!("{:<26}{recall:>9.4} (reference images that lie among these)", "recall");
        }
        if let (Some(density), Some(coverage), Some(k)) = (self.density, self.coverage, self.dense_k) {
            say!("{:<26}{density:>9.4} (k = {k}; of as typical images about 1)", "density");
            say!("{:<26}{coverage:>9.4} (of as many real images about 0.97)", "coverage");
        }
        if let Some(Pairs { per_start, starts, mean, std_error, of_all }) = self.pairwise_distance {
            let error = std_error.map_or(String::new(), |error| format!(" (standard error {error:.4})"));
            say!(
                "{:<26}{mean:>9.4}{error}, {per_start} images from each of {starts} starts; of all images {of_all:.4}",
                "pairwise distance"
            );
        }
        if let Some(Nearest { least, median }) = self.nearest {
            say!("{:<26}{median:>9.4} (least {least:.4})", "nearest, median distance");
        }
        Ok(())
    }
}
