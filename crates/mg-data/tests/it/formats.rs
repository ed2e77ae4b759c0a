//! Sets in the formats of their owners, written by the usual libraries (golden/formats.py).

use std::path::{Path, PathBuf};

use mg_data::{DataSet, ImageSource, OnBadImage, Resize, Spec, Split};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(golden("formats.json")).unwrap()).unwrap()
}

/// Images as they are.
fn open(name: &str, side: usize, split: Option<Split>) -> mg_data::Result<DataSet> {
    let source = ImageSource::find(golden(name).to_str().unwrap())?;
    DataSet::open(&Spec {
        side,
        split,
        resize: Resize::Exact,
        on_bad: OnBadImage::Refuse,
        ..Spec::new(source)
    })
}

/// Labels and hashes of a set, as golden/formats.json has them.
fn seen(set: &DataSet) -> Value {
    let hash = |i| -> String {
        Sha256::digest(set.image(i).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    (0..set.len()).map(|i| serde_json::json!([set.label(i), hash(i)])).collect()
}

#[test]
fn digits_are_read_from_matlab_files() {
    let expected = &expected()["digits"];
    for (split, name) in [(Split::Train, "train"), (Split::Test, "test")] {
        let set = open("digits", 32, Some(split)).unwrap();
        assert_eq!(seen(&set), expected[name]);
        let file = format!("digits/{name}_32x32.mat");
        assert_eq!(open(&file, 32, None).unwrap().content_hash(), set.content_hash());
    }
    assert_eq!(open("digits", 32, None).unwrap().split(), Some("train"));
    let error = open("digits", 32, Some(Split::Extra)).unwrap_err().to_string();
    assert!(error.contains("extra") && error.contains("test_32x32.mat"), "{error}");
}

#[test]
fn both_versions_of_cifar_hold_the_same_images() {
    let expected = &expected()["cifar"];
    for (split, name) in [(None, "train"), (Some(Split::Train), "train"), (Some(Split::Test), "test")] {
        let [python, binary] = ["cifar-python", "cifar-binary"].map(|name| open(name, 32, split).unwrap());
        assert_eq!(seen(&python), expected[name]);
        assert_eq!(python.content_hash(), binary.content_hash());
        assert_eq!(python.class_names(), ["airplane", "automobile", "bird"]);
        assert_eq!(python.class_names(), binary.class_names());
    }
    assert!(
        open("cifar-binary", 32, Some(Split::Validation)).unwrap_err().to_string().contains("validation")
    );
}

#[test]
fn a_hundred_classes_are_read_by_their_fine_labels() {
    let expected = &expected()["hundred"];
    for (split, name) in [(None, "train"), (Some(Split::Test), "test")] {
        for folder in ["cifar100-python", "cifar100-binary"] {
            let set = open(folder, 32, split).unwrap();
            assert_eq!(seen(&set), expected[name], "{folder}");
            assert_eq!(set.class_names(), ["apple", "baby", "bear"]);
        }
    }
    // Any folder may hold files called train and test.
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("train"), "words").unwrap();
    let error =
        ImageSource::find(root.path().to_str().unwrap()).and_then(|source| DataSet::open(&Spec::new(source)));
    assert!(error.unwrap_err().to_string().contains("no image"));
}

#[test]
fn bedrooms_are_read_from_lmdb() {
    let pairs = expected()["lsun"].as_array().unwrap().clone();
    let source = ImageSource::find(golden("lsun").to_str().unwrap()).unwrap();
    let spec = Spec { side: 16, on_bad: OnBadImage::Refuse, ..Spec::new(source) };
    let set = DataSet::open(&spec).unwrap();
    assert_eq!((set.len(), set.labels()), (70, None));
    // Those that are not resized, which are nine of ten.
    let hashes = seen(&set);
    let same = pairs.iter().enumerate().filter(|(i, pair)| hashes[i][1] == pair[1]).count();
    assert_eq!(same, 63);
    assert!(open("lsun/data.mdb", 16, None).unwrap_err().to_string().contains("48"));
    assert!(open("lsun", 16, Some(Split::Train)).is_err());
    // One of a file alone, which may have any name.
    let root = tempfile::tempdir().unwrap();
    let alone = root.path().join("bedrooms.lmdb");
    std::fs::copy(golden("lsun/data.mdb"), &alone).unwrap();
    assert_eq!(ImageSource::find(alone.to_str().unwrap()).unwrap(), ImageSource::Lmdb(alone));
}

#[test]
fn archives_are_read_in_their_order_and_folders_are_classes() {
    let expected = &expected()["photos"];
    for name in ["photos.tar", "photos.tgz"] {
        let set = open(name, 20, None).unwrap();
        assert_eq!(seen(&set), *expected);
        assert_eq!(set.class_names(), ["bar", "zoo"]);
        assert!(open(name, 20, Some(Split::Test)).is_err());
    }
}

#[test]
fn handwritten_digits_are_read_from_idx_files() {
    let root = tempfile::tempdir().unwrap();
    let head = |dimensions: &[u32]| {
        let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
        dimensions.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
        bytes
    };
    let write = |name: &str, dimensions: &[u32], values: &[u8], compressed: bool| {
        let bytes = [head(dimensions), values.to_vec()].concat();
        let bytes = if compressed {
            let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            std::io::Write::write_all(&mut out, &bytes).unwrap();
            out.finish().unwrap()
        } else {
            bytes
        };
        std::fs::write(root.path().join(name), bytes).unwrap();
    };
    let pixels: Vec<u8> = (0..3 * 9 * 8).map(|i| (i * 5 % 251) as u8).collect();
    write("train-images-idx3-ubyte.gz", &[3, 9, 8], &pixels, true);
    write("train-labels-idx1-ubyte", &[3], &[7, 0, 2], false);
    write("t10k-images.idx3-ubyte", &[2, 8, 8], &pixels[..128], false);
    let open = |path: &Path, split| {
        let source = ImageSource::find(path.to_str().unwrap())?;
        DataSet::open(&Spec { side: 8, split, resize: Resize::Crop(8), ..Spec::new(source) })
    };
    let set = open(root.path(), None).unwrap();
    assert_eq!((set.len(), set.split(), set.labels()), (3, Some("train"), Some(vec![7, 0, 2])));
    let test = open(root.path(), Some(Split::Test)).unwrap();
    assert_eq!((test.len(), test.labels()), (2, None));
    let expected: Vec<u8> = pixels[64..128].iter().flat_map(|&grey| [grey; 3]).collect();
    assert_eq!(test.image(1).unwrap(), expected);
    let file = root.path().join("train-images-idx3-ubyte.gz");
    assert_eq!(open(&file, None).unwrap().content_hash(), set.content_hash());
    assert!(open(root.path(), Some(Split::Extra)).unwrap_err().to_string().contains("t10k"));
    // Cut, of another shape, or with other labels.
    write("t10k-images.idx3-ubyte", &[2, 8, 8], &pixels[..100], false);
    assert!(open(root.path(), Some(Split::Test)).unwrap_err().to_string().contains("row 1"));
    write("t10k-images.idx3-ubyte", &[2, 0, 8], &[], false);
    assert!(open(root.path(), Some(Split::Test)).unwrap_err().to_string().contains("8 x 0"));
    write("train-labels-idx1-ubyte", &[2], &[7, 0], false);
    assert!(open(root.path(), None).unwrap_err().to_string().contains("2 labels"));
}

#[test]
fn arrays_are_read_with_the_labels_of_their_split() {
    let expected = &expected()["numpy"];
    for (file, split, name) in [
        ("numpy/keras.npz", None, "keras"),
        ("numpy/keras.npz", Some(Split::Test), "keras test"),
        ("numpy/medical.npz", Some(Split::Train), "medical"),
        ("numpy/planar.npy", None, "planar"),
    ] {
        assert_eq!(seen(&open(file, 12, split).unwrap()), expected[name], "{file} {split:?}");
    }
    let error = open("numpy/medical.npz", 12, Some(Split::Test)).unwrap_err().to_string();
    assert!(error.contains("test") && error.contains("val_images (|u1, 1 x 12 x 12 x 3)"), "{error}");
}
