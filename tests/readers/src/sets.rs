//! Readers of files with many images.

use mg_data::{DataSet, ImageSource, Spec};

use crate::scratch::Scratch;
use crate::watch::watched;

/// Side that images are decoded to, pixels.
const SIDE: usize = 8;

/// A parquet file.
pub fn parquet(bytes: &[u8]) {
    alone("table.parquet", bytes, ImageSource::Parquet);
}

/// A tar archive, plain or compressed by gzip.
pub fn tar(bytes: &[u8]) {
    alone("photos.tar", bytes, ImageSource::Archive);
}

/// A zip archive.
pub fn zip(bytes: &[u8]) {
    alone("photos.zip", bytes, ImageSource::Archive);
}

/// A MATLAB file.
pub fn mat(bytes: &[u8]) {
    alone("digits.mat", bytes, ImageSource::Matlab);
}

/// An LMDB environment of one file.
pub fn lmdb(bytes: &[u8]) {
    alone("data.mdb", bytes, ImageSource::Lmdb);
}

/// One of numpy's arrays.
pub fn npy(bytes: &[u8]) {
    alone("images.npy", bytes, ImageSource::Numpy);
}

/// Several of numpy's arrays.
pub fn npz(bytes: &[u8]) {
    alone("images.npz", bytes, ImageSource::Numpy);
}

/// A pickled batch of CIFAR, which also takes the place of the names of its classes.
pub fn pickle(bytes: &[u8]) {
    watched(|| {
        let folder = Scratch::new();
        folder.file("data_batch_1", bytes);
        folder.file("batches.meta", bytes);
        set(ImageSource::Cifar(folder.path().to_owned()));
    });
}

/// An IDX file of images; then one of labels, beside a good file of images.
pub fn idx(bytes: &[u8]) {
    let images =
        [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, SIDE as u8, 0, 0, 0, SIDE as u8], &[7; 2 * SIDE * SIDE][..]];
    watched(|| {
        let folder = Scratch::new();
        set(ImageSource::Idx(folder.file("train-images-idx3-ubyte", bytes)));
        folder.file("train-labels-idx1-ubyte", bytes);
        set(ImageSource::Idx(folder.file("train-images-idx3-ubyte", &images.concat())));
    });
}

/// A packed file, as it is and with right checksums of its head and of all but its pixels.
pub fn packed(bytes: &[u8]) {
    alone("set.mgpack", bytes, ImageSource::Packed);
    alone("set.mgpack", &with_right_checksums(bytes), ImageSource::Packed);
}

/// A set that is one file.
fn alone(name: &str, bytes: &[u8], source: fn(std::path::PathBuf) -> ImageSource) {
    watched(|| {
        let folder = Scratch::new();
        let path = folder.file(name, bytes);
        if let Some(name) = path.to_str() {
            let _ = ImageSource::find(name);
        }
        set(source(path));
    });
}

/// Everything that is asked of a source before and while it is learned.
fn set(source: ImageSource) {
    let is_packed = matches!(source, ImageSource::Packed(_));
    let mut spec = Spec { side: SIDE, ..Spec::new(source) };
    let count = spec.count();
    let size = spec.native_size();
    if let (true, Ok((side, _))) = (is_packed, &size) {
        spec.side = *side as usize;
    }
    let Ok(set) = DataSet::open(&spec) else { return };
    assert!(
        count.is_ok_and(|count| count >= set.len()),
        "a set of {} images was counted otherwise",
        set.len()
    );
    for i in 0..set.len() {
        if let Ok(image) = set.image(i) {
            assert_eq!(image.len(), 3 * spec.side * spec.side);
        }
        let label = set.label(i);
        assert!(
            label.is_none_or(|label| (label as usize) < set.class_names().len()),
            "{label:?} has no class"
        );
    }
}

/// Bytes of a packed file before its pixels.
const HEAD: usize = 64;

/// The checksum of the labels, checksums and header at 40, and that of the head behind it at 12; see
/// `mg-data/src/packed/format.rs`.
fn with_right_checksums(packed: &[u8]) -> Vec<u8> {
    let mut bytes = packed.to_vec();
    let Some(length) = bytes.get(16..24) else { return bytes };
    let pixels = length.iter().rev().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
    let Some(tail) = HEAD.checked_add(pixels).and_then(|start| bytes.get(start..)) else { return bytes };
    let tail = crc32fast::hash(tail);
    bytes[40..44].copy_from_slice(&tail.to_le_bytes());
    let head = crc32fast::hash(&bytes[16..HEAD]);
    bytes[12..16].copy_from_slice(&head.to_le_bytes());
    bytes
}
