use std::path::PathBuf;

use mg_hub::{Address, Hub, Kind, Options};
use mg_train::run::MAX_MODEL;

use crate::Result;

/// The file of the model at an address of the hub, fetched unless it is there.
pub(crate) fn model_file(address: &str) -> Result<PathBuf> {
    let hub = Hub::new(Options::from_env())?;
    let (plan, file) = hub.plan_model(&Address::parse(Kind::Model, address)?, MAX_MODEL)?;
    Ok(hub.fetch(&plan, &mut |_| {})?.join(file))
}
