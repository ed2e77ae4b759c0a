use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_kernels::{MapNet, MapShape};
use mg_random::Key;
use mg_train::{Result, State};

use crate::fixed_net::FixedNet;
use crate::initial::Initial;
use crate::net::{Net, Uses, kernels, scalar};
use crate::optimizer::Rule;
use crate::saved;

/// Nets of these names and shapes.
pub(crate) type Shapes = Vec<(String, MapShape)>;

/// Nets that learn together, down the gradient of one loss.
pub(crate) struct NetSet(Vec<(String, Net)>);

impl NetSet {
    pub(crate) fn new(
        shapes: Shapes,
        precision: Precision,
        initial: impl Fn(&str) -> Initial,
        rule: (Rule, f64),
        key: Key,
        device: &Device,
    ) -> Result<Self> {
        let key = key.named("initial");
        let net = |(name, shape): (String, MapShape)| {
            let net = Net::new(&shape, precision, initial(&name), rule, key.named(&name), device)?;
            Ok((name, net))
        };
        Ok(NetSet(shapes.into_iter().map(net).collect::<Result<_>>()?))
    }

    /// The nets as they are, normalising by the batch at hand; their parameters are tracked.
    pub(crate) fn learning(&self) -> Result<Vec<MapNet>> {
        self.0.iter().map(|(_, net)| net.learning(Uses::Several)).collect()
    }

    /// The same with parameters that no gradient reaches.
    pub(crate) fn fixed(&self) -> Result<Vec<MapNet>> {
        self.0.iter().map(|(_, net)| net.fixed(Uses::Several)).collect()
    }

    /// The output of net number `number`, of those that [`learning`](Self::learning) returned; its running statistics move.
    pub(crate) fn observe(&mut self, number: usize, nets: &[MapNet], x: &Tensor) -> Result<Tensor> {
        self.0[number].1.forward(&nets[number], x)
    }

    /// The gradient of a loss, of each net.
    pub(crate) fn gradient(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        let mut gradients = loss.backward()?;
        self.0.iter().map(|(_, net)| net.take_gradient(&mut gradients)).collect()
    }

    /// One step down a gradient.
    pub(crate) fn step(&mut self, gradient: &[Tensor], rate: f64) -> Result<()> {
        self.0.iter_mut().zip(gradient).try_for_each(|((_, net), gradient)| net.step(gradient, rate, None))
    }

    /// Descends by another rule from now on.
    pub(crate) fn set_rule(&mut self, rule: Rule) {
        self.0.iter_mut().for_each(|(_, net)| net.set_rule(rule));
    }

    fn named(&self) -> Vec<(&str, &Net)> {
        self.0.iter().map(|(name, net)| (name.as_str(), net)).collect()
    }

    pub(crate) fn state(&self) -> Result<State> {
        saved::state(&self.named())
    }

    pub(crate) fn restore(&mut self, state: &State) -> Result<()> {
        let mut nets: Vec<(&str, &mut Net)> =
            self.0.iter_mut().map(|(name, net)| (name.as_str(), net)).collect();
        saved::restore(&mut nets, state)
    }

    pub(crate) fn artefact(&self) -> Result<BTreeMap<String, Tensor>> {
        saved::model(&self.named())
    }

    #[cfg(test)]
    pub(crate) fn nets(&mut self) -> impl Iterator<Item = &mut Net> {
        self.0.iter_mut().map(|(_, net)| net)
    }
}

/// Gradients whose length together is at most `norm`, then numbers of at most `size`.
pub(crate) fn limited(gradient: &[Tensor], norm: f64, size: f64) -> Result<Vec<Tensor>> {
    let squares = gradient.iter().map(|g| scalar(&g.sqr()?.sum_all()?)).sum::<Result<f64>>()?;
    let scale = norm / squares.sqrt().max(norm);
    Ok(gradient.iter().map(|g| (g * scale)?.clamp(-size, size)).collect::<candle_core::Result<_>>()?)
}

/// The output of a net.
pub(crate) fn output(net: &MapNet, x: &Tensor) -> Result<Tensor> {
    net.forward(x).map_err(kernels)
}

/// Nets that have learned.
#[derive(Debug)]
pub(crate) struct FixedSet(Vec<(String, FixedNet)>);

impl FixedSet {
    /// The nets in the tensors of a model.
    pub(crate) fn open(
        shapes: Shapes,
        precision: Precision,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> mg_model::Result<Self> {
        let net = |(name, shape): (String, MapShape)| {
            let net = FixedNet::open(&shape, precision, &name, tensors, device)?;
            Ok((name, net))
        };
        Ok(FixedSet(shapes.into_iter().map(net).collect::<mg_model::Result<_>>()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The output of net number `number`, for inputs that do not depend on each other.
    pub(crate) fn output(&self, number: usize, x: &Tensor) -> mg_model::Result<Tensor> {
        self.0[number].1.forward(x)
    }

    pub(crate) fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> mg_model::Result<()> {
        self.0.iter().try_for_each(|(name, net)| net.save(&format!("{prefix}.{name}"), into))
    }

    pub(crate) fn set_precision(&mut self, precision: Precision) {
        self.0.iter_mut().for_each(|(_, net)| net.set_precision(precision));
    }
}
