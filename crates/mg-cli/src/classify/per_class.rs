//! Equation (3): a model for each class as a classifier.

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use mg_data::{DataSet, Labelled};
use mg_energy::Classifier;
use mg_langevin::Base;
use mg_model::{Energies, Model, Scorer};
use mg_random::Key;
use mg_train::config::SplitChoice;
use mg_train::{Selection, SetImages};

use super::{Args, Verdicts};
use crate::grid::Grid;
use crate::{progress, set};

/// Scores of all nets on labelled images: [n, K], and labels of 0..K, K of the background.
struct Scores {
    scores: Tensor,
    labels: Vec<usize>,
}

/// The nets of all classes, and what else scoring needs.
struct Nets<'a> {
    energies: &'a dyn Energies,
    /// Their names.
    classes: &'a [String],
    scorers: Vec<Scorer>,
    grid: Grid,
    background: bool,
    device: &'a Device,
}

/// What the scores of all classes' nets say of images, with biases fitted to others.
pub(super) fn verdicts(
    args: &Args,
    model: &dyn Model,
    energies: &dyn Energies,
    to_classify: &DataSet,
    key: Key,
    device: &Device,
) -> Result<Verdicts> {
    let classes = &model.header().classes;
    ensure!(
        classes.len() > 1,
        "equation (3) needs a model for each class, and {} has one, `{}`; train with --set data.class=each",
        args.run.display(),
        classes.join(", ")
    );
    let scorers = classes.iter().map(|class| energies.scorer(Some(class))).collect::<Result<_, _>>()?;
    let grid = Grid::of(args.grid, energies)?;
    let nets = Nets { energies, classes, scorers, grid, background: args.background, device };
    let fitted = nets.of(&to_fit(args, model, key)?, key.named("fit"))?;
    let classifier = Classifier::fit(&fitted.scores, &fitted.labels, args.background)?;
    let tested = nets.of(to_classify, key.named("test"))?;
    Ok(Verdicts {
        categories: nets.categories(),
        log_probabilities: classifier.log_posterior(&tested.scores)?.to_vec2()?,
        truth: tested.labels,
        grid: Some(grid),
        biases: Some(classifier.biases),
    })
}

/// The images to fit the biases to.
fn to_fit(args: &Args, model: &dyn Model, key: Key) -> Result<DataSet> {
    let selection = &Selection::of_model(model)?;
    let own = &selection.data;
    let split = match own.split {
        SplitChoice::Auto => None,
        SplitChoice::Only(split) => Some(split),
    };
    let fit = match &args.fit {
        Some(name) => args.set.open(selection, name, None)?,
        None => args.set.open(selection, &own.source, split).context(
            "the images that the run has learned from are not at hand; name others with --fit SET",
        )?,
    };
    set::at_most(set::with_labels(fit)?, args.n, key.named("fit"))
}

impl Nets<'_> {
    /// Scores of all nets on the images of a set, and on draws of p0 where that is a category.
    fn of(&self, set: &DataSet, key: Key) -> Result<Scores> {
        let (k, images) = (self.scorers.len(), set.len() as usize);
        let labelled = Labelled::among(set, self.classes)?;
        let mut labels: Vec<usize> = labelled.labels().iter().map(|&label| label as usize).collect();
        let draws = if self.background { images.div_ceil(k) } else { 0 };
        labels.extend(std::iter::repeat_n(k, draws));
        let grids = self.draws(draws, key.named("background"))?;
        let on_device = SetImages { set, device: self.device };
        let bar = progress::bar((k * images) as u64, "images");
        let mut columns = Vec::with_capacity(k);
        for (number, scorer) in self.scorers.iter().enumerate() {
            let scores = scorer.set(&on_device, &mut |n| bar.set_position((number * images + n) as u64))?;
            let mut column = self.grid.choose(self.energies, scores).score;
            if draws > 0 {
                column.extend(self.grid.choose(self.energies, scorer.grids(&grids)?).score);
            }
            columns.push(Tensor::new(column, &Device::Cpu)?);
        }
        bar.finish_and_clear();
        Ok(Scores { scores: Tensor::stack(&columns, 1)?, labels })
    }

    /// `n` draws of p0 on every grid, coarse to fine.
    fn draws(&self, n: usize, key: Key) -> Result<Vec<Tensor>> {
        if n == 0 {
            return Ok(vec![]);
        }
        let below = self.energies.score_nets();
        let below = below
            .context("--background is of a p0, and the energies of this model have none; leave it out")?;
        let base = Base::new(below.reference(), below.bounds())?;
        let draw = |&side: &usize| {
            let like = Tensor::zeros((n, 3, side, side), DType::F32, self.device)?;
            Ok(base.draw_like(key.fold(side as u64), &like)?)
        };
        self.energies.sides().iter().map(draw).collect()
    }

    /// Names of the categories, the background last.
    fn categories(&self) -> Vec<String> {
        let background = self.background.then(|| "background".to_string());
        self.classes.iter().cloned().chain(background).collect()
    }
}
