use std::collections::BTreeMap;

use candle_core::Tensor;
use mg_energy::{NetSpec, Params};

use crate::Result;
use crate::config::{LearnConfig, OptimizerKind};

/// A descent rule with its state: SGD with momentum (v <- m v + g; p <- p - rate v), or Adam (Kingma and Ba, ICLR
/// 2015, with bias correction).
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    /// Updates so far.
    updates: u64,
    /// Velocity, or mean gradient; absent before the first update.
    first: Option<Params>,
    /// Mean squared gradient (Adam).
    second: Option<Params>,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Sgd { momentum: f64 },
    Adam { beta1: f64, beta2: f64, eps: f64 },
}

impl Optimizer {
    /// The optimiser that a configuration names, before its first update.
    pub fn new(learn: &LearnConfig) -> Self {
        let rule = match learn.optimizer {
            OptimizerKind::Sgd => Rule::Sgd { momentum: learn.momentum },
            OptimizerKind::Adam => Rule::Adam { beta1: learn.beta1, beta2: learn.beta2, eps: learn.eps },
        };
        Self::of(rule)
    }

    /// Adam with these decays of the mean gradient and of the mean squared gradient, before its first update.
    pub fn adam(beta1: f64, beta2: f64, eps: f64) -> Self {
        Self::of(Rule::Adam { beta1, beta2, eps })
    }

    fn of(rule: Rule) -> Self {
        Optimizer { rule, updates: 0, first: None, second: None }
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The parameters one step of size `rate` down `grads`.
    pub fn update(&mut self, params: &Params, grads: &Params, rate: f64) -> Result<Params> {
        self.updates += 1;
        match self.rule {
            Rule::Sgd { momentum } => {
                let velocity = self.running(grads)?.zip(grads, |_, v, g| (v * momentum)? + g)?;
                let params = params.zip(&velocity, |_, p, v| p - (v * rate)?)?;
                self.first = Some(velocity);
                Ok(params)
            }
            Rule::Adam { beta1, beta2, eps } => {
                let mean = self.running(grads)?.zip(grads, |_, m, g| (m * beta1)? + (g * (1.0 - beta1))?)?;
                let square = match &self.second {
                    Some(square) => square.clone(),
                    None => grads.zeros_like()?,
                };
                let square = square.zip(grads, |_, v, g| (v * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
                let t = self.updates as f64;
                let (c1, c2) = (1.0 - beta1.powf(t), 1.0 - beta2.powf(t));
                let step = mean.zip(&square, |_, m, v| (m * (rate / c1))? / ((v / c2)?.sqrt()? + eps)?)?;
                let params = params.zip(&step, |_, p, s| p - s)?;
                (self.first, self.second) = (Some(mean), Some(square));
                Ok(params)
            }
        }
    }

    fn running(&self, like: &Params) -> Result<Params> {
        match &self.first {
            Some(first) => Ok(first.clone()),
            None => Ok(like.zeros_like()?),
        }
    }

    /// Puts the state's tensors under `prefix`.
    pub fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
        for (moment, params) in [("first", &self.first), ("second", &self.second)] {
            for (name, tensor) in params.iter().flat_map(|params| params.iter()) {
                into.insert(format!("{prefix}.{moment}.{name}"), tensor.clone());
            }
        }
    }

    /// The state after `updates` updates, out of tensors that [`save`](Optimizer::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `spec` asks for.
    pub fn restore(
        &mut self,
        spec: &NetSpec,
        prefix: &str,
        updates: u64,
        from: &BTreeMap<String, Tensor>,
    ) -> Result<()> {
        let moment = |name: &str| {
            Params::from_tensors(spec, &crate::tensor_file::below(from, &format!("{prefix}.{name}")))
        };
        self.updates = updates;
        (self.first, self.second) = (None, None);
        if updates > 0 {
            self.first = Some(moment("first")?);
            if matches!(self.rule, Rule::Adam { .. }) {
                self.second = Some(moment("second")?);
            }
        }
        Ok(())
    }
}

/// The moving average `decay average + (1 - decay) params`, with a decay of at most (1 + updates) / (10 + updates)
/// so that the first weights are soon forgotten.
pub fn moving_average(average: &Params, params: &Params, decay: f64, updates: u64) -> Result<Params> {
    let t = updates as f64;
    let decay = decay.min((1.0 + t) / (10.0 + t));
    Ok(average.zip(params, |_, a, p| (a * decay)? + (p * (1.0 - decay))?)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_random::Key;

    use super::*;
    use crate::config::{Source, resolve};

    fn setup(set: &str) -> (Optimizer, Params) {
        let learn = resolve(&[Source::assignment(set).unwrap()]).unwrap().learn;
        let spec = NetSpec { norm: mg_energy::Norm::None, ..NetSpec::paper(4).scaled(0.1) };
        (Optimizer::new(&learn), Params::init(&spec, Key::new(0), DType::F64, &Device::Cpu).unwrap())
    }

    fn head(params: &Params) -> f64 {
        params.get("head.bias").unwrap().to_vec1::<f64>().unwrap()[0]
    }

    /// Gradients that are all `value`.
    fn grads(params: &Params, value: f64) -> Params {
        params.map(|_, t| t.zeros_like()? + value).unwrap()
    }

    #[test]
    fn sgd_sums_its_velocity() {
        let (mut sgd, mut params) = setup("learn.optimizer=sgd");
        for g in [1.0, 2.0] {
            params = sgd.update(&params, &grads(&params, g), 0.1).unwrap();
        }
        // v1 = 1, v2 = 0.9 + 2; p = -0.1 (v1 + v2).
        assert!((head(&params) + 0.1 * (1.0 + 2.9)).abs() < 1e-12);
    }

    #[test]
    fn adam_s_steps_are_those_of_its_equations() {
        let (mut adam, mut params) = setup("learn.optimizer=adam");
        let (mut m, mut v, mut p) = (0.0f64, 0.0f64, 0.0f64);
        for (t, g) in (1..).zip([0.3f64, -2.0, 0.01]) {
            params = adam.update(&params, &grads(&params, g), 1e-2).unwrap();
            m = 0.5 * m + 0.5 * g;
            v = 0.999 * v + 0.001 * g * g;
            p -= 1e-2 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
        }
        assert!((head(&params) - p).abs() < 1e-12, "{} against {p}", head(&params));
    }

    #[test]
    fn tensors_of_any_names_are_moved_alike() {
        let (mut configured, mut params) = setup("learn.optimizer=adam");
        let mut adam = Optimizer::adam(0.5, 0.999, 1e-8);
        let renamed = |params: &Params| {
            Params::from_entries(
                params.iter().map(|(name, t)| (format!("other.{name}"), t.clone())).collect(),
            )
        };
        let mut others = renamed(&params);
        for g in [0.3, -2.0] {
            others = adam.update(&others, &grads(&others, g), 1e-2).unwrap();
            params = configured.update(&params, &grads(&params, g), 1e-2).unwrap();
        }
        let bias = others.get("other.head.bias").unwrap().to_vec1::<f64>().unwrap()[0];
        assert_eq!(bias.to_bits(), head(&params).to_bits());
    }

    #[test]
    fn a_restored_optimizer_goes_on_as_if_nothing_had_happened() {
        for rule in ["learn.optimizer=sgd", "learn.optimizer=adam"] {
            let (mut one, params) = setup(rule);
            let params = one.update(&params, &grads(&params, 0.7), 0.1).unwrap();
            let mut saved = BTreeMap::new();
            one.save("state", &mut saved);
            let (mut two, _) = setup(rule);
            let spec = NetSpec { norm: mg_energy::Norm::None, ..NetSpec::paper(4).scaled(0.1) };
            two.restore(&spec, "state", one.updates(), &saved).unwrap();
            let next = |o: &mut Optimizer| head(&o.update(&params, &grads(&params, -0.2), 0.1).unwrap());
            assert_eq!(next(&mut one).to_bits(), next(&mut two).to_bits());
        }
    }
}
