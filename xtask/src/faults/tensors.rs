//! Files of tensors, read by code that is not the product's.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// What is asked of a model or a checkpoint.
pub(super) struct Tensors {
    /// Iterations that it was learned for.
    pub(super) iteration: u64,
    /// Numbers in it.
    pub(super) count: usize,
}

/// Reads a file; an error when one of its numbers is not finite.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors> {
    let length = bytes.first_chunk().map(|first| u64::from_le_bytes(*first) as usize);
    let length = length.context("it is shorter than 8 bytes")?;
    let header = bytes.get(8..8 + length).context("its header is cut")?;
    let header: Value = serde_json::from_slice(header).context("its header is no JSON")?;
    let data = &bytes[8 + length..];
    let entries = header.as_object().context("its header is no object")?;
    let mut count = 0;
    for (name, entry) in entries.iter().filter(|(name, _)| *name != "__metadata__") {
        let offset = |at: usize| entry["data_offsets"][at].as_u64().map(|offset| offset as usize);
        let range = offset(0).zip(offset(1)).context("a tensor has no offsets")?;
        let values = data.get(range.0..range.1).context("a tensor is cut")?;
        match entry["dtype"].as_str() {
            Some("F32") => {
                let values = values.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]));
                let bad = values.clone().filter(|value| !value.is_finite()).count();
                ensure!(bad == 0, "{bad} numbers of {name} are not finite");
                count += values.len();
            }
            Some("I64") => {}
            other => bail!("{name} is of the type {other:?}"),
        }
    }
    let inner = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap_or_default());
    let description = inner(&inner(&header["__metadata__"]["multigrid"])?["header"])?;
    let iteration = description["iteration"].as_u64().context("it does not say its iteration")?;
    Ok(Tensors { iteration, count })
}
