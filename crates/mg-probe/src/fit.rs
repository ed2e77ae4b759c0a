use mg_data::Order;
use mg_energy::{DescentRule, Optimizer};
use mg_random::Key;

use crate::config::ProbeConfig;
use crate::head::Dropout;
use crate::maps::{CHUNK, Maps};
use crate::probe::{Gradients, Probe};
use crate::{Error, Result};
use mg_data::{Draw, Labelled};

/// What learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// The head; top maps are computed once.
    Head,
    /// The head and the nets below it.
    All,
}

/// A pass over the labelled images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// Mean loss of its steps.
    pub loss: f64,
    /// Error on the held-out images after it, percent.
    pub validation_error: Option<f64>,
}

/// A probe that has learned.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The probe as it was after its best epoch.
    pub probe: Probe,
    /// That epoch: the first of least error on the held-out images, or the last where there are none.
    pub best: Epoch,
    /// All epochs.
    pub epochs: Vec<Epoch>,
}

/// Images that statistics are taken from.
const OBSERVED: usize = 1000;

/// Learns from the images of a draw. Batches, mirroring and dropout are functions of `key`; `observer` hears of every
/// epoch.
///
/// # Errors
/// A configuration out of range; images that do not fit; a loss that is not finite.
pub fn fit(
    probe: &Probe,
    draw: &Draw,
    learns: Learns,
    config: &ProbeConfig,
    key: Key,
    observer: &mut dyn FnMut(&Epoch),
) -> Result<Fitted> {
    let mut learner = Learner::new(probe, draw, learns, config, key)?;
    let (mut epochs, mut best): (Vec<Epoch>, Option<(Probe, Epoch)>) = (Vec::new(), None);
    for number in 1..=config.epochs {
        let loss = learner.pass(number)?;
        let epoch = Epoch { number, loss, validation_error: learner.validate(number)? };
        if best.as_ref().is_none_or(|(_, best)| epoch.replaces(best)) {
            best = Some((learner.probe.clone(), epoch));
        }
        epochs.push(epoch);
        observer(&epoch);
    }
    let (probe, best) = best.ok_or(Error::Setting {
        name: "the number of epochs",
        value: "0".into(),
        must: "at least 1".into(),
    })?;
    Ok(Fitted { probe, best, epochs })
}

impl Epoch {
    fn replaces(&self, best: &Epoch) -> bool {
        match (self.validation_error, best.validation_error) {
            (Some(now), Some(before)) => now < before,
            _ => true,
        }
    }
}

/// Where the top maps of images come from.
enum Inputs<'a> {
    /// They were computed once.
    Kept { learn: Maps, validation: Option<Maps> },
    /// They are computed as the trunk is at the time.
    Computed(&'a Draw),
}

/// A probe on its way.
struct Learner<'a> {
    probe: Probe,
    draw: &'a Draw,
    inputs: Inputs<'a>,
    config: &'a ProbeConfig,
    order: Order,
    key: Key,
    head: Optimizer,
    trunk: Optimizer,
}

impl<'a> Learner<'a> {
    fn new(probe: &Probe, draw: &'a Draw, learns: Learns, config: &'a ProbeConfig, key: Key) -> Result<Self> {
        config.check()?;
        probe.check(&draw.learn)?;
        if config.flip && learns == Learns::Head {
            let (name, value) = ("flip", "true".to_string());
            let must = "false with a frozen trunk, whose maps are computed once".to_string();
            return Err(Error::Setting { name, value, must });
        }
        let mut probe = probe.clone();
        let some: Vec<u64> = (0..draw.learn.len().min(CHUNK) as u64).collect();
        let some = draw.learn.data().batch(&some, &[], probe.device())?;
        if config.batch_norm && learns == Learns::All {
            probe = probe.with_batch_norm(&some)?;
        }
        probe.average_statistics(&draw.learn, config.batch, OBSERVED)?;
        probe.standardise_by(&probe.extractor()?.maps(&some)?)?;
        let inputs = Inputs::new(&probe, draw, learns)?;
        let images = draw.learn.len();
        let order = Order::new(key.named("order"), images as u64, config.batch.min(images) as u64)?;
        let adam = || Optimizer::new(DescentRule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 });
        Ok(Learner { probe, draw, inputs, config, order, key, head: adam(), trunk: adam() })
    }

    /// One pass over the labelled images; returns the mean loss.
    fn pass(&mut self, epoch: usize) -> Result<f64> {
        let steps = self.order.batches_per_pass();
        let (first, all) = ((epoch - 1) as u64 * steps, self.config.epochs as u64 * steps);
        let mut total = 0.0;
        for step in first..first + steps {
            let gradients = self.gradients(step)?;
            if !gradients.loss.is_finite() {
                return Err(self.diverged(gradients.loss, epoch));
            }
            total += gradients.loss;
            self.update(&gradients, self.config.decay_to.powf(step as f64 / all as f64))?;
        }
        if matches!(self.inputs, Inputs::Computed(_)) {
            self.probe.average_statistics(&self.draw.learn, self.config.batch, OBSERVED)?;
        }
        Ok(total / steps as f64)
    }

    fn gradients(&self, step: u64) -> Result<Gradients> {
        let numbers = self.order.batch_indices(step);
        let labels = self.draw.learn.labels_of(&numbers);
        let key = self.key.named("dropout").fold(step);
        let dropout = (self.config.dropout > 0.0).then_some(Dropout { rate: self.config.dropout, key });
        match &self.inputs {
            Inputs::Kept { learn, .. } => {
                self.probe.head_gradients(&learn.batch(&numbers)?, &labels, dropout)
            }
            Inputs::Computed(draw) => {
                let flips = if self.config.flip { self.order.flips(step) } else { Vec::new() };
                let images = draw.learn.data().batch(&numbers, &flips, self.probe.device())?;
                self.probe.gradients(&images, &labels, dropout)
            }
        }
    }

    /// What to say of a loss that is not finite.
    fn diverged(&self, loss: f64, epoch: usize) -> Error {
        let trunk_rate = match self.inputs {
            Inputs::Kept { .. } => 0.0,
            Inputs::Computed(_) => self.config.trunk_rate,
        };
        Error::NotFinite { loss, epoch, rate: self.config.rate, trunk_rate }
    }

    fn update(&mut self, gradients: &Gradients, decay: f64) -> Result<()> {
        let head = self.head.update(self.probe.head_params(), &gradients.head, self.config.rate * decay)?;
        let trunk = match &gradients.trunk {
            None => None,
            Some(grads) => {
                let rate = self.config.trunk_rate * decay;
                Some(self.trunk.update(&self.probe.trunk_params(), grads, rate)?)
            }
        };
        self.probe.take(head, trunk.as_ref())
    }

    /// Error on the held-out images after an epoch, percent.
    fn validate(&self, epoch: usize) -> Result<Option<f64>> {
        // Scores that are no numbers come of the last step, as a loss that is none comes of those before it.
        self.held_out_error().map_err(|error| match error {
            Error::Scores { .. } => self.diverged(f64::NAN, epoch),
            other => other,
        })
    }

    fn held_out_error(&self) -> Result<Option<f64>> {
        let Some(set) = &self.draw.validation else { return Ok(None) };
        let Inputs::Kept { validation: Some(maps), .. } = &self.inputs else {
            return Ok(Some(self.probe.error_rate(set, &mut |_| {})?));
        };
        let mut wrong = 0;
        for first in (0..set.len()).step_by(CHUNK) {
            let last = set.len().min(first + CHUNK);
            let numbers: Vec<u64> = (first as u64..last as u64).collect();
            wrong += self.probe.wrong(&maps.batch(&numbers)?, &set.labels()[first..last])?;
        }
        Ok(Some(100.0 * wrong as f64 / set.len() as f64))
    }
}

impl<'a> Inputs<'a> {
    /// Computes the maps of a trunk that does not learn.
    fn new(probe: &Probe, draw: &'a Draw, learns: Learns) -> Result<Self> {
        if learns == Learns::All {
            return Ok(Inputs::Computed(draw));
        }
        let extractor = probe.extractor()?;
        let kept = draw.learn.len() + draw.validation.as_ref().map_or(0, Labelled::len);
        Maps::check(&extractor, kept)?;
        let maps = |set: &Labelled| Maps::of(&extractor, set, probe.device());
        let (learn, validation) = (maps(&draw.learn)?, draw.validation.as_ref().map(maps).transpose()?);
        Ok(Inputs::Kept { learn, validation })
    }
}
