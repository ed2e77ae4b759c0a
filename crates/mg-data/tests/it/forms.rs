//! Every form of image that common tools write has the pixels that other decoders see (golden/forms.py), or is left out by name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use mg_data::{Defect, Resize, decode};

/// The files of the archive.
fn files() -> BTreeMap<String, Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/forms.tar.gz");
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(path).unwrap()));
    let read = |entry: std::io::Result<tar::Entry<'_, GzDecoder<File>>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Pixels of an image laid on a square, as [`decode`] must give squares.
fn squared(bytes: &[u8], pixels: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Defect> {
    let number = |at: usize| usize::from(pixels[at]) << 8 | usize::from(pixels[at + 1]);
    let (width, height) = (number(0), number(2));
    let side = width.min(height) as u32;
    // The square in the middle, as it is.
    let found = decode(bytes, side as usize, Resize::Crop(side))?;
    let image = image::RgbImage::from_raw(width as u32, height as u32, pixels[4..].to_vec()).unwrap();
    let mut png = std::io::Cursor::new(vec![]);
    image.write_to(&mut png, image::ImageFormat::Png).unwrap();
    Ok((found, decode(png.get_ref(), side as usize, Resize::Crop(side))?))
}

#[test]
fn every_form_of_image_has_the_pixels_that_other_decoders_see() {
    let files = files();
    let (mut wrong, mut seen) = (vec![], 0);
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".rgb")) {
        seen += 1;
        match squared(bytes, &files[&format!("{name}.rgb")]) {
            Ok((found, expected)) => {
                let gaps = found.iter().zip(&expected).map(|(a, b)| f64::from(a.abs_diff(*b)));
                let (sum, most) = gaps.fold((0.0, 0.0f64), |(sum, most), gap| (sum + gap, most.max(gap)));
                let mean = sum / found.len() as f64;
                // Decoders may interpolate colours and round otherwise; nothing else.
                if mean > 2.0 || most > 16.0 {
                    wrong.push(format!("{name}: {mean:.1} on average, {most} at most"));
                }
            }
            Err(Defect::Arithmetic) if name.contains("arithmetic") => {}
            Err(defect) => wrong.push(format!("{name}: {defect}")),
        }
    }
    assert!(seen > 200, "{seen} forms");
    assert!(wrong.is_empty(), "{} of {seen} forms:\n{}", wrong.len(), wrong.join("\n"));
}
