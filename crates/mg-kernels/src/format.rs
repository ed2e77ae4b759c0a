use std::marker::PhantomData;

use half::bf16;

use crate::aligned::Number;
use crate::element::Element;

/// The numbers a network is computed with: sums and coefficients in `Elem`, maps and packed weights in `Stored`.
pub(crate) trait Format: Sized + Send + Sync + 'static {
    type Elem: Element;
    type Stored: Stored<Self::Elem>;
    /// The same without a shorter form in memory.
    type Full: Format<Elem = Self::Elem, Stored = Self::Elem>;
    /// Inputs that follow each other and that one product takes together.
    const GROUP: usize;
}

/// A number as it lies in memory.
pub(crate) trait Stored<E>: Number + PartialEq {
    fn of(value: E) -> Self;
    fn value(self) -> E;
}

impl<E: Element> Stored<E> for E {
    fn of(value: E) -> Self {
        value
    }
    fn value(self) -> E {
        self
    }
}

impl Stored<f32> for bf16 {
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn value(self) -> f32 {
        self.to_f32()
    }
}

/// f32 or f64 throughout.
pub(crate) struct Whole<E>(PhantomData<fn() -> E>);

impl<E: Element> Format for Whole<E> {
    type Elem = E;
    type Stored = E;
    type Full = Self;
    const GROUP: usize = 1;
}

/// Operands in bf16, sums in f32.
pub(crate) struct Half;

impl Format for Half {
    type Elem = f32;
    type Stored = bf16;
    type Full = Whole<f32>;
    const GROUP: usize = 2;
}
