use std::fmt;
use std::str::FromStr;

use image::RgbImage;

use crate::resample::resample;
use crate::{Defect, Error};

/// How an image of any shape becomes a square: `squash`, `square`, `crop:PIXELS` or `exact` in configurations.
///
/// Every form but the last ends with bilinear resampling: the triangle filter over pixel centres, widened by the reduction
/// ratio when the image shrinks (antialiasing), as in Pillow. An image that has the right size already is not
/// touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub enum Resize {
    /// The whole image, whatever its aspect ratio: the paper's released code.
    #[default]
    Squash,
    /// The largest square around the centre.
    CropSquare,
    /// A centred square of this many pixels on a side; 108 is usual for CelebA's 178 x 218. A smaller image is bad.
    Crop(u32),
    /// Not at all: an image that is no square of the right size, or has other than three channels of 8 bits, is bad.
    /// For measuring images as they are.
    Exact,
}

impl Resize {
    /// The rectangle of a `width` x `height` image that is kept: left, top, width, height. When the margins
    /// cannot be equal, the left and the upper one are a pixel narrower.
    ///
    /// # Errors
    /// When the crop does not fit into the image, or [`Resize::Exact`] meets an image that is not square.
    pub fn region(self, width: u32, height: u32) -> Result<[u32; 4], Defect> {
        let crop = match self {
            Resize::Squash => return Ok([0, 0, width, height]),
            Resize::CropSquare => width.min(height),
            Resize::Crop(pixels) => pixels,
            Resize::Exact if width == height => width,
            Resize::Exact => return Err(Defect::NotSquare { width, height }),
        };
        if crop > width.min(height) {
            return Err(Defect::SmallerThanCrop { width, height, crop });
        }
        Ok([(width - crop) / 2, (height - crop) / 2, crop, crop])
    }

    /// The kept region at `side` x `side` pixels: 3 side^2 bytes.
    pub(crate) fn apply(self, image: &RgbImage, side: usize) -> Result<Vec<u8>, Defect> {
        let (width, height) = (image.width(), image.height());
        let region = self.region(width, height)?;
        if self == Resize::Exact && width as usize != side {
            return Err(Defect::OtherSide { found: width, side });
        }
        Ok(resample(image, region, side))
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resize::Squash => f.write_str("squash"),
            Resize::CropSquare => f.write_str("square"),
            Resize::Crop(pixels) => write!(f, "crop:{pixels}"),
            Resize::Exact => f.write_str("exact"),
        }
    }
}

impl FromStr for Resize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let pixels = |text: &str| text.parse().ok().filter(|&pixels| pixels > 0).map(Resize::Crop);
        match text {
            "squash" => Some(Resize::Squash),
            "square" => Some(Resize::CropSquare),
            "exact" => Some(Resize::Exact),
            _ => text.strip_prefix("crop:").and_then(pixels),
        }
        .ok_or_else(|| {
            Error::Setting(format!("resize `{text}` is none of squash, square, crop:PIXELS, exact"))
        })
    }
}

impl TryFrom<String> for Resize {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Resize> for String {
    fn from(resize: Resize) -> String {
        resize.to_string()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use proptest::prelude::*;

    use super::*;

    /// Red grows to the right, green downwards, by `step` a pixel.
    fn ramp(width: u32, height: u32, step: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * step) as u8, (y * step) as u8, 7]))
    }

    fn square(resize: Resize, image: RgbImage, side: u32) -> RgbImage {
        RgbImage::from_raw(side, side, resize.apply(&image, side as usize).unwrap()).unwrap()
    }

    #[test]
    fn a_crop_keeps_the_centre_pixel_for_pixel() {
        let image = square(Resize::Crop(108), ramp(178, 218, 1), 108);
        assert_eq!(image.get_pixel(0, 0), &Rgb([35, 55, 7]));
        assert_eq!(image.get_pixel(107, 107), &Rgb([142, 162, 7]));
    }

    #[test]
    fn the_square_is_as_wide_as_the_shorter_side() {
        assert_eq!(Resize::CropSquare.region(178, 218).unwrap(), [0, 20, 178, 178]);
        assert_eq!(Resize::CropSquare.region(640, 480).unwrap(), [80, 0, 480, 480]);
    }

    #[test]
    fn a_squash_keeps_all_four_corners() {
        let image = square(Resize::Squash, ramp(256, 64, 1), 16);
        let [left, right] = [image.get_pixel(0, 8)[0], image.get_pixel(15, 8)[0]];
        assert!(left < 16 && right > 239, "columns from {left} to {right} of 0 to 255");
        let [upper, lower] = [image.get_pixel(8, 0)[1], image.get_pixel(8, 15)[1]];
        assert!(upper < 4 && lower > 59, "rows from {upper} to {lower} of 0 to 63");
    }

    #[test]
    fn shrinking_averages_instead_of_picking() {
        let stripes = RgbImage::from_fn(64, 64, |x, _| Rgb([if x % 2 == 0 { 0 } else { 255 }; 3]));
        let grey = square(Resize::Squash, stripes, 8);
        assert!(grey.pixels().all(|p| (120..=135).contains(&p[0])), "antialiasing turns stripes grey");
    }

    /// Pillow 13: `Image.fromarray(ramp).resize((4, 4), Image.BILINEAR)` for the ramp of 10 x 6 pixels, step 20.
    #[test]
    fn bilinear_agrees_with_pillow() {
        let image = square(Resize::Squash, ramp(10, 6, 20), 4);
        let row: Vec<u8> = (0..4).map(|x| image.get_pixel(x, 1)[0]).collect();
        let column: Vec<u8> = (0..4).map(|y| image.get_pixel(1, y)[1]).collect();
        assert_eq!((row, column), (vec![20, 65, 115, 160], vec![8, 36, 64, 93]));
    }

    #[test]
    fn an_exact_image_is_not_touched_and_others_are_bad() {
        assert_eq!(square(Resize::Exact, ramp(20, 20, 3), 20), ramp(20, 20, 3));
        let refused = |image: RgbImage| Resize::Exact.apply(&image, 20).unwrap_err();
        assert_eq!(refused(ramp(21, 21, 3)), Defect::OtherSide { found: 21, side: 20 });
        assert_eq!(refused(ramp(20, 22, 3)), Defect::NotSquare { width: 20, height: 22 });
    }

    #[test]
    fn an_image_smaller_than_the_crop_is_bad() {
        assert!(matches!(Resize::Crop(108).region(178, 90), Err(Defect::SmallerThanCrop { crop: 108, .. })));
    }

    proptest! {
        #[test]
        fn every_shape_becomes_the_asked_square(width in 1u32..90, height in 1u32..90, side in 1usize..80) {
            for resize in [Resize::Squash, Resize::CropSquare, Resize::Crop(width.min(height))] {
                prop_assert_eq!(resize.apply(&ramp(width, height, 2), side).unwrap().len(), 3 * side * side);
            }
        }

        #[test]
        fn names_parse_back(pixels in 1u32..5000) {
            for resize in [Resize::Squash, Resize::CropSquare, Resize::Crop(pixels), Resize::Exact] {
                prop_assert_eq!(resize.to_string().parse::<Resize>().unwrap(), resize);
            }
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in ["", "crop", "crop:", "crop:0", "crop:-3", "Squash"] {
            assert!(text.parse::<Resize>().is_err(), "{text}");
        }
    }
}
