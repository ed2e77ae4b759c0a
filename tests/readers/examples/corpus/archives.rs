use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use image::ImageFormat;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::pictures::{encoded, picture};
use crate::{Input, golden};

/// Files of an archive: two classes, and what is no picture.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cat/a.png", encoded(picture(0), ImageFormat::Png)),
        ("dog/b.png", encoded(picture(1), ImageFormat::Png)),
        ("notes.txt", b"no picture".to_vec()),
    ]
}

pub(crate) fn all() -> Vec<Input> {
    let plain = tarball("");
    let long = tarball(&"a folder with a long name/".repeat(5));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&plain).expect("bytes");
    vec![
        ("tar", "plain.tar".into(), plain),
        ("tar", "long-names.tar".into(), long),
        ("tar", "gzip.tgz".into(), gzip.finish().expect("bytes")),
        ("tar", "golden.tgz".into(), golden("photos.tgz")),
        ("zip", "stored.zip".into(), zipped(CompressionMethod::Stored)),
        ("zip", "deflated.zip".into(), zipped(CompressionMethod::Deflated)),
        ("npz", "keras.npz".into(), golden("numpy/keras.npz")),
        ("npz", "medical.npz".into(), golden("numpy/medical.npz")),
        ("npz", "stored.npz".into(), arrays()),
    ]
}

fn tarball(above: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files() {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{above}{name}"), bytes.as_slice()).expect("a file");
    }
    tar.into_inner().expect("an archive")
}

fn zipped(method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files() {
        zip.start_file(name, SimpleFileOptions::default().compression_method(method)).expect("a file");
        zip.write_all(&bytes).expect("bytes");
    }
    zip.finish().expect("an archive").into_inner()
}

/// Images and labels that are not compressed.
fn arrays() -> Vec<u8> {
    let pixels: Vec<u8> = (0..2 * 8 * 8).map(|i| (i * 5 % 251) as u8).collect();
    let labels: Vec<u8> = [3i64, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in [
        ("x_train.npy", crate::matrices::array("|u1", "(2, 8, 8)", &pixels)),
        ("y_train.npy", crate::matrices::array("<i8", "(2,)", &labels)),
    ] {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(name, options).expect("a file");
        zip.write_all(&array).expect("bytes");
    }
    zip.finish().expect("an archive").into_inner()
}
