use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_energy::{NetSpec, Statistics};

/// Puts statistics of a net, where there are any, under `prefix`: `norm1.running_mean`, `norm1.running_var`, ...
pub fn save_statistics(statistics: Option<&Statistics>, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
    for (i, (mean, variance)) in (1..).zip(statistics.into_iter().flatten()) {
        into.insert(format!("{prefix}.norm{i}.running_mean"), mean.clone());
        into.insert(format!("{prefix}.norm{i}.running_var"), variance.clone());
    }
}

/// What [`save_statistics`] put there; `None` when it lacks any layer.
pub fn restore_statistics(
    spec: &NetSpec,
    prefix: &str,
    from: &BTreeMap<String, Tensor>,
) -> Option<Statistics> {
    let of = |i: usize, kind: &str| from.get(&format!("{prefix}.norm{i}.running_{kind}")).cloned();
    (1..=spec.layers.len()).map(|i| Some((of(i, "mean")?, of(i, "var")?))).collect()
}
