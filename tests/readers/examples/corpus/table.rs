use std::fs::File;
use std::sync::Arc;

use image::ImageFormat;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::pictures::{encoded, picture};
use crate::{Input, place};

/// What a table holds.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    codec: Compression,
    /// Whether labels are words, not numbers.
    has_words: bool,
}

pub(crate) fn all() -> Vec<Input> {
    let kinds = [
        Kind { name: "plain.parquet", codec: Compression::UNCOMPRESSED, has_words: false },
        Kind { name: "words.parquet", codec: Compression::UNCOMPRESSED, has_words: true },
        Kind { name: "snappy.parquet", codec: Compression::SNAPPY, has_words: false },
        Kind { name: "zstd.parquet", codec: Compression::ZSTD(ZstdLevel::default()), has_words: true },
    ];
    kinds.map(|kind| ("parquet", kind.name.into(), table(kind))).into()
}

/// Three rows in two row groups, in the layout of the Hugging Face hub.
fn table(kind: Kind) -> Vec<u8> {
    let label = if kind.has_words { "binary label (STRING)" } else { "int64 label" };
    let image = "optional group image { optional binary bytes; optional binary path (STRING); }";
    let schema = format!("message schema {{ {image} optional {label}; }}");
    let schema = Arc::new(parse_message_type(&schema).expect("a schema"));
    let names = r#"{"info":{"features":{"label":{"names":["red","green"],"_type":"ClassLabel"}}}}"#;
    let names = KeyValue::new("huggingface".to_owned(), names.to_owned());
    let properties = WriterProperties::builder().set_compression(kind.codec);
    let properties = Arc::new(properties.set_key_value_metadata(Some(vec![names])).build());
    let (_folder, path) = place(kind.name);
    let file = File::create(&path).expect("a file");
    let mut writer = SerializedFileWriter::new(file, schema, properties).expect("a table");
    for rows in [0..2, 2..3] {
        let mut group = writer.next_row_group().expect("a row group");
        write(&mut group, kind, rows);
        group.close().expect("a row group");
    }
    writer.close().expect("a table");
    std::fs::read(path).expect("a table")
}

fn write(group: &mut SerializedRowGroupWriter<'_, File>, kind: Kind, rows: std::ops::Range<u32>) {
    let count = rows.len();
    let images: Vec<ByteArray> = rows.clone().map(|i| encoded(picture(i), ImageFormat::Png).into()).collect();
    let words: Vec<ByteArray> = rows.clone().map(|i| ["red", "green"][i as usize % 2].into()).collect();
    let numbers: Vec<i64> = rows.map(|i| i64::from(i % 2)).collect();
    let mut texts = |values: &[ByteArray], level: i16| {
        let mut column = group.next_column().expect("a column").expect("a column is left");
        column.typed::<ByteArrayType>().write_batch(values, Some(&vec![level; count]), None).expect("values");
        column.close().expect("a column");
    };
    texts(&images, 2);
    texts(&[], 1);
    if kind.has_words {
        return texts(&words, 1);
    }
    let mut column = group.next_column().expect("a column").expect("a column is left");
    column.typed::<Int64Type>().write_batch(&numbers, Some(&vec![1; count]), None).expect("values");
    column.close().expect("a column");
}
