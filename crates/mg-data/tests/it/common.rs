//! Small images and tables, written as strangers would write them.
#![allow(dead_code, reason = "every test takes what it needs")]

use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use image::{ImageFormat, Rgb, RgbImage};
use mg_data::{ImageSource, Resize, Spec, decode, pack};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A picture that differs with its number.
fn picture(i: usize) -> RgbImage {
    let i = i as u32;
    RgbImage::from_fn(30 + i % 5, 26, |x, y| Rgb([(x * 7 + i * 31) as u8, (y * 9) as u8, (x * y + i) as u8]))
}

fn encoded(image: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// Writes pictures of the formats that the names end with.
pub(crate) fn write_images(root: &Path, names: &[&str]) {
    for (i, name) in names.iter().enumerate() {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, encoded(&picture(i), ImageFormat::from_path(&path).unwrap())).unwrap();
    }
}

/// Encoded pictures, png and jpeg in turn.
pub(crate) struct Photographs(Vec<Vec<u8>>);

impl Photographs {
    pub(crate) fn new(count: usize) -> Self {
        let format = |i| if i % 2 == 0 { ImageFormat::Png } else { ImageFormat::Jpeg };
        Photographs((0..count).map(|i| encoded(&picture(i), format(i))).collect())
    }

    pub(crate) fn some(&self) -> Vec<Option<Vec<u8>>> {
        self.0.iter().cloned().map(Some).collect()
    }

    pub(crate) fn pixels(&self, i: usize, side: usize) -> Vec<u8> {
        decode(&self.0[i], side, Resize::Squash).unwrap()
    }
}

/// A table as the hub has them: column `struct<bytes, path>` and perhaps `label`, in row groups of `group` rows.
pub(crate) fn write_table(
    path: &Path,
    column: &str,
    cells: &[Option<Vec<u8>>],
    labels: Option<&[i64]>,
    group: usize,
) {
    write_table_with(path, column, cells, labels, group, Compression::UNCOMPRESSED);
}

fn write_table_with(
    path: &Path,
    column: &str,
    cells: &[Option<Vec<u8>>],
    labels: Option<&[i64]>,
    group: usize,
    codec: Compression,
) {
    let label = if labels.is_some() { "optional int64 label;" } else { "" };
    let schema = format!(
        "message schema {{ optional group {column} {{ optional binary bytes; optional binary path (STRING); }} {label} }}"
    );
    let names = r#"{"info":{"features":{"label":{"names":["red","green","blue"],"_type":"ClassLabel"}}}}"#;
    let hub = KeyValue::new("huggingface".to_owned(), names.to_owned());
    let properties =
        WriterProperties::builder().set_compression(codec).set_key_value_metadata(Some(vec![hub])).build();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    for (g, cells) in cells.chunks(group).enumerate() {
        let mut rows = writer.next_row_group().unwrap();
        let bytes: Vec<ByteArray> = cells.iter().flatten().map(|cell| cell.clone().into()).collect();
        let levels: Vec<i16> = cells.iter().map(|cell| if cell.is_some() { 2 } else { 1 }).collect();
        let mut next = rows.next_column().unwrap().unwrap();
        next.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
        next.close().unwrap();
        let mut next = rows.next_column().unwrap().unwrap();
        next.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; cells.len()]), None).unwrap();
        next.close().unwrap();
        if let Some(labels) = labels {
            let labels = &labels[g * group..][..cells.len()];
            let mut next = rows.next_column().unwrap().unwrap();
            next.typed::<Int64Type>().write_batch(labels, Some(&vec![1; labels.len()]), None).unwrap();
            next.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.close().unwrap();
}

/// A small labelled table: uncompressed, snappy or zstd.
pub(crate) fn table_bytes(codec: usize) -> Vec<u8> {
    let codec =
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())][codec];
    let (root, labels) = (tempfile::tempdir().unwrap(), [0, 1, 2, 0, 1, 2, 0, 1]);
    let path = root.path().join("t.parquet");
    write_table_with(&path, "image", &Photographs::new(8).some(), Some(&labels), 3, codec);
    std::fs::read(path).unwrap()
}

/// A packed file of four images of side 8 in two classes.
pub(crate) fn packed_bytes() -> Vec<u8> {
    let root = tempfile::tempdir().unwrap();
    write_images(&root.path().join("in"), &["a/1.png", "a/2.png", "b/3.png", "b/4.png"]);
    let spec = Spec { side: 8, ..Spec::new(ImageSource::Folder(root.path().join("in"))) };
    let path = root.path().join("set.mgpack");
    pack(&spec, &path, &mut |_, _| {}).unwrap();
    std::fs::read(path).unwrap()
}
