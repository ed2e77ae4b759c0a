use candle_core::Device;

use crate::{Artefact, Error, Model, Result};

/// How models of one kind are opened.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name in the header.
    pub name: &'static str,
    /// Makes the model of an artefact whose header names this kind.
    pub open: fn(Artefact, &Device) -> Result<Box<dyn Model>>,
}

/// The model in these bytes, of the kind that its header names, on `device`.
///
/// # Errors
/// When the bytes are damaged, of something else, or of a kind that is not among `kinds`.
pub fn open(kinds: &[&Kind], bytes: &[u8], device: &Device) -> Result<Box<dyn Model>> {
    let artefact = Artefact::from_bytes(bytes, device)?;
    let name = artefact.header.kind.clone();
    match kinds.iter().find(|kind| kind.name == name) {
        Some(kind) => (kind.open)(artefact, device),
        None => {
            let known = kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
            Err(Error::Kind { kind: name, known })
        }
    }
}
