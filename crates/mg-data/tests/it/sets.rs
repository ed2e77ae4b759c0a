//! Whole sets, from files on disk to tensors: folders, parquet, packed files, and damage to each.

use std::path::Path;
use std::sync::LazyLock;

use crate::common::{Photographs, write_images, write_table};
use candle_core::{Device, Tensor};
use mg_data::{DataSet, Defect, Error, ImageSource, OnBadImage, Resize, Spec, Split, pack};
use proptest::prelude::*;

fn spec(path: &Path, side: usize) -> Spec {
    Spec { side, ..Spec::new(ImageSource::find(path.to_str().unwrap()).unwrap()) }
}

fn message(result: Result<DataSet, Error>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn a_folder_becomes_labelled_batches() {
    let root = tempfile::tempdir().unwrap();
    write_images(root.path(), &["dog/b.png", "cat/a.webp", "cat/c.jpg"]);
    let set = DataSet::open(&spec(root.path(), 16)).unwrap();
    assert_eq!((set.len(), set.side(), set.channels()), (3, 16, 3));
    assert_eq!(set.class_names(), ["cat", "dog"]);
    assert_eq!(set.labels().unwrap(), [0, 0, 1]);
    let batch = set.batch(&[2, 0], &[], &Device::Cpu).unwrap();
    assert_eq!(batch.dims(), [2, 3, 16, 16]);
    let values = batch.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
    let image = set.image(2).unwrap();
    for (c, y, x) in [(0, 0, 0), (2, 7, 3), (1, 15, 15)] {
        assert_eq!(values[(c * 16 + y) * 16 + x], f32::from(image[3 * (y * 16 + x) + c]) / 127.5 - 1.0);
    }
}

#[test]
fn flips_mirror_the_rows_of_the_images_they_name() {
    let set = DataSet::portraits().unwrap();
    let plain = set.batch(&[3, 4], &[], &Device::Cpu).unwrap();
    let flipped = set.batch(&[3, 4], &[false, true], &Device::Cpu).unwrap();
    let rows = |batch: &Tensor| batch.flatten_to(2).unwrap().to_vec2::<f32>().unwrap();
    let (plain, flipped) = (rows(&plain), rows(&flipped));
    let half = plain.len() / 2;
    assert_eq!(plain[..half], flipped[..half]);
    for (row, mirrored) in plain[half..].iter().zip(&flipped[half..]) {
        assert!(row.iter().rev().eq(mirrored));
    }
}

#[test]
fn wrong_requests_are_errors() {
    let set = DataSet::portraits().unwrap();
    assert!(matches!(set.batch(&[888], &[], &Device::Cpu), Err(Error::Index { index: 888, len: 888 })));
    assert!(matches!(set.batch(&[1, 2], &[true], &Device::Cpu), Err(Error::Flips { flips: 1, images: 2 })));
    assert!(matches!(set.only_class(7), Err(Error::NoClass { class: 7, .. })));
    assert!(set.subset(&[]).is_err() && set.subset(&[888]).is_err());
    assert!(set.image(888).is_err() && set.label(u64::MAX).is_none());
    for side in [0, 5000] {
        assert!(DataSet::open(&Spec { side, ..Spec::new(ImageSource::Portraits) }).is_err());
    }
}

#[test]
fn the_embedded_set_is_as_documented() {
    let set = DataSet::portraits().unwrap();
    let description = set.describe().unwrap();
    assert_eq!(description.classes, [("person".to_owned(), 780), ("smiley".to_owned(), 108)]);
    assert_eq!(set.content_hash(), "5dd2258adf8e5b152eb1dd932281acf0c240a695bc382d419030e8886c7e55bc");
    assert!(set.licence().unwrap().contains("Apache License 2.0"));
    assert!(set.verify().is_ok());
    let text = description.to_string();
    assert!(text.contains("888 of 64 x 64") && text.contains("Apache"), "{text}");
    let small_spec = Spec { side: 16, ..Spec::new(ImageSource::Portraits) };
    let small = DataSet::open(&small_spec).unwrap();
    assert_eq!((small.len(), small.image(0).unwrap().len()), (888, 3 * 16 * 16));
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("portraits.mgpack");
    pack(&small_spec, &file, &mut |_, _| {}).unwrap();
    assert_eq!(
        DataSet::open(&spec(&file, 16)).unwrap().describe().unwrap(),
        small.describe().unwrap(),
        "with the licence"
    );
}

#[test]
fn a_class_is_a_set_of_its_own() {
    let set = DataSet::portraits().unwrap();
    let smileys = set.only_class(1).unwrap();
    assert_eq!(smileys.len(), 108);
    assert_eq!(smileys.image(0).unwrap(), set.image(780).unwrap());
    assert!(smileys.labels().unwrap().iter().all(|&label| label == 1));
    assert_ne!(smileys.content_hash(), set.content_hash());
    let few = smileys.subset(&[5, 0]).unwrap();
    assert_eq!(
        (few.image(0).unwrap(), few.image(1).unwrap()),
        (set.image(785).unwrap(), set.image(780).unwrap())
    );
    let all: Vec<_> = smileys.batches(50, &Device::Cpu).collect::<Result<_, _>>().unwrap();
    assert_eq!(all.iter().map(|batch| batch.dims()[0]).collect::<Vec<_>>(), [50, 50, 8]);
}

#[test]
fn mean_and_deviation_are_those_of_the_tensors() {
    let set = DataSet::portraits().unwrap().only_class(1).unwrap();
    let description = set.describe().unwrap();
    let all: Vec<u64> = (0..set.len()).collect();
    let batch = set.batch(&all, &[], &Device::Cpu).unwrap();
    for c in 0..3 {
        let values = batch.narrow(1, c, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((mean - description.mean[c]).abs() < 1e-6);
        assert!((square.sqrt() - description.std[c]).abs() < 1e-6);
    }
}

#[test]
fn bad_images_are_named_and_skipped_or_refused() {
    let root = tempfile::tempdir().unwrap();
    write_images(root.path(), &["a.png", "e.jpg"]);
    let whole = std::fs::read(root.path().join("e.jpg")).unwrap();
    std::fs::write(root.path().join("b.jpg"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(root.path().join("c.png"), b"").unwrap();
    std::fs::write(root.path().join("d.webp"), b"<html>404</html>").unwrap();
    let set = DataSet::open(&spec(root.path(), 16)).unwrap();
    assert_eq!((set.len(), set.skipped().count), (2, 3));
    let names: Vec<&str> = set.skipped().named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b.jpg", "c.png", "d.webp"]);
    assert!(set.skipped().named[0].1.contains("truncated"));

    let strict = Spec { on_bad: OnBadImage::Refuse, ..spec(root.path(), 16) };
    let error = DataSet::open(&strict).err().unwrap();
    assert!(
        matches!(&error, Error::BadImage { name, defect: Defect::Truncated } if name == "b.jpg"),
        "{error}"
    );
}

#[test]
fn sources_without_a_good_image_are_errors_that_say_so() {
    let root = tempfile::tempdir().unwrap();
    assert!(message(DataSet::open(&spec(root.path(), 16))).contains("no image in this folder"));
    std::fs::write(root.path().join("a.png"), b"not a png").unwrap();
    std::fs::write(root.path().join("b.png"), b"").unwrap();
    let error = message(DataSet::open(&spec(root.path(), 16)));
    assert!(error.contains("all 2 images are bad") && error.contains("a.png"), "{error}");
    let missing = ImageSource::find(root.path().join("none").to_str().unwrap()).unwrap_err().to_string();
    assert!(missing.contains("none") && missing.contains("portraits"), "{missing}");
}

#[test]
fn a_split_folder_is_its_training_part_unless_told() {
    let root = tempfile::tempdir().unwrap();
    write_images(
        root.path(),
        &["train/x/a.png", "train/y/b.png", "test/x/c.png", "test/y/d.png", "test/y/e.png"],
    );
    let open = |split| DataSet::open(&Spec { split, ..spec(root.path(), 16) });
    let train = open(None).unwrap();
    assert_eq!((train.len(), train.split(), train.class_names().len()), (2, Some("train"), 2));
    assert_eq!(open(Some(Split::Test)).unwrap().len(), 3);
    assert!(matches!(open(Some(Split::Validation)), Err(Error::NoSplit { .. })));
    assert!(DataSet::open(&Spec { split: Some(Split::Test), ..Spec::new(ImageSource::Portraits) }).is_err());
}

#[test]
fn parquet_rows_become_images_with_the_hub_s_class_names() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("data")).unwrap();
    let photographs = Photographs::new(40);
    let labels: Vec<i64> = (0..40).map(|i| i % 3).collect();
    write_table(
        &root.path().join("data/train-00000-of-00001.parquet"),
        "img",
        &photographs.some(),
        Some(&labels),
        7,
    );
    write_table(
        &root.path().join("data/test-00000-of-00001.parquet"),
        "img",
        &photographs.some()[..5],
        Some(&labels[..5]),
        7,
    );
    let set = DataSet::open(&Spec { side: 24, ..spec(root.path(), 24) }).unwrap();
    assert_eq!((set.len(), set.split()), (40, Some("train")));
    assert_eq!(set.class_names(), ["red", "green", "blue"]);
    assert_eq!(set.label(4), Some(1));
    for i in 0..40 {
        assert_eq!(set.image(i).unwrap(), photographs.pixels(i as usize, 24), "row {i}");
    }
    let test = DataSet::open(&Spec { split: Some(Split::Test), ..spec(root.path(), 24) }).unwrap();
    assert_eq!(test.len(), 5);
}

#[test]
fn parquet_nulls_and_bad_cells_are_named_by_row() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("few.parquet");
    let photographs = Photographs::new(6);
    let mut cells = photographs.some();
    cells[2] = None;
    cells[4] = Some(b"\x89PNG\r\n\x1a\n and nothing else".to_vec());
    write_table(&path, "image", &cells, None, 4);
    let set = DataSet::open(&spec(&path, 16)).unwrap();
    assert_eq!((set.len(), set.labels()), (4, None));
    let names: Vec<&str> = set.skipped().named.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["few.parquet row 2", "few.parquet row 4"]);
    assert_eq!(set.image(2).unwrap(), photographs.pixels(3, 16));
}

#[test]
fn labels_are_all_or_none_and_small() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("l.parquet");
    let cells = Photographs::new(3).some();
    write_table(&path, "image", &cells, Some(&[-1, -1, -1]), 4);
    assert_eq!(DataSet::open(&spec(&path, 16)).unwrap().labels(), None);
    write_table(&path, "image", &cells, Some(&[1, -1, 0]), 4);
    assert!(matches!(DataSet::open(&spec(&path, 16)), Err(Error::MixedLabels(_))));
    write_table(&path, "image", &cells, Some(&[0, 1 << 40, 0]), 4);
    let set = DataSet::open(&spec(&path, 16)).unwrap();
    assert_eq!(set.labels(), None);
    assert_eq!(
        set.skipped().notes,
        ["the column label is not read: 1099511627776 is no class number from 0 to 65535"]
    );
}

#[test]
fn a_table_without_an_image_column_names_the_columns_it_has() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    write_table(&path, "picture", &Photographs::new(2).some(), Some(&[0, 1]), 4);
    let error = message(DataSet::open(&spec(&path, 16)));
    assert!(error.contains("picture.bytes") && error.contains("t.parquet"), "{error}");
}

#[test]
fn a_cut_parquet_file_is_an_error_that_names_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("cut.parquet");
    write_table(&path, "image", &Photographs::new(20).some(), None, 8);
    let whole = std::fs::read(&path).unwrap();
    for cut in (4..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(message(DataSet::open(&spec(&path, 16))).contains("cut.parquet"), "cut to {cut}");
    }
}

#[test]
fn packing_and_memory_give_the_same_set() {
    let root = tempfile::tempdir().unwrap();
    write_images(&root.path().join("in"), &["a/1.png", "a/2.jpg", "b/3.webp", "b/4.png"]);
    std::fs::write(root.path().join("in/b/5.png"), b"junk").unwrap();
    let spec_in = Spec { resize: Resize::Crop(20), ..spec(&root.path().join("in"), 16) };
    let file = root.path().join("set.mgpack");
    let mut calls = Vec::new();
    let skipped = pack(&spec_in, &file, &mut |done, total| calls.push((done, total))).unwrap();
    assert_eq!((skipped.count, calls), (1, vec![(5, 5)]));
    let (packed, memory) = (DataSet::open(&spec(&file, 16)).unwrap(), DataSet::open(&spec_in).unwrap());
    assert_eq!(packed.describe().unwrap(), memory.describe().unwrap());
    assert_eq!((packed.content_hash(), packed.resize()), (memory.content_hash(), "crop:20"));
    assert!((0..4).all(|i| packed.image(i).unwrap() == memory.image(i).unwrap()));
    assert!(packed.verify().is_ok());
    assert!(matches!(DataSet::open(&spec(&file, 64)), Err(Error::Side { packed: 16, asked: 64, .. })));
    let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 2, "no temporary file stays: {left:?}");
}

#[test]
fn a_failed_pack_leaves_the_old_file_alone() {
    let root = tempfile::tempdir().unwrap();
    write_images(&root.path().join("in"), &["1.png", "2.png"]);
    let (spec_in, file) = (spec(&root.path().join("in"), 16), root.path().join("set.mgpack"));
    pack(&spec_in, &file, &mut |_, _| {}).unwrap();
    let before = std::fs::read(&file).unwrap();
    std::fs::write(root.path().join("in/3.png"), b"junk").unwrap();
    let strict = Spec { on_bad: OnBadImage::Refuse, ..spec_in.clone() };
    assert!(pack(&strict, &file, &mut |_, _| {}).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    let nowhere = root.path().join("no/such/folder/set.mgpack");
    assert!(pack(&spec_in, &nowhere, &mut |_, _| {}).unwrap_err().to_string().contains("such"));
}

#[test]
fn a_cache_is_filled_once_and_again_when_a_file_or_a_setting_changes() {
    let root = tempfile::tempdir().unwrap();
    let (images, cache) = (root.path().join("in"), root.path().join("cache"));
    write_images(&images, &["1.png", "2.png"]);
    let cached = |side| Spec { cache: Some(cache.clone()), ..spec(&images, side) };
    let decoded = |spec: &Spec| {
        let mut calls = 0;
        let set = DataSet::open_with(spec, &mut |_, _| calls += 1).unwrap();
        (set, calls > 0)
    };
    let (first, decoded_first) = decoded(&cached(16));
    let (second, decoded_second) = decoded(&cached(16));
    assert!(decoded_first && !decoded_second);
    assert_eq!(first.content_hash(), second.content_hash());
    assert!(decoded(&cached(24)).1, "another side");
    write_images(&images, &["3.png"]);
    let (third, decoded_third) = decoded(&cached(16));
    assert!(decoded_third && third.len() == 3);
    for file in std::fs::read_dir(&cache).unwrap().flatten() {
        std::fs::write(file.path(), b"cut").unwrap();
    }
    assert_eq!(decoded(&cached(16)).0.content_hash(), third.content_hash(), "a damaged copy is made again");
}

#[test]
fn the_set_is_the_same_on_one_and_two_threads() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    write_table(&path, "image", &Photographs::new(300).some(), None, 90);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| DataSet::open(&spec(&path, 16)).unwrap().describe().unwrap())
    };
    assert_eq!(on(1), on(2));
}

static TABLES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| [0, 1, 2].map(crate::common::table_bytes));
static PACKED: LazyLock<Vec<u8>> = LazyLock::new(crate::common::packed_bytes);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_altered_parquet_file_gives_a_set_or_an_error_and_never_a_panic(
        codec in 0usize..3,
        footer: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (root, mut bytes) = (tempfile::tempdir().unwrap(), TABLES[codec].clone());
        let start = if footer { bytes.len() - 900 } else { 0 };
        for (at, value) in changes {
            let at = start + at.index(bytes.len() - start);
            bytes[at] = value;
        }
        let path = root.path().join("t.parquet");
        std::fs::write(&path, bytes).unwrap();
        let spec = Spec { side: 16, ..Spec::new(ImageSource::Parquet(path)) };
        if let Ok(set) = DataSet::open(&spec) {
            prop_assert!(!set.is_empty() && set.verify().is_ok());
        }
    }

    #[test]
    fn an_altered_packed_file_is_found_out_when_opened_or_used(
        at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>(), shorten: bool,
    ) {
        let (root, mut bytes) = (tempfile::tempdir().unwrap(), PACKED.clone());
        let whole = bytes.clone();
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        } else {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let path = root.path().join("t.mgpack");
        std::fs::write(&path, &bytes).unwrap();
        let opened = DataSet::open(&Spec { side: 8, ..Spec::new(ImageSource::Packed(path)) });
        prop_assert!(!(shorten && opened.is_ok()));
        if let Ok(set) = opened {
            let indices: Vec<u64> = (0..set.len()).collect();
            let is_whole = bytes == whole;
            prop_assert_eq!(set.batch(&indices, &[], &Device::Cpu).is_ok(), is_whole);
            prop_assert_eq!(set.verify().is_ok(), is_whole);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_packed_file_is_found_out_by_whatever_uses_it() {
    let (root, whole) = (tempfile::tempdir().unwrap(), PACKED.clone());
    let path = root.path().join("t.mgpack");
    let indices = [0, 1, 2, 3];
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        let spec = Spec { side: 8, ..Spec::new(ImageSource::Packed(path.clone())) };
        let Ok(set) = DataSet::open(&spec) else { continue };
        assert!(set.batch(&indices, &[], &Device::Cpu).is_err() && set.describe().is_err(), "byte {at}");
        let order = mg_data::Order::new(mg_random::Key::new(0), 4, 4).unwrap();
        let error = mg_data::Loader::begin(&set, order, false, 0, 1, &Device::Cpu).unwrap().next().unwrap();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("t.mgpack") && error.contains("images 0 to 3"), "byte {at}: {error}");
    }
}
