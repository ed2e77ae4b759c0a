//! Several nets, by name, as checkpoints and models hold them.

use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_train::{Result, State};
use serde_json::{Map, Value};

use crate::net::{Net, missing};

/// Everything that the next updates of these nets depend on.
pub(crate) fn state(nets: &[(&str, &Net)]) -> Result<State> {
    let (mut tensors, mut json) = (BTreeMap::new(), Map::new());
    for (name, net) in nets {
        json.insert((*name).to_owned(), net.save(name, &mut tensors)?.into());
    }
    Ok(State { tensors, json: Value::Object(json) })
}

/// Takes over what [`state`] said.
pub(crate) fn restore(nets: &mut [(&str, &mut Net)], state: &State) -> Result<()> {
    for (name, net) in nets {
        net.restore(name, count(state, name)?, &state.tensors)?;
    }
    Ok(())
}

/// A number that a state says by name.
pub(crate) fn count(state: &State, name: &str) -> Result<u64> {
    state.json[name].as_u64().ok_or_else(|| missing(name))
}

/// The tensors of a model of these nets.
pub(crate) fn model(nets: &[(&str, &Net)]) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for (name, net) in nets {
        net.model(name, &mut tensors)?;
    }
    Ok(tensors)
}
