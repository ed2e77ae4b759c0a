use std::marker::PhantomData;

use half::bf16;

use crate::aligned::Number;
use crate::amx::TileUnit;
use crate::kernels::Kernels;
use crate::simd::{Element, Level};
use crate::winograd::FixedKernels;

/// The numbers a network is computed with: sums and coefficients in `Elem`, maps and packed weights in `Stored`.
pub(crate) trait Format: Sized + Send + Sync + 'static {
    type Elem: Element;
    type Stored: Stored<Self::Elem>;
    /// The same without a shorter form in memory.
    type Full: Format<Elem = Self::Elem, Stored = Self::Elem>;
    /// Inputs that follow each other and that one product takes together.
    const GROUP: usize;
    /// The kernels of a level from [`Level::available`].
    fn kernels(level: Level) -> &'static Kernels<Self>;
    /// A unit that multiplies matrices of stored values.
    fn tile_unit(_: Level) -> Option<&'static TileUnit<Self>> {
        None
    }
    /// Kernels for products of transformed tiles in fixed point, where they are precise enough and pay.
    fn fixed(_: Level) -> Option<&'static FixedKernels<Self::Elem>> {
        None
    }
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

/// Operands in bf16, sums in f32.
pub(crate) struct Half;
