use crate::Resize;

/// How an image becomes a square, without the side of a crop, which configurations hold beside it: `squash` or `crop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum ResizeKind {
    /// The whole image, whatever its aspect ratio.
    Squash,
    /// A centred square.
    Crop,
}

impl ResizeKind {
    /// The [`Resize`] with a crop of `pixels` on a side, or of the largest square when `pixels` is 0.
    pub fn with_crop(self, pixels: u32) -> Resize {
        match (self, pixels) {
            (ResizeKind::Squash, _) => Resize::Squash,
            (ResizeKind::Crop, 0) => Resize::CropSquare,
            (ResizeKind::Crop, pixels) => Resize::Crop(pixels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_of_no_pixels_is_the_largest_square() {
        assert_eq!(ResizeKind::Crop.with_crop(0), Resize::CropSquare);
        assert_eq!(ResizeKind::Crop.with_crop(108), Resize::Crop(108));
        assert_eq!(ResizeKind::Squash.with_crop(108), Resize::Squash);
    }
}
