use mg_data::{Resize, decode};
use mg_pyramid::Mask;

use crate::scratch::Scratch;
use crate::watch::watched;

/// Side that pictures are decoded to, pixels.
const SIDE: usize = 8;
/// Side of the masks that [`mask`] reads; pictures of other sides are refused before they are decoded.
pub const MASK_SIDE: usize = 16;

/// A PNG, as it is and with right checksums.
pub fn png(bytes: &[u8]) {
    watched(|| {
        picture(bytes);
        picture(&with_right_checksums(bytes));
    });
}

/// A JPEG, by whichever decoder its form needs.
pub fn jpeg(bytes: &[u8]) {
    watched(|| picture(bytes));
}

/// A WebP picture or animation.
pub fn webp(bytes: &[u8]) {
    watched(|| picture(bytes));
}

/// A mask: the same three formats by another way.
pub fn mask(bytes: &[u8]) {
    watched(|| {
        for bytes in [bytes, &with_right_checksums(bytes)] {
            let folder = Scratch::new();
            let path = folder.file("mask.png", bytes);
            match Mask::from_png(&path, MASK_SIDE) {
                Ok(mask) => assert_eq!(mask.hidden().len(), MASK_SIDE * MASK_SIDE),
                Err(error) => assert!(error.to_string().contains("mask.png"), "{error}"),
            }
        }
    });
}

fn picture(bytes: &[u8]) {
    if let Ok(pixels) = decode(bytes, SIDE, Resize::Squash) {
        assert_eq!(pixels.len(), 3 * SIDE * SIDE);
    }
}

/// Bytes of a PNG before its first chunk.
const SIGNATURE: usize = 8;
/// Bytes of a chunk's length, type or checksum.
const WORD: usize = 4;

/// The same bytes, each chunk with the checksum of its type and data.
fn with_right_checksums(png: &[u8]) -> Vec<u8> {
    let mut bytes = png.to_vec();
    let mut at = SIGNATURE;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + WORD) {
        let from = at + WORD;
        let to = from + WORD + u32::from_be_bytes([a, b, c, d]) as usize;
        if to + WORD > bytes.len() {
            break;
        }
        let checksum = crc32fast::hash(&bytes[from..to]);
        bytes[to..to + WORD].copy_from_slice(&checksum.to_be_bytes());
        at = to + WORD;
    }
    bytes
}
