//! Nets that have learned, as models hold them.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_energy::Precision;
use mg_kernels::{MapNet, MapPlan, MapShape, Observed};
use mg_model::{Error, FeatureNet, FeatureNets, Result, below};

use crate::statistics::{restore_statistics, save_statistics};

/// A net that has learned: it normalises by given statistics, so that images do not depend on each other.
#[derive(Clone, Debug)]
pub(crate) struct FixedNet {
    plan: MapPlan,
    parameters: Tensor,
    statistics: Vec<Option<Observed>>,
    net: MapNet,
}

impl FixedNet {
    /// The net in the tensors under `prefix`.
    pub(crate) fn open(
        shape: &MapShape,
        precision: Precision,
        prefix: &str,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> Result<Self> {
        let missing = |name: &str| Error::Format(format!("it has no {prefix}.{name} of the right shape"));
        let own = below(tensors, prefix);
        let mut parts = vec![];
        for parameter in shape.parameters() {
            let found = own.get(&parameter.name).filter(|tensor| tensor.dims() == parameter.dims);
            parts.push(found.ok_or_else(|| missing(&parameter.name))?.flatten_all()?.to_device(device)?);
        }
        let parameters = Tensor::cat(&parts, 0)?;
        let statistics = restore_statistics(shape, prefix, tensors).ok_or_else(|| missing("mean"))?;
        FixedNet::new(shape, precision, parameters, statistics)
    }

    fn new(
        shape: &MapShape,
        precision: Precision,
        parameters: Tensor,
        statistics: Vec<Option<Observed>>,
    ) -> Result<Self> {
        let plan = MapPlan::new(shape, precision, DType::F32, parameters.device()).map_err(kernels)?;
        let net = plan.with_statistics(&parameters, &statistics).map_err(kernels)?;
        Ok(FixedNet { plan, parameters, statistics, net })
    }

    /// Puts its tensors under `prefix`.
    pub(crate) fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> Result<()> {
        for parameter in self.plan.shape().parameters() {
            let part = self.parameters.narrow(0, parameter.range.start, parameter.range.len())?;
            into.insert(format!("{prefix}.{}", parameter.name), part.reshape(parameter.dims)?);
        }
        save_statistics(&self.statistics, prefix, into)?;
        Ok(())
    }

    /// The output for inputs that do not depend on each other.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.net.forward(x).map_err(kernels)
    }

    /// Features of the only grid there is.
    pub(crate) fn features(&self, grids: &[usize]) -> Result<FeatureNets> {
        let side = self.plan.shape().side;
        if let Some(other) = grids.iter().find(|grid| **grid != side) {
            return Err(Error::NoGrid { side: *other, known: side.to_string() });
        }
        Ok(FeatureNets::new(side, vec![Box::new(self.clone())]))
    }

    /// Multiplies in this precision from now on.
    pub(crate) fn set_precision(&mut self, precision: Precision) {
        let (parameters, statistics) = (self.parameters.clone(), self.statistics.clone());
        // The same net with the same numbers: what was laid out once can be laid out again.
        if let Ok(again) = FixedNet::new(self.plan.shape(), precision, parameters, statistics) {
            *self = again;
        }
    }

    /// Normalises by the average statistics of these batches from now on.
    pub(crate) fn observe(&mut self, batches: impl Iterator<Item = Result<Tensor>>) -> Result<()> {
        let free = self.plan.with_weights(&self.parameters).map_err(kernels)?;
        let (mut sums, mut count) = (vec![None; self.statistics.len()], 0.0);
        for batch in batches {
            let (_, observed) = free.forward_observed(&batch?).map_err(kernels)?;
            count += 1.0;
            for (sum, seen) in sums.iter_mut().zip(observed) {
                *sum = match (sum.take(), seen) {
                    (Some(sum), Some(seen)) => Some(added(sum, &seen)),
                    (_, seen) => seen,
                };
            }
        }
        if count > 0.0 {
            let mean = |values: Vec<f64>| values.into_iter().map(|value| value / count).collect();
            let average = |(mean_sum, variance_sum)| (mean(mean_sum), mean(variance_sum));
            self.statistics = sums.into_iter().map(|sum: Option<Observed>| sum.map(average)).collect();
            self.net = self.plan.with_statistics(&self.parameters, &self.statistics).map_err(kernels)?;
        }
        Ok(())
    }
}

fn added(mut sum: Observed, seen: &Observed) -> Observed {
    sum.0.iter_mut().zip(&seen.0).for_each(|(sum, seen)| *sum += seen);
    sum.1.iter_mut().zip(&seen.1).for_each(|(sum, seen)| *sum += seen);
    sum
}

fn kernels(error: mg_kernels::Error) -> Error {
    mg_energy::Error::from(error).into()
}

/// The maps of all layers but the last, which is the judgement.
impl FeatureNet for FixedNet {
    fn side(&self) -> usize {
        self.plan.shape().side
    }

    fn channels(&self) -> Vec<usize> {
        let layers = &self.plan.shape().layers;
        layers[..layers.len() - 1].iter().map(|layer| layer.channels().1).collect()
    }

    fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let mut maps = self.net.maps(images).map_err(kernels)?;
        maps.pop();
        Ok(maps)
    }
}
