//! Sets of images as a model or a run wants them.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mg_data::{DataSet, Spec, Split};
use mg_model::Model;
use mg_random::Key;
use mg_train::{Selection, SetImages};

use crate::{hub, progress};

/// How sets are read.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SetArgs {
    /// Folder for packed copies of large sets
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl SetArgs {
    /// Reads a set, and names the images that were left out.
    pub(crate) fn read(&self, mut spec: Spec) -> Result<DataSet> {
        spec.cache = self.cache.clone().or(spec.cache);
        let bar = progress::bar(0, "images");
        let set = DataSet::open_with(&spec, &mut |done, of| progress::show(&bar, done, of))?;
        bar.finish_and_clear();
        set.skipped().sentences().for_each(|sentence| tracing::warn!("{sentence}"));
        Ok(set)
    }

    /// A set in place of a run's own, made square as that was. Without a split it is `train` where there are
    /// splits, and all of the set where there are none.
    pub(crate) fn open(&self, selection: &Selection, name: &str, split: Option<Split>) -> Result<DataSet> {
        let mut selection = selection.clone();
        selection.data.source = name.to_owned();
        let spec = hub::selected(&selection)?;
        self.read(Spec { split, ..spec })
    }

    /// The test split of a set; `None` of a set without one.
    pub(crate) fn test_split(&self, selection: &Selection, name: &str) -> Result<Option<DataSet>> {
        match self.open(selection, name, Some(Split::Test)) {
            Ok(set) => Ok(Some(set)),
            Err(error) => match error.downcast_ref::<mg_data::Error>() {
                Some(mg_data::Error::NoSplit { .. }) => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// The split that was asked for; without a wish the test split where there is one, else all of the set.
    pub(crate) fn for_testing(
        &self,
        selection: &Selection,
        name: &str,
        split: Option<Split>,
    ) -> Result<DataSet> {
        match split {
            Some(_) => self.open(selection, name, split),
            None => self.test_split(selection, name)?.map_or_else(|| self.open(selection, name, None), Ok),
        }
    }

    /// Labelled images to learn from, and those to test on: another set, or the test split of the same.
    pub(crate) fn labelled(
        &self,
        selection: &Selection,
        name: &str,
        test: Option<&str>,
    ) -> Result<(DataSet, DataSet)> {
        let train = with_labels(self.open(selection, name, None)?)?;
        let test = match test {
            Some(test) => self.for_testing(selection, test, None)?,
            None => self
                .test_split(selection, name)?
                .with_context(|| format!("{name} has no test split; name test images with --test SET"))?,
        };
        if train.content_hash() == test.content_hash() {
            let name = title(&test);
            tracing::warn!("{name} is learned from and tested on: its errors say nothing of other images");
        }
        Ok((train, with_labels(test)?))
    }
}

/// The set, if it has labels.
pub(crate) fn with_labels(set: DataSet) -> Result<DataSet> {
    ensure!(
        set.labels().is_some(),
        "{} has no labels; give class sub-folders, or a table with a column `label`",
        title(&set)
    );
    Ok(set)
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

/// Gives a model statistics of all of a set, where it has any, with a bar.
pub(crate) fn observe(model: &mut dyn Model, set: &DataSet, device: &Device) -> Result<()> {
    let bar = progress::bar(0, "images for statistics");
    model
        .observe(&SetImages { set, device }, &mut |done, of| progress::show(&bar, done as u64, of as u64))?;
    bar.finish_and_clear();
    Ok(())
}
