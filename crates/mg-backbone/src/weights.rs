use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The tensors of a network by name, as its authors published them, and the SHA-256 of their file.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The tensors, on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}

impl Weights {
    /// The tensors of a `.safetensors` file that is in memory.
    ///
    /// # Errors
    /// When it is not such a file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        Ok(Self { tensors: tensors.into_iter().collect(), sha256: hash(bytes) })
    }

    /// Reads a `.safetensors` file, or a `.pth` file whose SHA-256 is `published`.
    ///
    /// A `.pth` file is a program for Python's unpickler; only the one whose hash is known is opened.
    ///
    /// # Errors
    /// When the file cannot be read, has another hash or another format.
    pub fn read(path: &Path, published: &str) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let wrong = |reason: String| Error::Format { path: path.to_owned(), reason };
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => {
                Self::from_safetensors(&bytes).map_err(|error| wrong(format!("not safetensors: {error}")))
            }
            Some("pth" | "pt") => {
                let found = hash(&bytes);
                if found != published {
                    return Err(Error::Hash { path: path.to_owned(), found, expected: published.to_owned() });
                }
                let tensors = match bytes.starts_with(b"PK") {
                    true => candle_core::pickle::read_all(path)?.into_iter().collect(),
                    false => unpickle(&bytes)?,
                };
                Ok(Self { tensors, sha256: found })
            }
            _ => Err(wrong("files of weights end in .safetensors, .pth or .pt".to_owned())),
        }
    }

    /// One tensor, in f64.
    pub(crate) fn get(&self, network: &'static str, name: &str) -> Result<Tensor> {
        match self.tensors.get(name) {
            Some(tensor) => Ok(tensor.to_dtype(DType::F64)?),
            None => Err(Error::Missing { network, tensor: name.to_owned() }),
        }
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pickle of PyTorch's magic number, a whole number of ten bytes.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// The tensors of a file that PyTorch wrote before version 1.6: pickles of a magic number, a version, the machine, the
/// tensors and the names of their storages, then the storages, each after its length.
fn unpickle(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let rest = bytes.strip_prefix(LEGACY).ok_or_else(|| broken("PyTorch's magic number"))?;
    let mut reader = BufReader::new(Cursor::new(rest));
    let mut next = || -> candle_core::Result<Object> {
        let mut stack = Stack::empty();
        stack.read_loop(&mut reader)?;
        stack.finalize()
    };
    for _ in 0..2 {
        next()?; // the version and the machine
    }
    let entries = state_dict(next()?).ok_or_else(|| broken("a dictionary of tensors"))?;
    let Object::List(keys) = next()? else { return Err(broken("names of storages").into()) };
    let mut infos = vec![];
    for (name, value) in entries {
        infos.extend(value.into_tensor_info(name, Path::new(""))?);
    }
    let mut storages = BTreeMap::new();
    for key in keys {
        let key = format!("/{}", key.unicode().map_err(|_| broken("a storage's name"))?);
        let mut count = [0; 8];
        reader.read_exact(&mut count).map_err(candle_core::Error::wrap)?;
        let dtype = infos.iter().find(|info| info.path == key).map_or(DType::F32, |info| info.dtype);
        let len = u64::from_le_bytes(count).saturating_mul(dtype.size_in_bytes() as u64);
        let mut data = vec![];
        (&mut reader).take(len).read_to_end(&mut data).map_err(candle_core::Error::wrap)?;
        storages.insert(key, data);
    }
    let tensor = |info: candle_core::pickle::TensorInfo| {
        let data = storages.get(&info.path).ok_or_else(|| broken("a storage"))?;
        let count = data.len() / info.dtype.size_in_bytes();
        let flat = Tensor::from_raw_buffer(data, info.dtype, &[count], &Device::Cpu)?;
        let start = info.layout.start_offset() / info.dtype.size_in_bytes();
        let elements = info.layout.shape().elem_count();
        if !info.layout.is_contiguous() {
            return Err(broken("contiguous tensors"));
        }
        let tensor = flat.narrow(0, start, elements)?.reshape(info.layout.shape())?;
        Ok((info.name, tensor))
    };
    Ok(infos.into_iter().map(tensor).collect::<candle_core::Result<_>>()?)
}

fn broken(what: &str) -> candle_core::Error {
    candle_core::Error::Msg(format!("a .pth file without {what}"))
}

/// The pairs of a dictionary or of an `OrderedDict`.
fn state_dict(object: Object) -> Option<Vec<(Object, Object)>> {
    match object {
        Object::Dict(pairs) => Some(pairs),
        Object::Build { callable, args } => state_dict(*callable).or_else(|| state_dict(*args)),
        Object::Reduce { args, .. } => state_dict(*args),
        _ => None,
    }
}
