//! A run on disk between two iterations.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mg_model::{DataId, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::lines::write_atomically;
use crate::{Error, Result, State};

/// All that a run needs to go on as if it had never stopped.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where the run is.
    pub header: CheckpointHeader,
    /// The state of its learner.
    pub state: State,
}

/// The description inside a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointHeader {
    /// "multigrid-checkpoint".
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Iterations done.
    pub iteration: u64,
    /// The configuration of the run, by sections.
    pub config: Value,
    /// The images of the run.
    pub data: DataId,
    /// The part of the learner's state that is no tensor.
    #[serde(alias = "updates")] // its name when numbers of updates were all of it
    pub state: Value,
    /// Factor on all learning rates.
    pub rate_scale: f64,
    /// Times that the guard has rolled back.
    pub rollbacks: u32,
    /// Length of the list of metrics, bytes.
    pub metrics_bytes: u64,
}

pub(crate) const FORMAT: &str = "multigrid-checkpoint";
pub(crate) const VERSION: u32 = 1;

impl Checkpoint {
    /// Writes the checkpoint atomically.
    ///
    /// # Errors
    /// When a tensor is not finite, so that a broken state is never saved as good, or the disk is full: then nothing
    /// changes on disk.
    pub fn save(&self, path: &Path) -> Result<()> {
        for (name, tensor) in &self.state.tensors {
            if !is_finite(tensor)? {
                let reason = format!("{name} holds numbers that are not finite; it was not written");
                return Err(Error::Format { path: path.to_path_buf(), what: "checkpoint", reason });
            }
        }
        write_atomically(path, &encode(&self.state.tensors, &self.header)?)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When it is truncated, damaged or of something else.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let unusable =
            |reason: String| Error::Format { path: path.to_path_buf(), what: "checkpoint", reason };
        let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
        let (tensors, header) =
            decode::<CheckpointHeader>(&bytes, device).map_err(|e| unusable(e.to_string()))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(unusable(format!(
                "it is {} version {}, this program reads {FORMAT} version {VERSION}",
                header.format, header.version
            )));
        }
        let state = State { tensors, json: header.state.clone() };
        Ok(Checkpoint { header, state })
    }
}

fn is_finite(tensor: &Tensor) -> Result<bool> {
    if !tensor.dtype().is_float() || tensor.elem_count() == 0 {
        return Ok(true);
    }
    // The sum of 0 x is zero for finite numbers and NaN for any other.
    Ok((tensor * 0.0)?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()? == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nans_anywhere_are_seen() {
        let tensor = |last: f32| Tensor::new(&[[1e30f32, -1e30], [0.0, last]], &Device::Cpu).unwrap();
        assert!(is_finite(&tensor(5.0)).unwrap());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!is_finite(&tensor(bad)).unwrap());
        }
    }
}
