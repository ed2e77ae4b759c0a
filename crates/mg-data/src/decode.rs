use std::io::Cursor;
use std::panic::catch_unwind;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::budget::Budget;
use crate::jpeg::{Form, UnusualJpeg};
use crate::limits::{self, MAX_FILE, MAX_PIXELS, MIN_SIDE};
use crate::{Defect, Resize};

/// Bytes a decoder may allocate for one image.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// Decodes a png, jpeg or webp file to `side` x `side` pixels, RGB interleaved, row by row: 3 side^2 bytes.
///
/// Grey becomes RGB, 16 bits become 8, transparent pixels are laid over white, an Exif orientation is applied;
/// colour profiles are ignored. Of an animation the first image counts. The format is taken from the bytes.
///
/// # Errors
/// A [`Defect`] for anything that is not a whole image within the limits [`MIN_SIDE`], [`MAX_PIXELS`] and
/// [`MAX_FILE`]. Damage within a jpeg's compressed data that still decodes to something cannot be seen.
pub fn decode(bytes: &[u8], side: usize, resize: Resize) -> Result<Vec<u8>, Defect> {
    // The decoders are not ours, and none promises never to panic on hostile bytes.
    let image = catch_unwind(|| pixels(bytes, resize))
        .unwrap_or_else(|_| Err(Defect::Damaged("decoder panicked".into())))?;
    resize.apply(&image, side)
}

/// What images are decoded in at a time.
static DECODING: Budget = Budget::new(limits::DECODING);

fn rgb_bytes(width: u32, height: u32) -> u64 {
    3 * u64::from(width) * u64::from(height)
}

fn pixels(bytes: &[u8], resize: Resize) -> Result<RgbImage, Defect> {
    let (mut image, orientation) = match open(bytes)? {
        Opened::Usual(mut decoder) => {
            let (width, height) = decoder.dimensions();
            check_size(width, height)?;
            let _share = DECODING.take(decoder.total_bytes() + rgb_bytes(width, height));
            let orientation = decoder.orientation().map_err(defect)?;
            let image = DynamicImage::from_decoder(decoder);
            (image.map_err(|error| too_large(error, width, height))?, orientation)
        }
        Opened::Unusual(jpeg) => {
            check_size(jpeg.size.0, jpeg.size.1)?;
            let _share = DECODING.take(4 * rgb_bytes(jpeg.size.0, jpeg.size.1)); // coefficients too
            jpeg.decode()?
        }
    };
    if resize == Resize::Exact && image.color() != ColorType::Rgb8 {
        return Err(Defect::NotRgb(format!("{:?}", image.color())));
    }
    image.apply_orientation(orientation);
    Ok(if image.color().has_alpha() { on_white(&image) } else { image.into_rgb8() })
}

/// Width and height of an image, from its first bytes.
///
/// # Errors
/// As for [`decode`], as far as the first bytes tell.
pub(crate) fn size(bytes: &[u8]) -> Result<(u32, u32), Defect> {
    let of = || {
        Ok(match open(bytes)? {
            Opened::Usual(decoder) => decoder.dimensions(),
            Opened::Unusual(jpeg) => jpeg.size,
        })
    };
    catch_unwind(of).unwrap_or_else(|_| Err(Defect::Damaged("decoder panicked".into())))
}

/// An image whose first bytes are read.
enum Opened<'a> {
    Usual(Box<dyn ImageDecoder + 'a>),
    /// A jpeg of a form that the decoder for all others gets wrong, or refuses.
    Unusual(Box<UnusualJpeg<'a>>),
}

fn open(bytes: &[u8]) -> Result<Opened<'_>, Defect> {
    let length = bytes.len() as u64;
    if length == 0 {
        return Err(Defect::Empty);
    }
    if length > MAX_FILE {
        return Err(Defect::TooLong(length));
    }
    let format = image::guess_format(bytes).map_err(|_| Defect::Format)?;
    if !matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP) {
        return Err(Defect::Format);
    }
    if format == ImageFormat::Jpeg {
        let form = Form::of(bytes);
        // The decoder fills what is missing from a cut jpeg with grey and calls it whole.
        if !form.is_whole {
            return Err(Defect::Truncated);
        }
        if form.is_arithmetic {
            return Err(Defect::Arithmetic);
        }
        if form.is_unusual() {
            return Ok(Opened::Unusual(Box::new(UnusualJpeg::open(bytes)?)));
        }
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    Ok(Opened::Usual(Box::new(reader.into_decoder().map_err(defect)?)))
}

/// Whether an image of this size is within the limits.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), Defect> {
    if width.min(height) < MIN_SIDE {
        return Err(Defect::TooSmall { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Defect::TooLarge { width, height });
    }
    Ok(())
}

fn too_large(error: ImageError, width: u32, height: u32) -> Defect {
    match error {
        ImageError::Limits(_) => Defect::TooLarge { width, height },
        other => defect(other),
    }
}

fn defect(error: ImageError) -> Defect {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Defect::Truncated,
        other => Defect::Damaged(other.to_string().replace('\n', " ")),
    }
}

/// Lays the image over white: (c a + 255 (255 - a)) / 255, rounded to nearest.
fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [colour @ .., alpha] = from.0.map(u32::from);
        to.0 = colour.map(|c| ((2 * (c * alpha + 255 * (255 - alpha)) + 255) / 510) as u8);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{GrayImage, ImageEncoder, Luma, Rgb, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn photograph(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 3) as u8, (x * y / 7) as u8]))
    }

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

    #[test]
    fn lossless_formats_decode_exactly_and_jpeg_closely() {
        let image = photograph(40, 40);
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            assert_eq!(decode(&encoded(image.clone(), format), 40, Resize::Squash).unwrap(), *image.as_raw());
        }
        let jpeg = decode(&encoded(image.clone(), ImageFormat::Jpeg), 40, Resize::Squash).unwrap();
        let error: f64 = jpeg.iter().zip(image.as_raw()).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum();
        assert!(error / (jpeg.len() as f64) < 12.0);
    }

    #[test]
    fn grey_becomes_three_equal_channels() {
        let grey = GrayImage::from_fn(16, 16, |x, y| Luma([(16 * y + x) as u8]));
        let rgb = decode(&encoded(grey.clone(), ImageFormat::Png), 16, Resize::Squash).unwrap();
        assert!(rgb.chunks(3).zip(grey.as_raw()).all(|(p, &g)| p == [g; 3]));
    }

    #[test]
    fn exact_images_are_rgb_of_eight_bits() {
        let exact = |image: DynamicImage| decode(&encoded(image, ImageFormat::Png), 16, Resize::Exact);
        assert_eq!(exact(photograph(16, 16).into()).unwrap(), *photograph(16, 16).as_raw());
        let others: [DynamicImage; 3] = [
            GrayImage::new(16, 16).into(),
            RgbaImage::new(16, 16).into(),
            DynamicImage::ImageRgb16(image::ImageBuffer::new(16, 16)),
        ];
        for image in others {
            let defect = exact(image).unwrap_err();
            assert!(matches!(defect, Defect::NotRgb(_)), "{defect}");
        }
    }

    #[test]
    fn the_size_of_an_image_is_read_without_decoding_it() {
        for format in FORMATS {
            assert_eq!(size(&encoded(photograph(40, 30), format)), Ok((40, 30)));
        }
        assert_eq!(size(b"no image"), Err(Defect::Format));
    }

    #[test]
    fn alpha_is_laid_over_white() {
        let image = RgbaImage::from_fn(8, 8, |x, _| Rgba([200, 0, 100, [0, 255, 128, 1][x as usize % 4]]));
        let rgb = decode(&encoded(image, ImageFormat::Png), 8, Resize::Squash).unwrap();
        assert_eq!(rgb[..12], [255, 255, 255, 200, 0, 100, 227, 127, 177, 255, 254, 254]);
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let deep = image::ImageBuffer::from_fn(8, 8, |x, _| Rgb([(x * 257) as u16, 65535, 32768]));
        let rgb =
            decode(&encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png), 8, Resize::Squash).unwrap();
        assert_eq!(rgb[..6], [0, 255, 128, 1, 255, 128]);
    }

    #[test]
    fn exif_orientation_is_applied() {
        let image = RgbImage::from_fn(16, 16, |x, _| if x < 8 { Rgb([250; 3]) } else { Rgb([5; 3]) });
        // A little-endian TIFF header and one entry: tag 0x0112, a short, value 6 (turn by 90 degrees).
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
        exif.extend([0; 4]);
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(image.as_raw(), 16, 16, image::ExtendedColorType::Rgb8).unwrap();
        let rgb = decode(&bytes, 16, Resize::Squash).unwrap();
        assert!(rgb[0] > 200 && rgb[45] > 200, "the bright half is on top after the turn");
        assert!(rgb[3 * 16 * 15] < 50 && rgb[3 * 255] < 50);
    }

    #[test]
    fn sizes_outside_the_limits_are_defects() {
        let tiny = encoded(photograph(7, 30), ImageFormat::Png);
        assert_eq!(decode(&tiny, 64, Resize::Squash), Err(Defect::TooSmall { width: 7, height: 30 }));
        let mut bomb = encoded(photograph(16, 16), ImageFormat::Png);
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let crc = crc32(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&crc.to_be_bytes());
        let defect = decode(&bomb, 64, Resize::Squash);
        assert!(
            matches!(defect, Err(Defect::TooLarge { width: 65536, .. } | Defect::Damaged(_))),
            "{defect:?}"
        );
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xedb8_8320 * (c & 1)))
        })
    }

    #[test]
    fn what_is_no_image_is_named_so() {
        assert_eq!(decode(b"", 64, Resize::Squash), Err(Defect::Empty));
        assert_eq!(decode(b"GIF89a plus some more bytes", 64, Resize::Squash), Err(Defect::Format));
        assert_eq!(decode(b"<html>not found</html>", 64, Resize::Squash), Err(Defect::Format));
    }

    #[test]
    fn a_cut_file_is_never_taken_for_a_whole_one() {
        for format in FORMATS {
            let bytes = encoded(photograph(48, 40), format);
            for cut in 0..bytes.len() * 97 / 100 {
                let decoded = decode(&bytes[..cut], 16, Resize::Squash);
                assert!(decoded.is_err(), "{format:?} cut to {cut} of {} bytes", bytes.len());
            }
        }
    }

    #[test]
    fn bytes_after_the_end_of_a_jpeg_do_no_harm() {
        let mut bytes = encoded(photograph(48, 40), ImageFormat::Jpeg);
        bytes.extend(b"trailing bytes of a camera");
        assert!(decode(&bytes, 16, Resize::Squash).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn altered_bytes_give_pixels_or_a_defect_and_never_a_panic(
            format in 0usize..3,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        ) {
            let mut bytes = encoded(photograph(33, 21), FORMATS[format]);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(pixels) = decode(&bytes, 16, Resize::Squash) {
                prop_assert_eq!(pixels.len(), 3 * 16 * 16);
            }
        }

        #[test]
        fn random_bytes_after_a_signature_never_panic(format in 0usize..3, tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = encoded(photograph(33, 21), FORMATS[format])[..40].to_vec();
            bytes.extend(tail);
            let _ = decode(&bytes, 16, Resize::Squash);
        }
    }
}
