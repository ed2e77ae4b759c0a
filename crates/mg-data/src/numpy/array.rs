use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

/// What an array says of itself before its values (numpy's NEP 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    /// Its name in a `.npz` file; empty of a `.npy` file.
    pub(super) name: String,
    /// The type of a value, as `|u1` or `<i8`.
    pub(super) kind: String,
    pub(super) shape: Vec<u64>,
}

/// Bytes of a description, at most.
const MOST: u64 = 1 << 16;

impl Array {
    /// Reads the description, up to the values.
    fn read(name: &str, from: &mut dyn Read) -> io::Result<Self> {
        let mut start = [0; 8];
        from.read_exact(&mut start)?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(bad("it does not begin as numpy's arrays do"));
        }
        let length = match start[6] {
            1 => u64::from(u16::from_le_bytes(exactly(from)?)),
            _ => u64::from(u32::from_le_bytes(exactly(from)?)),
        };
        if length > MOST {
            return Err(bad(&format!("a description of {length} bytes, more than {MOST}")));
        }
        let mut text = String::new();
        if from.take(length).read_to_string(&mut text)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let after = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        let kind = after("descr").and_then(|rest| rest.strip_prefix('\'')?.split('\'').next());
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split(')').next());
        let (Some(kind), Some(shape)) = (kind, shape) else {
            return Err(bad("its description has no type or no shape, or the type is a record"));
        };
        if after("fortran_order").is_none_or(|rest| rest.starts_with("True")) {
            return Err(bad("its values lie column by column; store it with numpy.ascontiguousarray"));
        }
        let numbers = shape.split(',').map(str::trim).filter(|number| !number.is_empty());
        let shape = numbers.map(|number| number.parse().map_err(|_| bad("its shape holds no numbers")));
        Ok(Array { name: name.to_owned(), kind: kind.to_owned(), shape: shape.collect::<io::Result<_>>()? })
    }

    /// Number of values; `None` of more than can be counted.
    pub(super) fn len(&self) -> Option<u64> {
        self.shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n))
    }
}

/// The arrays of a file.
pub(super) fn list(path: &Path) -> io::Result<Vec<Array>> {
    if !is_zip(path)? {
        return Ok(vec![Array::read("", &mut BufReader::new(File::open(path)?))?]);
    }
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut arrays = vec![];
    for number in 0..archive.len() {
        let mut file = archive.by_index(number)?;
        let name = file.name().map_err(io::Error::from)?.into_owned();
        if let Some(name) = name.strip_suffix(".npy") {
            arrays.push(Array::read(name, &mut file)?);
        }
    }
    Ok(arrays)
}

/// The values of an array, whose checksum is compared at their end where there is one.
pub(super) fn values(path: &Path, name: &str) -> io::Result<Box<dyn Read>> {
    let mut values: Box<dyn Read> = match is_zip(path)? {
        false => Box::new(BufReader::with_capacity(1 << 18, File::open(path)?)),
        true => member(path, &format!("{name}.npy"))?,
    };
    Array::read(name, &mut values)?;
    Ok(values)
}

/// The bytes of a file of a zip archive, one after another, without the archive.
fn member(path: &Path, name: &str) -> io::Result<Box<dyn Read>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let file = archive.by_name(name)?;
    let (method, packed, size, crc) = (file.compression(), file.compressed_size(), file.size(), file.crc32());
    let start = file.data_start().ok_or_else(|| bad("a file that begins nowhere"))?;
    drop(file);
    let mut bytes = BufReader::with_capacity(1 << 18, File::open(path)?);
    bytes.seek(SeekFrom::Start(start))?;
    let bytes = bytes.take(packed);
    let from: Box<dyn Read> = match method {
        CompressionMethod::Stored => Box::new(bytes),
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(bytes)),
        other => {
            return Err(bad(&format!(
                "{name} is compressed by {other:?}; numpy.savez and savez_compressed are read"
            )));
        }
    };
    Ok(Box::new(Checked { from, left: size, found: crc32fast::Hasher::new(), expected: crc }))
}

/// Bytes with a checksum.
struct Checked {
    from: Box<dyn Read>,
    left: u64,
    found: crc32fast::Hasher,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.from.read(&mut buffer[..most])?;
        self.found.update(&buffer[..read]);
        self.left -= read as u64;
        if read > 0 && self.left == 0 && self.found.clone().finalize() != self.expected {
            return Err(bad("its values have another checksum than was stored"));
        }
        Ok(read)
    }
}

fn is_zip(path: &Path) -> io::Result<bool> {
    let mut start = [0; 2];
    File::open(path)?.read_exact(&mut start)?;
    Ok(&start == b"PK")
}

fn exactly<const N: usize>(from: &mut dyn Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}
