//! Sets of images as a model sees them.

use anyhow::{Context, Result};
use mg_data::{DataSet, OnBadImage, Source, Spec, Split};
use mg_random::Key;
use mg_train::Model;

/// A set at the side of a model's finest grid, made square as the model's own images were. Without a split it is
/// `train` where there are splits, and all of the set where there are none.
pub(crate) fn open(model: &Model, name: &str, split: Option<Split>) -> Result<DataSet> {
    let mut spec = Spec::new(Source::find(name)?);
    spec.side = model.config().sides().last().copied().context("the model has no grid")?;
    spec.resize = mg_train::resize(model.config());
    spec.on_bad = OnBadImage::Skip;
    spec.split = split;
    let set = DataSet::open(&spec)?;
    if set.skipped().count > 0 {
        tracing::warn!("left out {} bad images of {name}", set.skipped().count);
    }
    Ok(set)
}

/// The test split of a set; `None` of a set without one.
pub(crate) fn test_split(model: &Model, name: &str) -> Result<Option<DataSet>> {
    match open(model, name, Some(Split::Test)) {
        Ok(set) => Ok(Some(set)),
        Err(error) => match error.downcast_ref::<mg_data::Error>() {
            Some(mg_data::Error::NoSplit { .. }) => Ok(None),
            _ => Err(error),
        },
    }
}

/// The split that was asked for; without a wish the test split where there is one, else all of the set.
pub(crate) fn for_testing(model: &Model, name: &str, split: Option<Split>) -> Result<DataSet> {
    match split {
        Some(_) => open(model, name, split),
        None => test_split(model, name)?.map_or_else(|| open(model, name, None), Ok),
    }
}

/// At most `n` images of a set, chosen by `key`.
pub(crate) fn at_most(set: DataSet, n: usize, key: Key) -> Result<DataSet> {
    if set.len() <= n as u64 {
        return Ok(set);
    }
    let chosen: Vec<u64> = key.named("images").permutation(set.len()).iter().take(n).collect();
    Ok(set.subset(&chosen)?)
}

/// Name and split, as tables show them.
pub(crate) fn title(set: &DataSet) -> String {
    match set.split() {
        Some(split) => format!("{} ({split})", set.name()),
        None => set.name().to_string(),
    }
}
