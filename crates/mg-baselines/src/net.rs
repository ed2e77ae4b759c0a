use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use mg_kernels::{GradientSum, MapNet, MapPlan, MapShape, Observed, Precision};
use mg_random::Key;
use mg_train::{Error, Result};

use crate::initial::{Initial, is_gamma};
use crate::optimizer::{Optimizer, Rule};
use crate::statistics::{restore_statistics, save_statistics};

/// A net that learns: its parameters as one vector, what its batch norms have seen, and its optimiser.
#[derive(Debug)]
pub(crate) struct Net {
    plan: MapPlan,
    /// All parameters, `[p]`.
    parameters: Var,
    /// Running means and variances, of the layers that normalise.
    running: Vec<Option<Observed>>,
    optimizer: Optimizer,
    /// Gradients of parameters that are the net's own.
    sum: GradientSum,
}

/// What a net is made for before its next update.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Uses {
    /// One way there and back: memory for packed weights is lent layer by layer.
    One,
    /// More: weights are packed once, and stay so.
    Several,
}

/// Images of a batch from which on weights are packed for each of two uses: that takes a hundredth of their time, and packed
/// weights of both ways as much memory as the batch's maps.
const LARGE: usize = 100;

/// What a batch adds to running statistics (PyTorch's momentum).
const MOMENTUM: f64 = 0.1;

impl Net {
    /// A net before its first update; biases and betas are 0.
    pub(crate) fn new(
        shape: &MapShape,
        precision: Precision,
        initial: Initial,
        (rule, l2): (Rule, f64),
        key: Key,
        device: &Device,
    ) -> Result<Self> {
        let plan = MapPlan::new(shape, precision, DType::F32, device).map_err(kernels)?;
        let values = initial.values(shape, key);
        let parameters = Var::from_vec(values, shape.parameter_count(), device)?;
        let fresh = |layer: &mg_kernels::MapLayer| {
            let channels = layer.channels().1;
            (layer.norm != mg_kernels::Norm::None).then(|| (vec![0.0; channels], vec![1.0; channels]))
        };
        let running = shape.layers.iter().map(fresh).collect();
        let optimizer = Optimizer::new(rule, l2, &parameters)?;
        Ok(Net { plan, parameters, running, optimizer, sum: GradientSum::default() })
    }

    /// Where the gammas of its norms lie among the parameters.
    fn gamma_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.plan.shape().parameters().into_iter().filter(is_gamma).map(|gamma| gamma.range)
    }

    /// A copy of the gammas of all norms, `[g]`, outside candle's graph.
    pub(crate) fn gammas(&self) -> Result<Tensor> {
        let part = |range: Range<usize>| self.parameters.detach().narrow(0, range.start, range.len());
        let parts = self.gamma_ranges().map(part).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// Adds a gradient of the gammas, `[g]`, to that of all parameters, `[p]`, in place. (A loss of gammas in candle's graph would
    /// make a vector of zeros as long as all parameters for each norm.)
    pub(crate) fn add_for_gammas(&self, gradient: &Tensor, of_gammas: &Tensor) -> Result<()> {
        let mut first = 0;
        for range in self.gamma_ranges() {
            let sum =
                (gradient.narrow(0, range.start, range.len())? + of_gammas.narrow(0, first, range.len())?)?;
            gradient.slice_set(&sum, 0, range.start)?;
            first += range.len();
        }
        Ok(())
    }

    /// The net as it is, normalising by the batch at hand; its parameters are tracked.
    pub(crate) fn learning(&self, uses: Uses) -> Result<MapNet> {
        let net = self.with(&self.parameters, uses)?;
        self.sum.take();
        Ok(net.with_sum(&self.sum))
    }

    /// The same with parameters that no gradient reaches.
    pub(crate) fn fixed(&self, uses: Uses) -> Result<MapNet> {
        self.with(&self.parameters.detach(), uses)
    }

    fn with(&self, parameters: &Tensor, uses: Uses) -> Result<MapNet> {
        match uses {
            Uses::One => self.plan.for_one_use(parameters),
            Uses::Several => self.plan.with_weights(parameters),
        }
        .map_err(kernels)
    }

    /// Output for a batch [n, c, s, s], which also moves the running statistics.
    pub(crate) fn forward(&mut self, net: &MapNet, x: &Tensor) -> Result<Tensor> {
        let (y, observed) = net.forward_observed(x).map_err(kernels)?;
        let (n, sides) = (x.dim(0)?, self.plan.shape().sides().map_err(kernels)?);
        for ((running, observed), side) in self.running.iter_mut().zip(&observed).zip(&sides[1..]) {
            if let (Some((mean, variance)), Some((batch_mean, batch_variance))) = (running, observed) {
                let count = (n * side * side) as f64;
                let unbiased = count / (count - 1.0).max(1.0);
                // Kept in f32, as files hold them: what a run goes on from is what it had.
                let follow = |running: &mut f64, seen: f64| {
                    *running = f64::from((*running + MOMENTUM * (seen - *running)) as f32);
                };
                mean.iter_mut().zip(batch_mean).for_each(|(running, seen)| follow(running, *seen));
                let variances = variance.iter_mut().zip(batch_variance);
                variances.for_each(|(running, seen)| follow(running, seen * unbiased));
            }
        }
        Ok(y)
    }

    /// One step of size `rate` down two losses of its output, of observed images and of generated ones (`loss` hears whether
    /// they are observed), one after the other: the memory of one of them at a time. Returns the losses' sum.
    pub(crate) fn contrast(
        &mut self,
        [observed, generated]: [&Tensor; 2],
        rate: f64,
        limit: Option<f64>,
        mut loss: impl FnMut(&Tensor, bool) -> Result<Tensor>,
    ) -> Result<f64> {
        let uses = if observed.dim(0)? < LARGE { Uses::Several } else { Uses::One };
        let net = self.learning(uses)?;
        let on_observed = loss(&self.forward(&net, observed)?, true)?;
        self.collect(&mut on_observed.backward()?)?;
        let on_generated = loss(&self.forward(&net, generated)?, false)?;
        let gradient = self.gradient(&on_generated)?;
        self.step(&gradient, rate, limit)?;
        Ok(scalar(&on_observed)? + scalar(&on_generated)?)
    }

    /// The gradient of a loss, `[p]`. What led to the loss needs no memory after this.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        self.take_gradient(&mut loss.backward()?)
    }

    /// Its own gradient out of those of several nets, `[p]`.
    pub(crate) fn take_gradient(&self, gradients: &mut GradStore) -> Result<Tensor> {
        self.collect(gradients)?;
        Ok(self.sum.take().map_or_else(|| self.parameters.zeros_like(), Ok)?)
    }

    /// Adds its own gradient to those that are not taken yet.
    fn collect(&self, gradients: &mut GradStore) -> Result<()> {
        gradients.remove(&self.parameters).map_or(Ok(()), |own| Ok(self.sum.add(own)?))
    }

    /// One step down a gradient, of size `rate`; then parameters lie within a limit, where there is one.
    pub(crate) fn step(&mut self, gradient: &Tensor, rate: f64, limit: Option<f64>) -> Result<()> {
        Ok(self.optimizer.update(&self.parameters, gradient, rate, limit)?)
    }

    /// Descends by another rule from now on.
    pub(crate) fn set_rule(&mut self, rule: Rule) {
        self.optimizer.set_rule(rule);
    }

    /// All parameters, `[p]`.
    #[cfg(test)]
    pub(crate) fn parameters(&self) -> &Tensor {
        &self.parameters
    }

    #[cfg(test)]
    pub(crate) fn set_parameters(&mut self, parameters: &Tensor) {
        self.parameters.set(parameters).unwrap();
    }

    /// Copies of the tensors of a model under `prefix`: every parameter by its name, means and variances.
    pub(crate) fn model(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> Result<()> {
        let flat = self.parameters.copy()?.detach();
        for parameter in self.plan.shape().parameters() {
            let tensor = flat.narrow(0, parameter.range.start, parameter.range.len())?;
            into.insert(format!("{prefix}.{}", parameter.name), tensor.reshape(parameter.dims)?);
        }
        Ok(save_statistics(&self.running, prefix, into)?)
    }

    /// Everything that the next update depends on, under `prefix`.
    pub(crate) fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> Result<u64> {
        into.insert(format!("{prefix}.parameters"), self.parameters.copy()?.detach());
        save_statistics(&self.running, prefix, into)?;
        self.optimizer.save(prefix, into)?;
        Ok(self.optimizer.updates())
    }

    /// Takes over what [`save`](Self::save) wrote after so many updates.
    pub(crate) fn restore(
        &mut self,
        prefix: &str,
        updates: u64,
        from: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        let missing = || missing(prefix);
        let parameters = from.get(&format!("{prefix}.parameters"));
        let parameters =
            parameters.filter(|found| found.dims() == self.parameters.dims()).ok_or_else(missing)?;
        self.parameters.set(parameters)?;
        self.running = restore_statistics(self.plan.shape(), prefix, from).ok_or_else(missing)?;
        self.optimizer = self.optimizer.restored(prefix, updates, from).ok_or_else(missing)?;
        Ok(())
    }
}

/// What to say of a state that lacks a net.
pub(crate) fn missing(name: &str) -> Error {
    let reason = format!("it holds no state of the {name} of this configuration; it belongs to another run");
    Error::from(mg_model::Error::Format(reason))
}

/// A number.
pub(crate) fn scalar(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.to_scalar::<f32>()?))
}

/// An error of the kernels as one of learning.
pub(crate) fn kernels(error: mg_kernels::Error) -> Error {
    Error::from(mg_model::Error::from(mg_energy::Error::from(error)))
}
