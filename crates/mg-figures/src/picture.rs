use std::io::Cursor;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use image::{ImageFormat, Rgb, RgbImage};

use crate::write::{check_ending, write_atomically};
use crate::{Error, Result};

/// The images of a batch x [n, c, s, s], c = 1 (grey) or 3, for the eye.
///
/// A value v of [-1, 1] becomes the byte round((v + 1) 127.5), values beyond are clipped: the same mapping for
/// every image. (The authors' published sheets stretch each image to its own minimum and maximum, which hides
/// drifting contrast.) A pixel that is not a number is painted magenta, so that a diverged chain is seen.
///
/// # Errors
/// When x is not a batch of square images with 1 or 3 channels.
pub fn to_rgb_images(x: &Tensor) -> Result<Vec<RgbImage>> {
    let (c, side) = match *x.dims() {
        [n, c, h, w] if h == w && n > 0 && c > 0 && h > 0 => (c, h),
        _ => return Err(Error::NotImages { shape: x.dims().to_vec() }),
    };
    if c != 1 && c != 3 {
        return Err(Error::Channels { channels: c });
    }
    let values: Vec<f32> = x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
    Ok(values.chunks_exact(c * side * side).map(|image| to_rgb_image(image, side)).collect())
}

/// Writes an image to `path`, which must end in `.png`; a reader sees the old file or the new one, never a part.
///
/// # Errors
/// When the ending is another, or the file cannot be encoded or written; then an older file is untouched.
pub fn save_png(image: &RgbImage, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    check_ending(path, "png")?;
    let mut bytes = Cursor::new(Vec::new());
    let encoded = image.write_to(&mut bytes, ImageFormat::Png);
    encoded.map_err(|source| Error::Encode { path: path.to_owned(), source })?;
    write_atomically(path, bytes.get_ref())
}

/// One image from its channels, [c, side, side] in row-major order.
fn to_rgb_image(image: &[f32], side: usize) -> RgbImage {
    let area = side * side;
    let channel = |c: usize| if image.len() == area { 0 } else { c * area };
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let at = y as usize * side + x as usize;
        let rgb = [0, 1, 2].map(|c| image[channel(c) + at]);
        if rgb.iter().any(|v| v.is_nan()) { NOT_A_NUMBER } else { Rgb(rgb.map(byte)) }
    })
}

const NOT_A_NUMBER: Rgb<u8> = Rgb([255, 0, 255]);

fn byte(value: f32) -> u8 {
    ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for b in 0..=255u8 {
            assert_eq!(byte(f32::from(b) / 127.5 - 1.0), b);
        }
        assert_eq!([-3.0, 3.0, f32::INFINITY].map(byte), [0, 255, 255]);
    }

    #[test]
    fn contrast_is_never_stretched() {
        let x = Tensor::new(&[-0.1f32, 0.0, 0.0, 0.1], &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
        let image = &to_rgb_images(&x).unwrap()[0];
        assert_eq!(image.get_pixel(0, 0).0, [115; 3]);
        assert_eq!(image.get_pixel(1, 1).0, [140; 3]);
    }

    #[test]
    fn channels_become_red_green_and_blue_and_rows_run_down() {
        let x = Tensor::arange(0f32, 24., &Device::Cpu).unwrap().affine(1.0 / 127.5, -1.0).unwrap();
        let images = to_rgb_images(&x.reshape((2, 3, 2, 2)).unwrap()).unwrap();
        assert_eq!(images[0].get_pixel(1, 0).0, [1, 5, 9]);
        assert_eq!(images[0].get_pixel(0, 1).0, [2, 6, 10]);
        assert_eq!(images[1].get_pixel(0, 0).0, [12, 16, 20]);
    }

    #[test]
    fn what_is_not_a_number_is_seen() {
        let x = Tensor::new(&[0f32, f32::NAN, 0., 0.], &Device::Cpu).unwrap().reshape((1, 1, 2, 2)).unwrap();
        let image = &to_rgb_images(&x).unwrap()[0];
        assert_eq!((image.get_pixel(1, 0), image.get_pixel(0, 0).0), (&NOT_A_NUMBER, [128; 3]));
    }

    #[test]
    fn other_shapes_are_errors_with_their_numbers() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let message = |shape: &[usize]| to_rgb_images(&zeros(shape)).unwrap_err().to_string();
        assert!(message(&[1, 2, 4, 4]).contains("got 2"));
        assert!(message(&[1, 3, 4, 5]).contains("[1, 3, 4, 5]"));
        assert!(message(&[3, 4, 4]).contains("[3, 4, 4]"));
        assert!(message(&[0, 3, 4, 4]).contains("[0, 3, 4, 4]"));
    }

    #[test]
    fn a_png_holds_the_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let image = RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 7]));
        let path = folder.path().join("image.png");
        save_png(&image, &path).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), image);
        let error = save_png(&image, folder.path().join("image.jpg")).unwrap_err().to_string();
        assert!(error.contains("image.jpg") && error.contains(".png"), "{error}");
    }
}
