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
