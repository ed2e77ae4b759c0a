use std::path::Path;

use candle_core::{Shape, Tensor};
use image::RgbImage;
use mg_energy::Energy;
use mg_figures::{Sheet, save_png, to_rgb_images};
use mg_langevin::{Nuts, Sampling, Warmup};
use mg_random::Key;

use crate::{Error, Result};

/// Images, as numbers and for the eye.
#[derive(Clone, Debug)]
pub struct Images {
    tensor: Tensor,
    rgb: Vec<RgbImage>,
}

impl Images {
    /// The images of a tensor [n, c, s, s] with values in [-1, 1], c = 1 (grey) or 3.
    ///
    /// # Errors
    /// When the tensor has another shape.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        Ok(Images { rgb: to_rgb_images(tensor)?, tensor: tensor.clone() })
    }

    /// `n` draws from an energy of images of this shape, (c, s, s): as many chains by NUTS from normal numbers of deviation 1/2, after
    /// 100 steps of warm-up. Values beyond [-1, 1] are clipped when shown.
    ///
    /// # Errors
    /// When the energy fails, or the shape is not that of a square image.
    pub fn drawn_from(energy: &dyn Energy, n: usize, shape: impl Into<Shape>, key: Key) -> Result<Self> {
        let warmup = Warmup { n_steps: 100, scales: false, ..Warmup::default() };
        let sampling = Sampling { n_chains: n, warmup, n_draws: 1, spread: 0.5, ..Sampling::default() };
        let nuts = Nuts { max_depth: 6, ..Nuts::default() };
        Images::of(&sampling.run(&nuts, energy, shape, key)?.x.get(0)?)
    }

    /// As a tensor [n, c, s, s] in [-1, 1].
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// In red, green and blue.
    pub fn rgb(&self) -> &[RgbImage] {
        &self.rgb
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rgb.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rgb.is_empty()
    }

    /// Writes 00000.png, 00001.png, ... into a folder, which is made if need be.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        mg_files::create_dir_all(folder)
            .map_err(|source| Error::Write { path: folder.to_owned(), source })?;
        for (number, image) in self.rgb.iter().enumerate() {
            save_png(image, folder.join(format!("{number:05}.png")))?;
        }
        Ok(())
    }

    /// Writes all of them on one page, a PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_sheet(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(Sheet::beside(&[&self.tensor])?.save(path.as_ref())?)
    }
}
