//! Parquet files as people write them: labels of every kind, images in every kind of column, several files as one set.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use mg_data::{DataSet, ImageSource, Spec};
use parquet::basic::Compression;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::common::Photographs;

/// A leaf column: values that are there, definition levels and repetition levels of all rows.
enum Column {
    Bytes(Vec<Vec<u8>>, Vec<i16>, Vec<i16>),
    Fixed(Vec<Vec<u8>>),
    Long(Vec<i64>),
    Int(Vec<i32>),
    Truth(Vec<bool>),
    Real(Vec<f64>),
}

/// Text in every row.
fn texts(texts: &[&str]) -> Column {
    Column::Bytes(texts.iter().map(|text| text.as_bytes().to_vec()).collect(), vec![], vec![])
}

/// A file of one row group of these columns, with names of classes by column.
fn write(path: &Path, schema: &str, columns: Vec<Column>, classes: Option<(&str, &[&str])>) {
    let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    if let Some((column, names)) = classes {
        let hub = serde_json::json!({ "info": { "features": { column: { "names": names } } } });
        let pair = KeyValue::new("huggingface".to_owned(), hub.to_string());
        properties = properties.set_key_value_metadata(Some(vec![pair]));
    }
    let schema = Arc::new(parse_message_type(&format!("message schema {{ {schema} }}")).unwrap());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for column in columns {
        let mut next = rows.next_column().unwrap().unwrap();
        let written = match column {
            Column::Bytes(values, defined, repeated) => {
                let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
                let levels = |levels: &'_ Vec<i16>| (!levels.is_empty()).then(|| levels.clone());
                let (defined, repeated) = (levels(&defined), levels(&repeated));
                next.typed::<ByteArrayType>().write_batch(&values, defined.as_deref(), repeated.as_deref())
            }
            Column::Fixed(values) => {
                let values: Vec<FixedLenByteArray> =
                    values.into_iter().map(FixedLenByteArray::from).collect();
                next.typed::<FixedLenByteArrayType>().write_batch(&values, None, None)
            }
            Column::Long(values) => next.typed::<Int64Type>().write_batch(&values, None, None),
            Column::Int(values) => next.typed::<Int32Type>().write_batch(&values, None, None),
            Column::Truth(values) => next.typed::<BoolType>().write_batch(&values, None, None),
            Column::Real(values) => next.typed::<DoubleType>().write_batch(&values, None, None),
        };
        written.unwrap();
        next.close().unwrap();
    }
    rows.close().unwrap();
    writer.close().unwrap();
}

/// Bytes of four pictures.
fn pictures() -> Vec<Vec<u8>> {
    Photographs::new(4).some().into_iter().flatten().collect()
}

/// The column `image` of four pictures.
fn images() -> Column {
    Column::Bytes(pictures(), vec![], vec![])
}

fn open(path: &Path) -> mg_data::Result<DataSet> {
    DataSet::open(&Spec { side: 16, ..Spec::new(ImageSource::find(path.to_str().unwrap()).unwrap()) })
}

#[test]
fn labels_of_every_kind_are_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    for (schema, column, classes, labels) in [
        (
            "required binary label (STRING);",
            texts(&["dog", "cat", "dog", "eel"]),
            vec!["cat", "dog", "eel"],
            [1, 0, 1, 2],
        ),
        ("required int64 labels;", Column::Long(vec![1, 0, 1, 2]), vec!["0", "1", "2"], [1, 0, 1, 2]),
        ("required int32 fine_label;", Column::Int(vec![0, 1, 0, 1]), vec!["0", "1"], [0, 1, 0, 1]),
        ("required int64 coarse_label;", Column::Long(vec![0, 0, 1, 1]), vec!["0", "1"], [0, 0, 1, 1]),
        (
            "required boolean label;",
            Column::Truth(vec![true, false, false, true]),
            vec!["false", "true"],
            [1, 0, 0, 1],
        ),
    ] {
        write(&path, &format!("required binary image; {schema}"), vec![images(), column], None);
        let set = open(&path).unwrap();
        assert_eq!(set.labels(), Some(labels.to_vec()), "{schema}");
        assert_eq!(set.class_names(), classes, "{schema}");
        assert!(set.skipped().notes.is_empty(), "{schema}");
    }
}

#[test]
fn of_two_label_columns_one_is_read_and_the_other_named() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    let schema = "required binary img; required int64 coarse_label; required int64 fine_label;";
    let columns = vec![images(), Column::Long(vec![0, 0, 1, 1]), Column::Long(vec![3, 1, 2, 0])];
    write(&path, schema, columns, Some(("fine_label", &["a", "b", "c", "d"])));
    let set = open(&path).unwrap();
    assert_eq!(
        (set.labels(), set.class_names()),
        (Some(vec![3, 1, 2, 0]), &["a", "b", "c", "d"].map(str::to_owned)[..])
    );
    assert_eq!(set.skipped().notes, ["the column coarse_label is not read: classes are those of fine_label"]);
}

#[test]
fn a_label_column_that_is_no_class_for_each_image_is_named_and_the_set_is_read_without() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    write(
        &path,
        "required binary image; required double label;",
        vec![images(), Column::Real(vec![0.5; 4])],
        None,
    );
    let set = open(&path).unwrap();
    assert_eq!(set.labels(), None);
    assert_eq!(set.skipped().notes, ["the column label (DOUBLE) is not read: no class for each image"]);
}

#[test]
fn images_of_fixed_size_and_in_lists_of_one_are_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    let expected: Vec<Vec<u8>> = (0..4).map(|i| Photographs::new(4).pixels(i, 16)).collect();
    let longest = pictures().iter().map(Vec::len).max().unwrap();
    // What follows an image does no harm.
    let padded = pictures().into_iter().map(|mut bytes| {
        bytes.resize(longest, 0);
        bytes
    });
    let fixed = format!("required fixed_len_byte_array({longest}) image;");
    write(&path, &fixed, vec![Column::Fixed(padded.collect())], None);
    let found: Vec<Vec<u8>> = (0..4).map(|i| open(&path).unwrap().image(i).unwrap().to_vec()).collect();
    assert_eq!(found, expected);

    let list = "optional group image (LIST) { repeated group list { optional group element { optional binary bytes; \
                optional binary path (STRING); } } }";
    let of_one = |repeated: Vec<i16>, bytes: Vec<Vec<u8>>| {
        let levels = vec![4; bytes.len()];
        let paths = Column::Bytes(vec![], vec![3; bytes.len()], repeated.clone());
        vec![Column::Bytes(bytes, levels, repeated), paths]
    };
    write(&path, list, of_one(vec![0; 4], pictures()), None);
    let found: Vec<Vec<u8>> = (0..4).map(|i| open(&path).unwrap().image(i).unwrap().to_vec()).collect();
    assert_eq!(found, expected);
    write(&path, list, of_one(vec![0, 1, 0, 1], pictures()), None);
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("row 0") && error.contains("list of several images"), "{error}");
}

#[test]
fn rows_without_bytes_are_the_files_that_they_name_below_the_table_s_folder() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("set/t.parquet");
    std::fs::create_dir_all(root.path().join("set/img")).unwrap();
    std::fs::write(root.path().join("set/img/0.png"), &pictures()[0]).unwrap();
    std::fs::write(root.path().join("outside.png"), &pictures()[0]).unwrap();
    let schema = "optional group image { optional binary bytes; optional binary path (STRING); }";
    let names = ["img/0.png", "img/1.png", "../outside.png", "/etc/hostname"];
    let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let columns = vec![Column::Bytes(vec![], vec![1; 4], vec![]), Column::Bytes(names, vec![2; 4], vec![])];
    write(&path, schema, columns, None);
    let set = open(&path).unwrap();
    assert_eq!((set.len(), set.image(0).unwrap()), (1, &Photographs::new(1).pixels(0, 16)[..]));
    let named = &set.skipped().named;
    assert!(named.len() == 3 && named[0].1.contains("img/1.png"), "{named:?}");
    assert!(named[1].1.contains("../outside.png") && named[2].1.contains("/etc/hostname"), "{named:?}");
}

#[test]
fn classes_of_several_files_go_by_their_names() {
    let root = tempfile::tempdir().unwrap();
    let schema = "required binary image; required int64 label;";
    let shard = |name: &str, labels: [i64; 4], classes: &[&str]| {
        let columns = vec![images(), Column::Long(labels.to_vec())];
        write(&root.path().join(name), schema, columns, Some(("label", classes)));
    };
    shard("train-0.parquet", [0, 1, 0, 1], &["cat", "dog"]);
    shard("train-1.parquet", [0, 1, 2, 1], &["dog", "eel", "cat"]);
    let set = open(root.path()).unwrap();
    assert_eq!(set.class_names(), ["cat", "dog", "eel"]);
    assert_eq!(set.labels(), Some(vec![0, 1, 0, 1, 1, 2, 0, 2]));

    let schema = "required binary image; required binary label (STRING);";
    for (name, labels) in
        [("train-0.parquet", ["dog", "cat", "dog", "cat"]), ("train-1.parquet", ["bat", "dog", "eel", "bat"])]
    {
        write(&root.path().join(name), schema, vec![images(), texts(&labels)], None);
    }
    let set = open(root.path()).unwrap();
    assert_eq!(set.class_names(), ["bat", "cat", "dog", "eel"]);
    assert_eq!(set.labels(), Some(vec![2, 1, 2, 1, 0, 2, 3, 0]));
}

#[test]
fn files_of_no_split_beside_others_are_named() {
    let root = tempfile::tempdir().unwrap();
    for name in ["train.parquet", "more-00001.parquet", "test.parquet"] {
        write(&root.path().join(name), "required binary image;", vec![images()], None);
    }
    let set = open(root.path()).unwrap();
    assert_eq!((set.len(), set.split()), (4, Some("train")));
    let note = "the name of more-00001.parquet says no split, as others do: the file is left out";
    assert_eq!(set.skipped().notes, [note]);
}

#[test]
fn images_that_are_too_large_unpacked_are_refused_before_they_are() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("t.parquet");
    let zeros = vec![vec![0; 300 << 20]];
    write(&path, "required binary image;", vec![Column::Bytes(zeros, vec![], vec![])], None);
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("row 0") && error.contains("more than 268435456"), "{error}");
}
