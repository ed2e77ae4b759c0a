use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::Tensor;

/// Writes [n, c, s, s] as numbered PNG files into a folder, which is made if need be.
pub(crate) fn write_all(images: &Tensor, folder: &Path) -> Result<()> {
    make_folder(folder)?;
    for (i, image) in mg_eval::to_rgb_images(images)?.iter().enumerate() {
        mg_eval::save_png(image, folder.join(format!("{i:05}.png")))?;
    }
    Ok(())
}

pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create folder {}", folder.display()))
}
