use std::collections::BTreeMap;

use candle_core::{CpuStorage, InplaceOp3, Layout, Result, Tensor, Var};
use rayon::prelude::*;

/// A descent rule on one vector of parameters, with its state. On the CPU it works in place, on all threads.
#[derive(Debug)]
pub(crate) struct Optimizer {
    rule: Rule,
    /// Weight of the parameters' squares, halved, in the loss.
    l2: f64,
    /// Updates so far.
    updates: u64,
    /// Mean gradient; unused by rules without one.
    first: Tensor,
    /// Mean, or sum, of squared gradients.
    second: Tensor,
}

/// Descent rules with their constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Kingma and Ba, ICLR 2015, with bias correction.
    Adam { beta1: f64, beta2: f64, eps: f64 },
    /// Tieleman and Hinton, 2012: p <- p - rate g / (sqrt(v) + eps), with v the decaying mean of g^2.
    RmsProp { decay: f64, eps: f64 },
    /// Duchi, Hazan and Singer, 2011: p <- p - rate g / sqrt(v + eps), with v the sum of all g^2.
    Adagrad { eps: f64 },
}

impl Optimizer {
    /// Before the first update of these parameters.
    pub(crate) fn new(rule: Rule, l2: f64, parameters: &Tensor) -> Result<Self> {
        let zeros = || parameters.zeros_like();
        Ok(Optimizer { rule, l2, updates: 0, first: zeros()?, second: zeros()? })
    }

    /// One step down `gradient`, of size `rate`; then parameters are limited to [-limit, limit], where there is a limit.
    pub(crate) fn update(
        &mut self,
        parameters: &Var,
        gradient: &Tensor,
        rate: f64,
        limit: Option<f64>,
    ) -> Result<()> {
        self.updates += 1;
        let (l2, limit) = (self.l2 as f32, limit.unwrap_or(f64::INFINITY) as f32);
        let gradient = &gradient.contiguous()?;
        match self.rule {
            Rule::Adam { beta1, beta2, eps } => {
                let t = self.updates as f64;
                let (step, c2) = (rate / (1.0 - beta1.powf(t)), 1.0 - beta2.powf(t));
                let (b1, b2, step, c2, eps) =
                    (beta1 as f32, beta2 as f32, step as f32, c2 as f32, eps as f32);
                each(&self.first, gradient, parameters, move |m, g, p| b1 * m + (1.0 - b1) * (g + l2 * p))?;
                each(&self.second, gradient, parameters, move |v, g, p| {
                    let g = g + l2 * p;
                    b2 * v + (1.0 - b2) * g * g
                })?;
                each(parameters, &self.first, &self.second, move |p, m, v| {
                    (p - step * m / ((v / c2).sqrt() + eps)).clamp(-limit, limit)
                })
            }
            Rule::RmsProp { decay, eps } => {
                let a = decay as f32;
                let (follow, root) =
                    (move |v, square| a * v + (1.0 - a) * square, move |v: f32| v.sqrt() + eps as f32);
                self.divide(parameters, gradient, (rate, limit), follow, root)
            }
            Rule::Adagrad { eps } => {
                let (follow, root) = (|v, square| v + square, move |v: f32| (v + eps as f32).sqrt());
                self.divide(parameters, gradient, (rate, limit), follow, root)
            }
        }
    }

    /// p <- p - rate g / root(v), with v what `follow` makes of v and g^2.
    fn divide(
        &self,
        parameters: &Var,
        gradient: &Tensor,
        (rate, limit): (f64, f32),
        follow: impl Fn(f32, f32) -> f32 + Send + Sync,
        root: impl Fn(f32) -> f32 + Send + Sync,
    ) -> Result<()> {
        let (rate, l2) = (rate as f32, self.l2 as f32);
        each(&self.second, gradient, parameters, |v, g, p| {
            let g = g + l2 * p;
            follow(v, g * g)
        })?;
        each(parameters, gradient, &self.second, |p, g, v| {
            (p - rate * (g + l2 * p) / root(v)).clamp(-limit, limit)
        })
    }

    /// Goes on by another rule, from the same state.
    pub(crate) fn set_rule(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// Updates so far.
    pub(crate) fn updates(&self) -> u64 {
        self.updates
    }

    /// Puts copies of the state's tensors under `prefix`.
    pub(crate) fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> Result<()> {
        if matches!(self.rule, Rule::Adam { .. }) {
            into.insert(format!("{prefix}.first"), self.first.copy()?);
        }
        into.insert(format!("{prefix}.second"), self.second.copy()?);
        Ok(())
    }

    /// The state after `updates` updates, of tensors that [`save`](Self::save) wrote; `None` when one is missing.
    pub(crate) fn restored(
        &self,
        prefix: &str,
        updates: u64,
        from: &BTreeMap<String, Tensor>,
    ) -> Option<Self> {
        let get = |name: &str| {
            let tensor = from.get(&format!("{prefix}.{name}"))?;
            (tensor.dims() == self.second.dims()).then(|| tensor.copy().ok()).flatten()
        };
        let first = match self.rule {
            Rule::Adam { .. } => get("first")?,
            _ => self.first.clone(),
        };
        Some(Optimizer { rule: self.rule, l2: self.l2, updates, first, second: get("second")? })
    }
}

/// Replaces every number `a` by `f(a, b, c)`.
fn each(a: &Tensor, b: &Tensor, c: &Tensor, f: impl Fn(f32, f32, f32) -> f32 + Send + Sync) -> Result<()> {
    if a.device().is_cpu() {
        return a.inplace_op3(b, c, &Each(f));
    }
    // Elsewhere by way of main memory: no method here has been learned on a device without it.
    let numbers = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    let (old, b, c) = (numbers(a)?, numbers(b)?, numbers(c)?);
    let new: Vec<f32> = old.iter().zip(&b).zip(&c).map(|((a, b), c)| f(*a, *b, *c)).collect();
    let new = Tensor::from_vec(new, a.shape(), a.device())?;
    a.slice_set(&new, 0, 0)
}

struct Each<F>(F);

/// Numbers of a task.
const CHUNK: usize = 1 << 16;

impl<F: Fn(f32, f32, f32) -> f32 + Send + Sync> InplaceOp3 for Each<F> {
    fn name(&self) -> &'static str {
        "descent"
    }

    fn cpu_fwd(
        &self,
        a: &mut CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
        c: &CpuStorage,
        c_layout: &Layout,
    ) -> Result<()> {
        let count = a_layout.shape().elem_count();
        let (b, c) = (&b.as_slice::<f32>()?[b_layout.start_offset()..][..count], c.as_slice::<f32>()?);
        let c = &c[c_layout.start_offset()..][..count];
        let CpuStorage::F32(a) = a else {
            return Err(candle_core::Error::Msg("parameters are f32".into()));
        };
        let a = &mut a[a_layout.start_offset()..][..count];
        a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).zip(c.par_chunks(CHUNK)).for_each(|((a, b), c)| {
            a.iter_mut().zip(b.iter().zip(c)).for_each(|(a, (b, c))| *a = (self.0)(*a, *b, *c));
        });
        Ok(())
    }
}
