//! What batch norms have seen, in files.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_kernels::{MapLayer, MapShape, Norm, Observed};
use mg_model::below;

/// Puts means and variances under `prefix`, in f32.
pub(crate) fn save_statistics(
    statistics: &[Option<Observed>],
    prefix: &str,
    into: &mut BTreeMap<String, Tensor>,
) -> mg_model::Result<()> {
    for (l, observed) in statistics.iter().enumerate() {
        if let Some((mean, variance)) = observed {
            for (what, values) in [("mean", mean), ("variance", variance)] {
                let values = Tensor::new(&values[..], &Device::Cpu)?.to_dtype(DType::F32)?;
                into.insert(format!("{prefix}.{l}.{what}"), values);
            }
        }
    }
    Ok(())
}

/// What [`save_statistics`] wrote, for the layers that normalise; `None` when something is missing.
pub(crate) fn restore_statistics(
    shape: &MapShape,
    prefix: &str,
    from: &BTreeMap<String, Tensor>,
) -> Option<Vec<Option<Observed>>> {
    let from = below(from, prefix);
    let layer = |(l, layer): (usize, &MapLayer)| {
        if layer.norm == Norm::None {
            return Some(None);
        }
        let get = |what: &str| {
            let values = from.get(&format!("{l}.{what}"))?.to_device(&Device::Cpu).ok()?;
            let values = values.to_dtype(DType::F64).ok()?.to_vec1::<f64>().ok()?;
            (values.len() == layer.channels().1).then_some(values)
        };
        Some(Some((get("mean")?, get("variance")?)))
    };
    shape.layers.iter().enumerate().map(layer).collect()
}
