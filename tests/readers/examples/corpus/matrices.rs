//! Images as plain numbers: MATLAB, IDX, numpy, CIFAR, and packed files.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::ImageFormat;
use mg_data::{ImageSource, Spec, pack};

use crate::pictures::{encoded, picture};
use crate::{Input, golden, place};

pub(crate) fn all() -> Vec<Input> {
    let pixels: Vec<u8> = (0..2 * 8 * 8).map(|i| (i * 5 % 251) as u8).collect();
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8], pixels.as_slice()].concat();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&images).expect("bytes");
    let [packed, first_version] = packed();
    vec![
        ("mat", "compressed.mat".into(), golden("digits/train_32x32.mat")),
        ("mat", "plain.mat".into(), matlab()),
        ("idx", "images".into(), images),
        ("idx", "images.gz".into(), gzip.finish().expect("bytes")),
        ("idx", "labels".into(), vec![0, 0, 8, 1, 0, 0, 0, 2, 5, 9]),
        ("npy", "grey.npy".into(), array("|u1", "(2, 8, 8)", &pixels)),
        ("npy", "planar.npy".into(), golden("numpy/planar.npy")),
        ("pickle", "batch".into(), batch()),
        ("pickle", "golden-batch".into(), golden("cifar-python/test_batch")),
        ("pickle", "names".into(), golden("cifar-python/batches.meta")),
        ("packed", "set.mgpack".into(), packed),
        ("packed", "first-version.mgpack".into(), first_version),
    ]
}

/// One of numpy's arrays: its type and shape, and its values.
pub(crate) fn array(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let description = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((description.len() as u16).to_le_bytes());
    bytes.extend(description.as_bytes());
    bytes.extend(values);
    bytes
}

/// Two images of 8 x 8 and their labels, not compressed.
fn matlab() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let values: Vec<u8> = (0..8 * 8 * 3 * 2).map(|i| (i * 7 % 251) as u8).collect();
    // Flags, dimensions, a name in its tag, the tag of the values.
    let mut images =
        words(&[6, 8, 9, 0, 5, 16, 8, 8, 3, 2, 1 << 16 | 1, u32::from(b'X'), 2, values.len() as u32]);
    images.extend(&values);
    let labels = words(&[
        6,
        8,
        9,
        0,
        5,
        8,
        2,
        1,
        1 << 16 | 1,
        u32::from(b'y'),
        2 << 16 | 2,
        u32::from_le_bytes([4, 10, 0, 0]),
    ]);
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0, 1, b'I', b'M']);
    for matrix in [images, labels] {
        bytes.extend(words(&[14, matrix.len() as u32]));
        bytes.extend(matrix);
    }
    bytes
}

/// A batch of one image: a dictionary with strings of bytes and a list, pickled.
fn batch() -> Vec<u8> {
    let mut bytes = b"\x80\x02}q\x01(U\x04data".to_vec();
    bytes.extend(b"cnumpy\n_reconstruct\nq\x02)\x85R(K\x01K\x01\x85NNT");
    bytes.extend(3072u32.to_le_bytes());
    bytes.extend((0..3072).map(|i| (i * 3 % 251) as u8));
    bytes.extend(b"tbU\x06labels]q\x03K\x06aU\x0blabel_names]U\x03catau.");
    bytes
}

/// A packed file, and one of the first version, which has no checksums but that of its content.
fn packed() -> [Vec<u8>; 2] {
    let (folder, path) = place("set.mgpack");
    for (i, name) in ["a/1.png", "b/2.png"].into_iter().enumerate() {
        let image = folder.path().join("photos").join(name);
        std::fs::create_dir_all(image.parent().expect("a folder")).expect("a folder");
        std::fs::write(image, encoded(picture(i as u32), ImageFormat::Png)).expect("a picture");
    }
    let spec = Spec { side: 8, ..Spec::new(ImageSource::Folder(folder.path().join("photos"))) };
    pack(&spec, &path, &mut |_, _| {}).expect("two pictures");
    let whole = std::fs::read(path).expect("a packed file");
    let number =
        |at: usize| whole[at..at + 8].iter().rev().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
    let (head, pixels_and_labels, header) = (64, number(16) + number(24), number(32));
    let mut first = whole[..head + pixels_and_labels].to_vec();
    first.extend(&whole[whole.len() - header..]);
    first[8] = 1;
    first[12..16].fill(0);
    first[40..44].fill(0);
    [whole, first]
}
