//! What the markers of a jpeg say (ISO 10918-1, annex B), and those of unusual forms, which the decoder for all others mixes up
//! (several sequential scans) or refuses (sampling by threes).

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

use crate::Defect;
use crate::limits::MAX_PIXELS;

/// What must be known of a jpeg before it is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// Its markers can be followed to the end-of-image marker.
    pub(crate) is_whole: bool,
    /// Its coefficients are coded arithmetically.
    pub(crate) is_arithmetic: bool,
    /// Its coefficients come at once, not refined scan by scan.
    is_sequential: bool,
    scans: usize,
    /// A component is sampled three times as often as another.
    has_threes: bool,
}

impl Form {
    /// Reads the markers.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (mut form, mut at) = (Form::default(), 2);
        while let Some(start) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
            let Some(skipped) = bytes[at + start..].iter().position(|&b| b != 0xff) else { return form };
            let marker = at + start + skipped;
            at = marker + 1;
            let frame = bytes.get(at..).unwrap_or_default();
            match bytes[marker] {
                0xd9 => return Form { is_whole: true, ..form },
                // A stuffed byte of compressed data, a restart, or another marker that stands alone.
                0x00 | 0x01 | 0xd0..=0xd8 => continue,
                0xc0..=0xc2 => {
                    form.is_sequential = bytes[marker] != 0xc2;
                    form.has_threes = has_threes(frame);
                }
                0xc9..=0xcb | 0xcd..=0xcf => form.is_arithmetic = true,
                0xda => form.scans += 1,
                _ => {}
            }
            match bytes.get(at..at + 2) {
                Some(length) => at += usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return form,
            }
        }
        form
    }

    /// Whether it is an [`UnusualJpeg`].
    pub(crate) fn is_unusual(&self) -> bool {
        self.has_threes || (self.is_sequential && self.scans > 1)
    }
}

/// Whether a component of a frame, the bytes from its length on, has a sampling factor of 3.
fn has_threes(frame: &[u8]) -> bool {
    let components = frame.get(7).map_or(0, |count| usize::from(*count));
    let factors =
        frame.get(8..).unwrap_or_default().chunks_exact(3).take(components).map(|component| component[1]);
    factors.into_iter().any(|factors| factors >> 4 == 3 || factors & 15 == 3)
}

/// A jpeg of a form that is decoded apart.
pub(crate) struct UnusualJpeg<'a> {
    decoder: Decoder<&'a [u8]>,
    /// Width and height.
    pub(crate) size: (u32, u32),
    form: PixelFormat,
}

impl<'a> UnusualJpeg<'a> {
    /// Reads the headers.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Self, Defect> {
        let mut decoder = Decoder::new(bytes);
        decoder.set_max_decoding_buffer_size(MAX_PIXELS as usize * 4);
        decoder.read_info().map_err(damaged)?;
        let info = decoder.info().ok_or_else(|| damaged("it has no frame"))?;
        Ok(UnusualJpeg { decoder, size: (info.width.into(), info.height.into()), form: info.pixel_format })
    }

    /// The image, and how it is to be turned.
    pub(crate) fn decode(mut self) -> Result<(DynamicImage, Orientation), Defect> {
        let (pixels, (width, height)) = (self.decoder.decode().map_err(damaged)?, self.size);
        let orientation = self.decoder.exif_data().and_then(Orientation::from_exif_chunk);
        let image = match self.form {
            PixelFormat::L8 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
            PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
            other => {
                return Err(damaged(format!(
                    "pixels of the form {other:?} in several scans, which are not read"
                )));
            }
        };
        let image = image.ok_or_else(|| damaged("its scans do not fill it"))?;
        Ok((image, orientation.unwrap_or(Orientation::NoTransforms)))
    }
}

fn damaged(reason: impl ToString) -> Defect {
    Defect::Damaged(reason.to_string().replace('\n', " "))
}
