use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tensor_file::{decode, encode};
use crate::{Error, Result};

/// What a model file holds: a description, and tensors by name. The bytes are safetensors with a checksum.
#[derive(Clone, Debug)]
pub struct Artefact {
    /// What it is and where it came from.
    pub header: Header,
    /// Every tensor by name.
    pub tensors: BTreeMap<String, Tensor>,
}

/// The description inside a model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// "multigrid-model".
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// The kind of model, which says how the tensors are to be read; "multigrid" in files that do not say it.
    #[serde(default = "first_kind")]
    pub kind: String,
    /// The configuration it was learned with, by sections; see [`keys`](crate::keys).
    pub config: Value,
    /// Iterations it was learned for.
    pub iteration: u64,
    /// The images it was learned from.
    pub data: DataId,
    /// Names of the classes; "all" alone unless the model is conditional.
    pub classes: Vec<String>,
    /// Names of what a classifier tells apart; none of other models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// Which images a model has been learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataId {
    /// As configured.
    pub source: String,
    /// Number of images.
    pub images: u64,
    /// SHA-256 of their pixels.
    pub sha256: String,
}

const FORMAT: &str = "multigrid-model";
const VERSION: u32 = 1;
/// What files of runs say that are no models.
const CHECKPOINT: &str = "multigrid-checkpoint";

/// The kind of models in files that do not say it.
pub(crate) const FIRST_KIND: &str = "multigrid";

fn first_kind() -> String {
    FIRST_KIND.to_string()
}

impl Header {
    /// The description of a model of a kind.
    pub fn new(kind: &str, config: Value, iteration: u64, data: DataId, classes: Vec<String>) -> Self {
        Header {
            format: FORMAT.into(),
            version: VERSION,
            kind: kind.into(),
            config,
            iteration,
            data,
            classes,
            categories: vec![],
        }
    }

    /// The number of a class: of this name, or of the only one.
    ///
    /// # Errors
    /// When there is no such class, or several to choose from.
    pub fn class(&self, name: Option<&str>) -> Result<usize> {
        let names = || self.classes.join(", ");
        match (name, self.classes.as_slice()) {
            (None, [_]) => Ok(0),
            (None, _) => Err(Error::Class(format!(
                "this model is conditional: choose one of its classes, {}",
                names()
            ))),
            (Some(name), classes) => classes
                .iter()
                .position(|class| class == name)
                .ok_or_else(|| Error::Class(format!("no class {name:?}; this model has {}", names()))),
        }
    }
}

impl Artefact {
    /// The bytes of the file; equal artefacts have equal bytes.
    ///
    /// # Errors
    /// When a tensor cannot be read from its device.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        encode(&self.tensors, &self.header)
    }

    /// What [`to_bytes`](Artefact::to_bytes) made, its tensors on `device`.
    ///
    /// # Errors
    /// When the bytes are cut, damaged, or of something else.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        let (tensors, header) = decode::<Value>(bytes, device)?;
        let (format, version) = (header["format"].as_str().unwrap_or("of no format"), &header["version"]);
        if format != FORMAT || *version != VERSION {
            let advice = match format {
                CHECKPOINT => {
                    ": a checkpoint of a run; give the run's folder, or the model.safetensors in it"
                }
                _ => "",
            };
            return Err(Error::Format(format!(
                "it is {format} version {version}, this program reads {FORMAT} version {VERSION}{advice}"
            )));
        }
        let foreign =
            |e: serde_json::Error| Error::Format(format!("its description is of another version ({e})"));
        let header: Header = serde_json::from_value(header).map_err(foreign)?;
        if header.classes.is_empty() {
            return Err(Error::Format("its description names no class, not even \"all\"".to_string()));
        }
        Ok(Artefact { header, tensors })
    }
}
