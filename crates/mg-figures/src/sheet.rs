use std::path::Path;

use candle_core::Tensor;
use image::{Rgb, RgbImage};

use crate::picture::{save_png, to_rgb_images};
use crate::{Error, Result};

/// Largest width and height of a sheet, in pixels.
pub const MAX_SHEET_SIDE: usize = 16_384;

/// Many images on one page, row by row; a cell holds one image, or several side by side.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mg_figures::Sheet;
///
/// let grids = [4, 16, 64].map(|s| Tensor::zeros((10, 3, s, s), DType::F32, &Device::Cpu).unwrap());
/// let [a, b, c] = &grids;
/// let sheet = Sheet::beside(&[a, b, c])?.columns(2).padding(2); // 4x4, 16x16 and 64x64 at one height
/// assert_eq!(sheet.to_image()?.dimensions(), (402, 348));
/// # Ok::<(), mg_figures::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Invariant: at least one cell; every cell has the same number of images, at least one.
    cells: Vec<Vec<RgbImage>>,
    side: usize,
    columns: usize,
    padding: usize,
    scale: usize,
    background: [u8; 3],
}

impl Sheet {
    /// One image of the batch [n, c, s, s] per cell; c = 1 or 3, values in [-1, 1].
    ///
    /// # Errors
    /// When the batch cannot be shown: see [`to_rgb_images`].
    pub fn of(images: &Tensor) -> Result<Self> {
        Sheet::beside(&[images])
    }

    /// Image i of every batch side by side in cell i: the grids of a sample, scaled to one height without
    /// smoothing, or original, masked and recovered images.
    ///
    /// # Errors
    /// When there are no batches, one cannot be shown, or their numbers of images differ.
    pub fn beside(batches: &[&Tensor]) -> Result<Self> {
        let first = batches.first().ok_or(Error::EmptySheet)?;
        let mut cells: Vec<Vec<RgbImage>> =
            to_rgb_images(first)?.into_iter().map(|image| vec![image]).collect();
        for batch in &batches[1..] {
            let images = to_rgb_images(batch)?;
            if images.len() != cells.len() {
                let (got, expected) = (batch.dims().to_vec(), first.dims().to_vec());
                return Err(Error::Shapes { got, expected });
            }
            cells.iter_mut().zip(images).for_each(|(cell, image)| cell.push(image));
        }
        let side = cells[0].iter().map(|image| image.height() as usize).max().unwrap_or(1);
        let columns = (cells.len() as f64 / batches.len() as f64).sqrt().ceil() as usize;
        Ok(Sheet { cells, side, columns: columns.max(1), padding: 2, scale: 1, background: [255; 3] })
    }

    /// Cells per row, at least 1; by default the sheet is about square.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    /// Pixels around images, 2 by default; cells of several images keep three times as far apart.
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }

    /// How many pixels a side of the largest image's pixels becomes, at least 1 (the default), without smoothing.
    pub fn scale(mut self, scale: usize) -> Self {
        self.scale = scale.max(1);
        self
    }

    /// The colour between images, white by default.
    pub fn background(mut self, background: [u8; 3]) -> Self {
        self.background = background;
        self
    }

    /// The sheet as an image.
    ///
    /// # Errors
    /// When it would be wider or higher than [`MAX_SHEET_SIDE`].
    pub fn to_image(&self) -> Result<RgbImage> {
        let side = self.side.saturating_mul(self.scale);
        let abreast = self.cells[0].len();
        let columns = self.columns.min(self.cells.len());
        let apart = if abreast > 1 { self.padding.saturating_mul(3) } else { self.padding };
        let cell = row_of(abreast, side, self.padding);
        let width = row_of(columns, cell, apart).saturating_add(self.padding.saturating_mul(2));
        let rows = self.cells.len().div_ceil(columns);
        let height = row_of(rows, side, apart).saturating_add(self.padding.saturating_mul(2));
        if width.max(height) > MAX_SHEET_SIDE {
            return Err(Error::SheetTooLarge { width, height, limit: MAX_SHEET_SIDE });
        }
        let mut sheet = RgbImage::from_pixel(width as u32, height as u32, Rgb(self.background));
        for (i, images) in self.cells.iter().enumerate() {
            let left = self.padding + i % columns * (cell + apart);
            let top = self.padding + i / columns * (side + apart);
            for (j, image) in images.iter().enumerate() {
                place(&mut sheet, image, left + j * (side + self.padding), top, side);
            }
        }
        Ok(sheet)
    }

    /// Writes the sheet to `path`, which must end in `.png`; a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the sheet is too large or the file cannot be written; then an older file is untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        save_png(&self.to_image()?, path)
    }
}

/// Length of n things of one size with gaps between them.
fn row_of(n: usize, size: usize, gap: usize) -> usize {
    n.saturating_mul(size).saturating_add((n - 1).saturating_mul(gap))
}

/// Copies `image` into the side x side square at (left, top), by nearest neighbour.
fn place(sheet: &mut RgbImage, image: &RgbImage, left: usize, top: usize, side: usize) {
    for y in 0..side {
        for x in 0..side {
            let from = |at: usize, size: u32| (at * size as usize / side) as u32;
            let pixel = *image.get_pixel(from(x, image.width()), from(y, image.height()));
            sheet.put_pixel((left + x) as u32, (top + y) as u32, pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    /// Images of one grey level each, the byte 10 i.
    fn steps(n: usize, channels: usize, side: usize) -> Tensor {
        let x = Tensor::arange(0f32, n as f32, &Device::Cpu).unwrap().affine(10.0 / 127.5, -1.0).unwrap();
        x.reshape((n, 1, 1, 1)).unwrap().broadcast_as((n, channels, side, side)).unwrap()
    }

    #[test]
    fn images_lie_row_by_row_with_padding_between() {
        let sheet = Sheet::of(&steps(5, 3, 4)).unwrap().columns(3).padding(1).background([9, 9, 9]);
        let image = sheet.to_image().unwrap();
        assert_eq!(image.dimensions(), (1 + 3 * 5, 1 + 2 * 5));
        for i in 0..6u32 {
            let expected = if i == 5 { 9 } else { 10 * i as u8 };
            let (left, top) = (1 + i % 3 * 5, 1 + i / 3 * 5);
            assert_eq!(image.get_pixel(left, top).0, [expected; 3], "image {i}");
            assert_eq!(image.get_pixel(left + 3, top + 3).0, [expected; 3], "image {i}");
            assert_eq!(image.get_pixel(left + 4, top).0, [9; 3], "right of image {i}");
        }
    }

    #[test]
    fn grids_beside_each_other_have_one_height() {
        let coarse = Tensor::new(&[-1f32, 1., 1., -1.], &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
        let sheet = Sheet::beside(&[&coarse, &steps(1, 3, 8)]).unwrap().padding(1).background([9, 9, 9]);
        let image = sheet.to_image().unwrap();
        assert_eq!(image.dimensions(), (1 + 8 + 1 + 8 + 1, 10));
        assert_eq!([(1, 1), (4, 4), (5, 4), (8, 8)].map(|(x, y)| image.get_pixel(x, y).0[0]), [0, 0, 255, 0]);
        assert_eq!([(9, 1), (10, 1)].map(|(x, y)| image.get_pixel(x, y).0[0]), [9, 0]);
    }

    #[test]
    fn scaling_repeats_pixels() {
        let plain = Sheet::of(&steps(4, 1, 3)).unwrap().padding(0).to_image().unwrap();
        let large = Sheet::of(&steps(4, 1, 3)).unwrap().padding(0).scale(4).to_image().unwrap();
        assert_eq!(large.dimensions(), (24, 24));
        assert!(large.enumerate_pixels().all(|(x, y, pixel)| pixel == plain.get_pixel(x / 4, y / 4)));
    }

    #[test]
    fn by_default_a_sheet_is_about_square() {
        assert_eq!(Sheet::of(&steps(100, 1, 8)).unwrap().to_image().unwrap().dimensions(), (102, 102));
        let x = steps(12, 1, 8);
        assert_eq!(Sheet::beside(&[&x, &x, &x]).unwrap().columns, 2);
        assert_eq!(Sheet::of(&steps(1, 1, 8)).unwrap().columns(0).scale(0).to_image().unwrap().width(), 12);
    }

    #[test]
    fn a_saved_sheet_is_the_sheet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        let sheet = Sheet::of(&steps(7, 3, 5)).unwrap();
        sheet.save(&path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), sheet.to_image().unwrap());
    }

    #[test]
    fn misfits_are_errors_with_their_numbers() {
        assert!(Sheet::beside(&[]).is_err());
        for (a, b) in [(3, 2), (2, 3)] {
            let error = Sheet::beside(&[&steps(a, 1, 4), &steps(b, 1, 4)]).unwrap_err().to_string();
            assert!(error.contains("[3, 1, 4, 4]") && error.contains("[2, 1, 4, 4]"), "{error}");
        }
        let two_channels = Tensor::zeros((1, 2, 4, 4), DType::F32, &Device::Cpu).unwrap();
        assert!(Sheet::of(&two_channels).is_err());
        for sheet in [
            Sheet::of(&steps(1, 1, 4)).unwrap().scale(usize::MAX),
            Sheet::of(&steps(9, 1, 4)).unwrap().padding(usize::MAX),
        ] {
            assert!(sheet.to_image().unwrap_err().to_string().contains("16384"));
        }
    }
}
