use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::{NetSpec, Params, Result, below};

/// A descent rule with its state: SGD with momentum (v <- m v + g; p <- p - rate v), or Adam (Kingma and Ba, ICLR
/// 2015, with bias correction).
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: DescentRule,
    /// Updates so far.
    updates: u64,
    /// Velocity, or mean gradient; absent before the first update.
    first: Option<Params>,
    /// Mean squared gradient (Adam).
    second: Option<Params>,
}

/// Which descent rule, with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DescentRule {
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// Decay of the velocity.
        momentum: f64,
    },
    /// Adam.
    Adam {
        /// Decay of the mean gradient.
        beta1: f64,
        /// Decay of the mean squared gradient.
        beta2: f64,
        /// Guard against division by zero.
        eps: f64,
    },
}

impl Optimizer {
    /// An optimiser before its first update.
    pub fn new(rule: DescentRule) -> Self {
        Optimizer { rule, updates: 0, first: None, second: None }
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The parameters one step of size `rate` down `grads`.
    ///
    /// # Errors
    /// When the gradients are those of other parameters.
    pub fn update(&mut self, params: &Params, grads: &Params, rate: f64) -> Result<Params> {
        self.updates += 1;
        match self.rule {
            DescentRule::Sgd { momentum } => {
                let velocity = self.running(grads)?.zip(grads, |_, v, g| (v * momentum)? + g)?;
                let params = params.zip(&velocity, |_, p, v| p - (v * rate)?)?;
                self.first = Some(velocity);
                Ok(params)
            }
            DescentRule::Adam { beta1, beta2, eps } => {
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
            None => like.zeros_like(),
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
        let moment = |name: &str| Params::from_tensors(spec, &below(from, &format!("{prefix}.{name}")));
        self.updates = updates;
        (self.first, self.second) = (None, None);
        if updates > 0 {
            self.first = Some(moment("first")?);
            if matches!(self.rule, DescentRule::Adam { .. }) {
                self.second = Some(moment("second")?);
            }
        }
        Ok(())
    }
}

/// The moving average `decay average + (1 - decay) params`, with a decay of at most (1 + updates) / (10 + updates)
/// so that the first weights are soon forgotten.
///
/// # Errors
/// When these are other parameters.
pub fn moving_average(average: &Params, params: &Params, decay: f64, updates: u64) -> Result<Params> {
    let t = updates as f64;
    let decay = decay.min((1.0 + t) / (10.0 + t));
    average.zip(params, |_, a, p| (a * decay)? + (p * (1.0 - decay))?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_random::Key;

    use super::*;
    use crate::Norm;

    const SGD: DescentRule = DescentRule::Sgd { momentum: 0.9 };
    const ADAM: DescentRule = DescentRule::Adam { beta1: 0.5, beta2: 0.999, eps: 1e-8 };

    fn setup(rule: DescentRule) -> (Optimizer, Params) {
        let spec = NetSpec { norm: Norm::None, ..NetSpec::paper(4).scaled(0.1) };
        (Optimizer::new(rule), Params::init(&spec, Key::new(0), DType::F64, &Device::Cpu).unwrap())
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
        let (mut sgd, mut params) = setup(SGD);
        for g in [1.0, 2.0] {
            params = sgd.update(&params, &grads(&params, g), 0.1).unwrap();
        }
        // v1 = 1, v2 = 0.9 + 2; p = -0.1 (v1 + v2).
        assert!((head(&params) + 0.1 * (1.0 + 2.9)).abs() < 1e-12);
    }

    #[test]
    fn adam_s_steps_are_those_of_its_equations() {
        let (mut adam, mut params) = setup(ADAM);
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
        let (mut configured, mut params) = setup(ADAM);
        let mut adam = Optimizer::new(ADAM);
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
        for rule in [SGD, ADAM] {
            let (mut one, params) = setup(rule);
            let params = one.update(&params, &grads(&params, 0.7), 0.1).unwrap();
            let mut saved = BTreeMap::new();
            one.save("state", &mut saved);
            let (mut two, _) = setup(rule);
            let spec = NetSpec { norm: Norm::None, ..NetSpec::paper(4).scaled(0.1) };
            two.restore(&spec, "state", one.updates(), &saved).unwrap();
            let next = |o: &mut Optimizer| head(&o.update(&params, &grads(&params, -0.2), 0.1).unwrap());
            assert_eq!(next(&mut one).to_bits(), next(&mut two).to_bits());
        }
    }
}
