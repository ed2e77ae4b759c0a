//! Named tensors with a description, as the bytes of one safetensors file that knows its own checksum.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The one key of the file's metadata, so that equal contents are equal bytes.
const KEY: &str = "multigrid";

#[derive(Serialize, serde::Deserialize)]
struct Envelope {
    /// Of the header and all tensors.
    sha256: String,
    /// JSON.
    header: String,
}

/// One safetensors file of tensors and their description; equal contents are equal bytes. Tensors are I64 or F32.
///
/// # Errors
/// When a tensor cannot be read from its device or is not finite, or the header is no JSON.
pub fn encode<H: Serialize>(tensors: &BTreeMap<String, Tensor>, header: &H) -> Result<Vec<u8>> {
    let mut bytes = BTreeMap::new();
    for (name, tensor) in tensors {
        let (dtype, data) = to_bytes(name, tensor)?;
        bytes.insert(name.as_str(), (dtype, tensor.dims().to_vec(), data));
    }
    let unusable = |reason: String| Error::Format(reason);
    let header = serde_json::to_string(header).map_err(|e| unusable(e.to_string()))?;
    let sha256 = checksum(
        &header,
        bytes.iter().map(|(name, (_, shape, data))| (*name, shape.as_slice(), data.as_slice())),
    );
    let header = serde_json::to_string(&Envelope { sha256, header }).map_err(|e| unusable(e.to_string()))?;
    let views = bytes.iter().map(|(name, (dtype, shape, data))| {
        let view = TensorView::new(*dtype, shape.clone(), data);
        view.map(|view| (*name, view)).map_err(|e| unusable(e.to_string()))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let metadata = Some([(KEY.to_string(), header)].into_iter().collect());
    safetensors::serialize(views, metadata).map_err(|e| unusable(e.to_string()))
}

/// What [`encode`] wrote, its tensors on `device`.
///
/// # Errors
/// When the bytes are cut, damaged, or of something else, or a tensor is not finite.
pub fn decode<H: DeserializeOwned>(file: &[u8], device: &Device) -> Result<(BTreeMap<String, Tensor>, H)> {
    let broken =
        |e: safetensors::SafeTensorError| Error::Format(format!("truncated or not safetensors ({e})"));
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(broken)?;
    let parsed = SafeTensors::deserialize(file).map_err(broken)?;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let header = header.ok_or_else(|| Error::Format("it holds tensors, but not of Multigrid".to_string()))?;
    let foreign = |e: serde_json::Error| {
        Error::Format(format!("its description is damaged or of another version ({e})"))
    };
    let envelope: Envelope = serde_json::from_str(header).map_err(foreign)?;
    let views: BTreeMap<String, TensorView<'_>> = parsed.tensors().into_iter().collect();
    let found = checksum(
        &envelope.header,
        views.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data())),
    );
    if found != envelope.sha256 {
        let reason = format!("its contents have SHA-256 {found}, not {}: damaged", envelope.sha256);
        return Err(Error::Format(reason));
    }
    let mut tensors = BTreeMap::new();
    for (name, view) in &views {
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::I64 => DType::I64,
            other => {
                let reason = format!("tensor {name} is of type {other:?}, neither F32 nor I64");
                return Err(Error::Format(reason));
            }
        };
        if dtype == DType::F32 {
            let values = view.data().chunks_exact(4);
            finite(name, values.map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])))?;
        }
        tensors.insert(name.clone(), Tensor::from_raw_buffer(view.data(), dtype, view.shape(), device)?);
    }
    Ok((tensors, serde_json::from_str(&envelope.header).map_err(foreign)?))
}

/// A tensor of any device in little-endian bytes: I64 as it is, all else as F32.
fn to_bytes(name: &str, tensor: &Tensor) -> Result<(Dtype, Vec<u8>)> {
    let flat = tensor.flatten_all()?;
    if tensor.dtype() == DType::I64 {
        return Ok((Dtype::I64, flat.to_vec1::<i64>()?.iter().flat_map(|v| v.to_le_bytes()).collect()));
    }
    let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    finite(name, values.iter().copied())?;
    Ok((Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
}

/// Refuses numbers that are not finite.
fn finite(name: &str, values: impl Iterator<Item = f32>) -> Result<()> {
    match values.filter(|value| !value.is_finite()).count() {
        0 => Ok(()),
        count => Err(Error::NotFinite { name: name.to_owned(), count }),
    }
}

fn checksum<'a>(header: &str, tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}\n{header}", header.len()));
    for (name, shape, data) in tensors {
        hash.update(format!("{name} {shape:?} {}\n", data.len()));
        hash.update(data);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors() -> BTreeMap<String, Tensor> {
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let integers = Tensor::new(&[-1i64, 1 << 40], &Device::Cpu).unwrap();
        let entries = [("a.x", tensor(&[1.0, f32::MAX])), ("a.y", integers), ("ab.x", tensor(&[2.0]))];
        entries.into_iter().map(|(name, t)| (name.to_string(), t)).collect()
    }

    #[test]
    fn what_is_written_is_read_to_the_bit() {
        let bytes = encode(&tensors(), &vec![3, 4]).unwrap();
        let (read_back, header) = decode::<Vec<i32>>(&bytes, &Device::Cpu).unwrap();
        assert_eq!(header, [3, 4]);
        for (name, tensor) in tensors() {
            assert_eq!(
                to_bytes(&name, &read_back[&name]).unwrap(),
                to_bytes(&name, &tensor).unwrap(),
                "{name}"
            );
        }
        assert_eq!(bytes, encode(&tensors(), &vec![3, 4]).unwrap());
    }

    #[test]
    fn what_is_not_finite_is_neither_written_nor_read() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut tensors = tensors();
            tensors.insert("b".into(), Tensor::new(&[bad, 1.0, bad], &Device::Cpu).unwrap());
            let error = encode(&tensors, &0).unwrap_err().to_string();
            assert_eq!(error, "the tensor b holds 2 numbers that are not finite");
        }
        // A file that another program wrote, with a checksum that fits.
        let value = f32::NAN.to_le_bytes();
        let sha256 = checksum("0", [("a", &[1][..], &value[..])].into_iter());
        let header = serde_json::to_string(&Envelope { sha256, header: "0".into() }).unwrap();
        let view = TensorView::new(Dtype::F32, vec![1], &value).unwrap();
        let metadata = Some([(KEY.to_string(), header)].into_iter().collect());
        let file = safetensors::serialize([("a", view)], metadata).unwrap();
        let error = decode::<i32>(&file, &Device::Cpu).unwrap_err().to_string();
        assert_eq!(error, "the tensor a holds 1 numbers that are not finite");
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_is_noticed() {
        let whole = encode(&tensors(), &"header").unwrap();
        for len in 0..whole.len() {
            assert!(decode::<String>(&whole[..len], &Device::Cpu).is_err(), "cut at {len}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            if let Ok((t, header)) = decode::<String>(&flipped, &Device::Cpu) {
                assert_eq!((header.as_str(), t.len()), ("header", 3), "byte {at}");
                let same = |name: &str| {
                    to_bytes(name, &t[name]).unwrap() == to_bytes(name, &tensors()[name]).unwrap()
                };
                assert!(tensors().keys().all(|name| same(name)), "byte {at}");
            }
        }
    }
}
