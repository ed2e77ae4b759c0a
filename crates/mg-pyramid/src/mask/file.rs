use std::panic::catch_unwind;
use std::path::Path;

use image::error::{DecodingError, ImageFormatHint};
use image::{DynamicImage, GrayImage, ImageError, ImageReader, Luma};

use super::{Mask, check_side};
use crate::{Error, Result};

impl Mask {
    /// A mask from a PNG (or JPEG, or WebP) of `side` x `side` pixels: **bright is hidden**, as in inpainting
    /// tools where one paints over what is to be replaced.
    ///
    /// A pixel is hidden when its luma is at least half of white; transparent pixels count as black, so a
    /// white stroke on a transparent layer works too.
    ///
    /// # Errors
    /// When the file is missing, is no image, or has another size than `side` x `side`.
    pub fn from_png(path: impl AsRef<Path>, side: usize) -> Result<Self> {
        check_side(side)?;
        let path = path.as_ref();
        let io = |source| Error::MaskIo { path: path.to_owned(), source };
        let not_an_image = |source| Error::MaskImage { path: path.to_owned(), source };
        let open = || ImageReader::open(path).and_then(ImageReader::with_guessed_format).map_err(io);
        let read = || {
            // The header first, so that a huge image is refused before it is decoded.
            let (width, height) = open()?.into_dimensions().map_err(not_an_image)?;
            if (width as usize, height as usize) != (side, side) {
                return Err(Error::MaskFileSize { path: path.to_owned(), width, height, side });
            }
            Mask::new(side, bright(&open()?.decode().map_err(not_an_image)?))
        };
        // The decoders are not ours, and none promises never to panic on hostile bytes.
        catch_unwind(read).unwrap_or_else(|_| Err(not_an_image(panicked())))
    }

    /// The mask as an image, hidden = white: what [`from_png`](Mask::from_png) reads.
    pub fn to_image(&self) -> GrayImage {
        let side = self.side as u32;
        let white = |x: u32, y: u32| self.hidden[y as usize * self.side + x as usize];
        GrayImage::from_fn(side, side, |x, y| Luma([if white(x, y) { 255 } else { 0 }]))
    }
}

fn panicked() -> ImageError {
    ImageError::Decoding(DecodingError::new(ImageFormatHint::Unknown, "the decoder panicked"))
}

fn bright(image: &DynamicImage) -> Vec<bool> {
    let pixels = image.to_luma_alpha8();
    pixels.pixels().map(|p| u32::from(p.0[0]) * u32::from(p.0[1]) >= 128 * 255).collect()
}

#[cfg(test)]
mod tests {
    use image::{LumaA, Rgb, RgbImage};
    use mg_random::Key;

    use super::*;

    #[test]
    fn a_mask_survives_a_png() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        for (seed, side) in [(0, 1), (1, 7), (2, 64)] {
            let mask = Mask::pepper(side, 0.4, Key::new(seed)).unwrap();
            mask.to_image().save(&path).unwrap();
            assert_eq!(Mask::from_png(&path, side).unwrap(), mask);
        }
    }

    #[test]
    fn bright_opaque_pixels_are_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("colour.png");
        let colours = [[255, 255, 255], [0, 0, 0], [255, 255, 0], [0, 0, 255]];
        RgbImage::from_fn(2, 2, |x, y| Rgb(colours[(y * 2 + x) as usize])).save(&path).unwrap();
        assert_eq!(Mask::from_png(&path, 2).unwrap().hidden(), [true, false, true, false]);

        let layers = [[255, 255], [255, 0], [0, 255], [255, 128]];
        let layer = image::ImageBuffer::from_fn(2, 2, |x, y| LumaA::<u8>(layers[(y * 2 + x) as usize]));
        layer.save(&path).unwrap();
        assert_eq!(Mask::from_png(&path, 2).unwrap().hidden(), [true, false, false, true]);
    }

    #[test]
    fn bad_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mask.png");
        let message = |side| Mask::from_png(&path, side).unwrap_err().to_string();
        assert!(message(8).contains("mask.png"), "missing: {}", message(8));
        for junk in [&b""[..], b"no image at all", b"\x89PNG\r\n\x1a\nand then nothing"] {
            std::fs::write(&path, junk).unwrap();
            assert!(message(8).contains("mask.png"), "junk: {}", message(8));
        }
        RgbImage::new(100, 64).save(&path).unwrap();
        assert!(message(64).contains("100x64") && message(64).contains("64x64"), "{}", message(64));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(Mask::from_png(&path, 64).is_err());
        assert!(Mask::from_png(folder.path(), 64).unwrap_err().to_string().contains("cannot read"));
    }
}
