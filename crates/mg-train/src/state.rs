use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::Value;

/// All that a learner needs to go on: tensors by name, and what is no tensor.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Numbers of updates and the like.
    pub json: Value,
}
