use candle_core::Tensor;
use mg_energy::{Energy, Reference, ValueAndGrad};

use crate::rows::add_scaled;
use crate::{Base, Chain, ChainKey, Error, Exact, Kernel, Ladder, Reflected, Result, StepInfo};

/// The laws between a reference p0 and a model of energy U_1 that annealing goes through:
/// U_b(x) = U_0(x) + b (U_1(x) - U_0(x)), so p_b(x) ~ exp(b f(x)) p0(x) on the support of p0, for the powers b of a
/// ladder.
#[derive(Clone, Copy)]
pub struct GeometricPath<'a> {
    /// Where it begins, with its support.
    pub base: Base,
    /// Where it ends: the model's energy, of which values outside the base's bounds do not count.
    pub energy: &'a dyn Energy,
    /// The stations between.
    pub ladder: &'a Ladder,
}

impl GeometricPath<'_> {
    /// The law of power `beta`.
    pub(crate) fn at(&self, beta: f64) -> Tempered<'_> {
        Tempered { base: &self.base, energy: self.energy, beta }
    }
}

impl std::fmt::Debug for GeometricPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut path = f.debug_struct("GeometricPath");
        path.field("base", &self.base).field("ladder", &self.ladder).finish_non_exhaustive()
    }
}

/// One law of the path.
#[derive(Clone, Copy)]
pub(crate) struct Tempered<'a> {
    base: &'a Base,
    energy: &'a dyn Energy,
    beta: f64,
}

impl Tempered<'_> {
    /// U_b and its gradient from those of U_1.
    fn blend(&self, x: &Tensor, one: &ValueAndGrad) -> Result<ValueAndGrad> {
        let (energy, grad) = ((&one.energy * self.beta)?, (&one.grad * self.beta)?);
        match self.base.reference() {
            Reference::Uniform => Ok(ValueAndGrad { energy, grad }),
            Reference::Gaussian { sigma } => {
                let share = 1.0 - self.beta;
                let energy = (energy + (self.base.energy(x)? * share)?)?;
                Ok(ValueAndGrad { energy, grad: add_scaled(&grad, share / (sigma * sigma), x)? })
            }
        }
    }

    /// Chains at `x`, where U_1 is known.
    pub(crate) fn chain(&self, x: Tensor, one: &ValueAndGrad) -> Result<Chain> {
        let value = self.blend(&x, one)?;
        Chain::with_value(x, value)
    }

    /// One transition that leaves p_b invariant, within the support.
    pub(crate) fn step(&self, kernel: &dyn Exact, chain: Chain, key: ChainKey) -> Result<(Chain, StepInfo)> {
        match self.base.bounds() {
            Some((min, max)) => Reflected { inner: kernel, min, max }.step(self, chain, key),
            None => kernel.step(self, chain, key),
        }
    }
}

impl Energy for Tempered<'_> {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        Ok(self.value_and_grad(x)?.energy)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let one = self.energy.value_and_grad(x)?;
        self.blend(x, &one).map_err(into_energy_error)
    }

    fn needs_all_chains(&self) -> bool {
        self.energy.needs_all_chains()
    }
}

/// What failed, in the words that an energy has for it.
fn into_energy_error(error: Error) -> mg_energy::Error {
    match error {
        Error::Energy(error) => error,
        Error::Tensor(error) => error.into(),
        other => candle_core::Error::Msg(other.to_string()).into(),
    }
}
