use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use mg_data::{DataSet, Labelled};
use mg_eval::svm::LabelledFeatures;
use mg_train::Selection;

use super::Args;
use super::features::Features;

/// The labelled images: to draw from, to choose C by, to test on.
pub(super) struct Sets {
    pub(super) train: DataSet,
    pub(super) validation: DataSet,
    /// Its classes are those of the training images; some may have no test image.
    pub(super) test: Labelled,
}

impl Sets {
    /// Opens them as the configuration says images become squares.
    pub(super) fn open(args: &Args, selection: &Selection) -> Result<Self> {
        let (whole, test) = args.set.labelled(selection, &args.data, args.test.as_deref())?;
        let test = Labelled::among(&test, whole.class_names())?;
        let is_absent = |class: &usize| !test.labels().contains(&(*class as u32));
        let absent: Vec<usize> = (0..test.classes().len()).filter(is_absent).collect();
        if !absent.is_empty() {
            let names: Vec<&str> = absent.iter().map(|&class| test.classes()[class].as_str()).collect();
            tracing::warn!("no test image is of class {}: the errors say nothing of it", names.join(", "));
        }
        let (train, validation) = hold_out(&whole, args)?;
        Ok(Sets { train, validation, test })
    }

    pub(super) fn classes(&self) -> usize {
        self.train.class_names().len()
    }

    pub(super) fn announce(&self) {
        tracing::info!(
            "{} images of {} classes to draw from, {} for validation, {} for the test",
            self.train.len(),
            self.classes(),
            self.validation.len(),
            self.test.len()
        );
    }

    /// Features of training, validation and test images; `raw` ones keep the scale of the nets.
    pub(super) fn features(
        &self,
        features: &Features,
        raw: bool,
        device: &Device,
    ) -> Result<[LabelledFeatures; 3]> {
        let train = features.of_set("training", &self.train, device)?;
        let scale = if raw { None } else { features.scale(&train)? };
        let labelled = |what, labels: &[u32], values: Tensor| -> Result<LabelledFeatures> {
            let values = scale.as_ref().map_or(Ok(values.clone()), |scale| values.broadcast_mul(scale))?;
            Ok(LabelledFeatures::new(what, &values, labels, self.classes())?)
        };
        let validation = features.of_set("validation", &self.validation, device)?;
        let test = features.of_set("test", self.test.data(), device)?;
        let own = |data: &DataSet| data.labels().with_context(|| format!("{} has no labels", data.name()));
        Ok([
            labelled("training", &own(&self.train)?, train)?,
            labelled("validation", &own(&self.validation)?, validation)?,
            labelled("test", self.test.labels(), test)?,
        ])
    }
}

/// Images to draw from, and those held out by the seed, both in the set's order.
fn hold_out(whole: &DataSet, args: &Args) -> Result<(DataSet, DataSet)> {
    let (len, held) = (whole.len(), args.validation);
    ensure!(held > 0, "--validation is 0; C is chosen by images held out, so give at least 1");
    if held >= len {
        bail!(
            "{} has {len} images, too few to hold out {held} for validation; pass --validation N, for example {}",
            args.data,
            (len / 4).max(1)
        );
    }
    let order: Vec<u64> = args.key().named("validation").permutation(len).iter().collect();
    let (validation, train) = order.split_at(held as usize);
    let sorted = |numbers: &[u64]| {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        whole.subset(&numbers)
    };
    Ok((sorted(train)?, sorted(validation)?))
}
