//! A run on disk between two iterations.

use std::fs;
use std::path::Path;

use candle_core::Device;
use mg_model::{DataId, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// The checkpoint as a file has it.
    ///
    /// # Errors
    /// When a tensor cannot be read from its device, or is not finite.
    pub fn to_bytes(&self) -> mg_model::Result<Vec<u8>> {
        encode(&self.state.tensors, &self.header)
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When it is truncated, damaged or of something else.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let unusable =
            |reason: String| Error::Format { path: path.to_path_buf(), what: "checkpoint", reason };
        let bytes = fs::read(path).map_err(|e| Error::io("read", path, e))?;
        Self::from_bytes(&bytes, device).map_err(|error| unusable(error.to_string()))
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// When it is truncated, damaged or of something else.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> mg_model::Result<Self> {
        let (tensors, header) = decode::<CheckpointHeader>(bytes, device)?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(mg_model::Error::Format(format!(
                "it is {} version {}, this program reads {FORMAT} version {VERSION}",
                header.format, header.version
            )));
        }
        let state = State { tensors, json: header.state.clone() };
        Ok(Checkpoint { header, state })
    }
}
