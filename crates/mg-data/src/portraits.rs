use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::record::{Content, Record};
use crate::{Error, Result};

/// The embedded set: 888 aligned portraits of 64 x 64 pixels, one under the other in one PNG.
///
/// Selection, source and licence: `datasets/portraits` of the repository, and the files beside the PNG.
pub(crate) struct Portraits {
    strip: RgbImage,
}

impl Portraits {
    /// Names and numbers of images of the classes, in the order of the strip.
    pub(crate) const CLASSES: [(&str, u64); 2] = [("person", 780), ("smiley", 108)];
    /// Pixels on a side.
    pub(crate) const SIDE: u32 = 64;
    /// What must be said wherever the set goes.
    pub(crate) const LICENCE: &str = "Noto Emoji v2.048, Copyright Google LLC, Apache License 2.0; \
         selected, composited on white and joined; from npm emoji-datasource-google 16.0.0";

    const PNG: &[u8] = include_bytes!("../portraits/portraits.png");

    pub(crate) fn open() -> Result<Self> {
        let strip = image::load(Cursor::new(Self::PNG), ImageFormat::Png)
            .map_err(|e| Error::Setting(e.to_string()))?;
        Ok(Portraits { strip: strip.into_rgb8() })
    }

    pub(crate) fn len(&self) -> u64 {
        u64::from(self.strip.height() / Self::SIDE)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Record> {
        let labels = (0..).zip(Self::CLASSES).flat_map(|(label, (_, count))| (0..count).map(move |_| label));
        let images = self.strip.as_raw().chunks_exact((3 * Self::SIDE * Self::SIDE) as usize);
        images.zip(labels).enumerate().map(|(i, (pixels, label))| Record {
            name: format!("portraits image {i}"),
            label: Some(label),
            content: RgbImage::from_raw(Self::SIDE, Self::SIDE, pixels.to_vec())
                .map_or(Content::Null, Content::Pixels),
        })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::hex::hex;

    /// The hash that `datasets/portraits/make.py` records for the pixels.
    const PIXELS: &str = "3e0dc90eadaf1b6ecde4fe45c350f482d504ebfa79b40c9bde4deb93a35abde1";

    #[test]
    fn the_embedded_pixels_have_their_recorded_hash() {
        assert_eq!(hex(&Sha256::digest(Portraits::open().unwrap().strip.as_raw())), PIXELS);
    }

    #[test]
    fn the_classes_cover_the_strip_and_fit_the_binary() {
        let portraits = Portraits::open().unwrap();
        assert_eq!(portraits.len(), Portraits::CLASSES.iter().map(|(_, count)| count).sum::<u64>());
        assert_eq!(portraits.strip.dimensions(), (64, 888 * 64));
        assert!(Portraits::PNG.len() <= 6_000_000);
    }
}
