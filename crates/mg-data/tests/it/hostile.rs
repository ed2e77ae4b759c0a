//! Damaged files: bytes flipped, cut, repeated, overwritten. Whatever the bytes, a set opens or an error names its file, and
//! nothing panics, hangs or takes much memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

use mg_data::{DataSet, ImageSource, OnBadImage, Resize, Spec};
use mg_random::{Key, Stream};

/// Damages of every file; MG_MUTATIONS takes another number.
const MUTATIONS: u64 = 2000;

fn mutations() -> u64 {
    std::env::var("MG_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTATIONS)
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// One to four damages.
fn damage(bytes: &mut Vec<u8>, random: &mut Stream) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len() as u64) as usize;
        // Heads and tables of contents are where one byte moves much.
        let at = if random.below(2) == 0 { at % 512 } else { at }.min(bytes.len() - 1);
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next_u32() as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + 1 + random.below(16) as usize).min(bytes.len());
                bytes[at..end].fill(if random.below(2) == 0 { 0 } else { 0xff });
            }
            4 => {
                let end = (at + random.below(64) as usize).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = random.below(bytes.len() as u64) as usize;
                let length = (random.below(32) as usize).min(bytes.len() - at.max(from));
                bytes.copy_within(from..from + length, at);
            }
        }
    }
}

/// Opens damaged copies of `file`, which lies in a set `set` (or is one); counts those that still open.
fn survives(set: &str, file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (root, original) = (folder.path().join("set"), fs::read(golden(file)).unwrap());
    if golden(set).is_dir() {
        fs::create_dir(&root).unwrap();
        for entry in fs::read_dir(golden(set)).unwrap().flatten() {
            fs::copy(entry.path(), root.join(entry.file_name())).unwrap();
        }
    }
    let target = match golden(set).is_dir() {
        true => root.join(golden(file).file_name().unwrap()),
        false => folder.path().join(golden(file).file_name().unwrap()),
    };
    let source = if root.is_dir() { &root } else { &target };
    survives_in(source, &target, file, &original, OnBadImage::Skip);
}

/// Opens the set `source`, in which damaged copies of `original` take the place of the file `target`.
fn survives_in(source: &Path, target: &Path, file: &str, original: &[u8], on_bad: OnBadImage) {
    hush();
    let mut opened = 0;
    for mutation in 0..mutations() {
        let mut bytes = original.to_vec();
        damage(&mut bytes, &mut Key::new(1).named(file).fold(mutation).stream());
        fs::write(target, &bytes).unwrap();
        let open = || {
            let source = ImageSource::find(source.to_str().unwrap())?;
            DataSet::open(&Spec { side: 8, resize: Resize::Squash, on_bad, ..Spec::new(source) })
        };
        match open() {
            Ok(_) => opened += 1,
            Err(error) => {
                let message = error.to_string();
                let named = [source, target].iter().any(|path| message.contains(path.to_str().unwrap()))
                    || message.contains(target.file_name().unwrap().to_str().unwrap());
                assert!(named, "{file}, mutation {mutation}: {message}");
            }
        }
    }
    println!("{file}: {opened} of {} still open", mutations());
    assert!(opened > 0 && opened < mutations(), "{file}: {opened}");
}

#[test]
fn damaged_lmdb_environments_are_errors() {
    survives("lsun", "lsun/data.mdb");
}

#[test]
fn damaged_matlab_files_are_errors() {
    survives("digits", "digits/train_32x32.mat");
    survives("digits/test_32x32.mat", "digits/test_32x32.mat");
}

#[test]
fn two_thousand_million_matlab_images_without_height_are_refused() {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut bytes = b"MATLAB 5.0 MAT-file".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0, 1, b'I', b'M']);
    // Flags, dimensions, the name X in its tag, and no values.
    let matrix = words(&[6, 8, 2, 0, 5, 16, 0, 16, 3, 2_147_483_647, 1 << 16 | 1, u32::from(b'X'), 2, 0]);
    bytes.extend(words(&[14, matrix.len() as u32]));
    bytes.extend(matrix);
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("no_height.mat");
    fs::write(&path, bytes).unwrap();
    let error = DataSet::open(&Spec::new(ImageSource::Matlab(path))).unwrap_err().to_string();
    assert!(error.contains("no_height.mat") && error.contains("16 x 0 pixels"), "{error}");
}

#[test]
fn damaged_batches_of_cifar_are_errors() {
    survives("cifar-python", "cifar-python/data_batch_1");
    survives("cifar-binary", "cifar-binary/data_batch_2.bin");
}

#[test]
fn damaged_arrays_are_errors() {
    survives("numpy/keras.npz", "numpy/keras.npz");
    survives("numpy/medical.npz", "numpy/medical.npz");
}

#[test]
fn damaged_zip_archives_are_errors() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (i, bytes) in crate::common::Photographs::new(3).some().into_iter().flatten().enumerate() {
        zip.start_file(format!("{i}.{}", ["png", "jpg"][i % 2]), zip::write::SimpleFileOptions::default())
            .unwrap();
        std::io::Write::write_all(&mut zip, &bytes).unwrap();
    }
    survives_alone("photos.zip", zip.finish().unwrap().get_ref(), false);
}

#[test]
fn damaged_archives_are_errors() {
    survives("photos.tar", "photos.tar");
    survives("photos.tgz", "photos.tgz");
}

/// Opens damaged copies of one file, or of the folder that it lies in; no image may be bad.
fn survives_alone(name: &str, original: &[u8], in_folder: bool) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join(name);
    let source = if in_folder { folder.path() } else { &target };
    survives_in(source, &target, name, original, OnBadImage::Refuse);
}

#[test]
fn damaged_tables_are_errors() {
    for (codec, name) in ["plain.parquet", "snappy.parquet", "zstd.parquet"].into_iter().enumerate() {
        survives_alone(name, &crate::common::table_bytes(codec), false);
    }
}

#[test]
fn damaged_images_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.png", "b.jpg", "c.webp"];
    crate::common::write_images(folder.path(), &names);
    names.iter().for_each(|name| survives_alone(name, &fs::read(folder.path().join(name)).unwrap(), true));
}

#[test]
fn damaged_packed_files_are_errors() {
    survives_alone("set.mgpack", &crate::common::packed_bytes(), false);
}

/// Leaves out the messages of panics that the library catches; those of this file's assertions stay.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.location().is_some_and(|place| place.file().ends_with(file!())) {
                usual(panic);
            }
        }));
    });
}
