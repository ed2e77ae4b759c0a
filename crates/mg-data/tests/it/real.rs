//! Real photographs, where a checkout has them beside it: `../shared/data`, laid out as on the hub. Its tests are
//! ignored where they are not.

use std::path::PathBuf;

use mg_data::{DataSet, ImageSource, Resize, Spec, Split};

fn spec(folder: &str) -> Spec {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    Spec { split: Some(Split::Test), ..Spec::new(ImageSource::find(path.to_str().unwrap()).unwrap()) }
}

#[test]
#[cfg_attr(not(has_real_data), ignore = "no real data sets beside the repository")]
fn celeba_s_test_split_decodes_whole() {
    let spec = spec("celeba");
    let set = DataSet::open(&Spec { resize: Resize::Crop(108), ..spec }).unwrap();
    assert_eq!((set.len(), set.labels(), set.skipped().count), (1671, None, 0));
    let description = set.describe().unwrap();
    assert_eq!((description.name.as_str(), description.split.as_deref()), ("celeba", Some("test")));
    for c in 0..3 {
        assert!((-0.5..0.5).contains(&description.mean[c]), "{description}");
        assert!((0.3..0.8).contains(&description.std[c]), "{description}");
    }
}

#[test]
#[cfg_attr(not(has_real_data), ignore = "no real data sets beside the repository")]
fn svhn_has_ten_digits() {
    let spec = spec("svhn");
    let set = DataSet::open(&Spec { side: 32, ..spec }).unwrap();
    assert_eq!((set.len(), set.skipped().count, set.class_names().len()), (2001, 0, 10));
    assert_eq!(set.labels().unwrap().iter().max(), Some(&9));
}

#[test]
#[cfg_attr(not(has_real_data), ignore = "no real data sets beside the repository")]
fn cifar_s_column_img_is_found_and_its_classes_are_named_and_balanced() {
    let spec = spec("cifar10");
    let set = DataSet::open(&Spec { side: 32, ..spec }).unwrap();
    assert_eq!((set.len(), set.skipped().count), (10_000, 0));
    assert_eq!((set.class_names()[0].as_str(), set.class_names()[9].as_str()), ("airplane", "truck"));
    assert!(set.describe().unwrap().classes.iter().all(|(_, count)| *count == 1000));
}
