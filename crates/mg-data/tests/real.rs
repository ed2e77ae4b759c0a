//! Real photographs, where a checkout has them beside it: `../shared/data`, laid out as on the hub. Each test says
//! that it is skipped where they are not.

use std::path::PathBuf;

use mg_data::{DataSet, ImageSource, Resize, Spec, Split};

fn spec(folder: &str) -> Option<Spec> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if !path.is_dir() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Spec { split: Some(Split::Test), ..Spec::new(ImageSource::find(path.to_str()?).ok()?) })
}

#[test]
fn celeba_s_test_split_decodes_whole() {
    let Some(spec) = spec("celeba") else { return };
    let set = DataSet::open(&Spec { resize: Resize::Crop(108), ..spec }).unwrap();
    assert_eq!((set.len(), set.labels(), set.skipped().count), (1671, None, 0));
    let description = set.describe();
    assert_eq!((description.name.as_str(), description.split.as_deref()), ("celeba", Some("test")));
    for c in 0..3 {
        assert!((-0.5..0.5).contains(&description.mean[c]), "{description}");
        assert!((0.3..0.8).contains(&description.std[c]), "{description}");
    }
}

#[test]
fn svhn_has_ten_digits() {
    let Some(spec) = spec("svhn") else { return };
    let set = DataSet::open(&Spec { side: 32, ..spec }).unwrap();
    assert_eq!((set.len(), set.skipped().count, set.class_names().len()), (2001, 0, 10));
    assert_eq!(set.labels().unwrap().iter().max(), Some(&9));
}

#[test]
fn cifar_s_column_img_is_found_and_its_classes_are_named_and_balanced() {
    let Some(spec) = spec("cifar10") else { return };
    let set = DataSet::open(&Spec { side: 32, ..spec }).unwrap();
    assert_eq!((set.len(), set.skipped().count), (10_000, 0));
    assert_eq!((set.class_names()[0].as_str(), set.class_names()[9].as_str()), ("airplane", "truck"));
    assert!(set.describe().classes.iter().all(|(_, count)| *count == 1000));
}
