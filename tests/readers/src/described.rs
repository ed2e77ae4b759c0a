use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file of tensors as JSON says it: a header, and what the tensors are.
///
/// Files of tensors carry a checksum, which bytes changed at random never meet, and their headers stand in quotes within quotes.
/// A fuzzer that changes this description instead reaches what reads headers and shapes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Described {
    /// The description inside the file.
    pub header: Value,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Form>,
}

/// What a tensor is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Form {
    /// Small numbers in this shape.
    Floats(Vec<usize>),
    /// These integers.
    Integers {
        /// In a row.
        integers: Vec<i64>,
    },
}

/// Numbers of all tensors, at most.
const MOST: usize = 1 << 19;

impl Described {
    /// The file that some bytes describe, its checksum right; `None` when they describe none.
    pub(crate) fn file_of(bytes: &[u8]) -> Option<Vec<u8>> {
        let described: Described = serde_json::from_slice(bytes).ok()?;
        let counts = described.tensors.values().map(Form::count);
        let all = counts.into_iter().try_fold(0usize, |sum, count| sum.checked_add(count?))?;
        if all > MOST {
            return None;
        }
        let tensor = |(name, form): (&String, &Form)| Ok((name.clone(), form.tensor()?));
        let tensors: BTreeMap<String, Tensor> =
            described.tensors.iter().map(tensor).collect::<Result<_>>().ok()?;
        mg_model::encode(&tensors, &described.header).ok()
    }

    /// The description of tensors with a header.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn of(header: Value, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let form = |(name, tensor): (&String, &Tensor)| Ok((name.clone(), Form::of(tensor)?));
        Ok(Described { header, tensors: tensors.iter().map(form).collect::<Result<_>>()? })
    }
}

impl Form {
    fn of(tensor: &Tensor) -> Result<Self> {
        Ok(match tensor.dtype() {
            candle_core::DType::I64 => Form::Integers { integers: tensor.flatten_all()?.to_vec1()? },
            _ => Form::Floats(tensor.dims().to_vec()),
        })
    }

    /// How many numbers; `None` when they cannot be counted.
    fn count(&self) -> Option<usize> {
        match self {
            Form::Floats(shape) => shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n)),
            Form::Integers { integers } => Some(integers.len()),
        }
    }

    fn tensor(&self) -> Result<Tensor> {
        match self {
            Form::Floats(shape) => {
                let values = (0..self.count().unwrap_or(0)).map(|i| (i % 7) as f32 / 8.0 - 0.25).collect();
                Tensor::from_vec::<_, f32>(values, shape.as_slice(), &Device::Cpu)
            }
            Form::Integers { integers } => Tensor::new(integers.as_slice(), &Device::Cpu),
        }
    }
}
