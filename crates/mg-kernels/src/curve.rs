#![allow(unsafe_code, reason = "vector units")]

use crate::Activation;
use crate::aligned::Number;
use crate::element::Element;
use crate::simd::Simd;

/// An activation with its slope in the element type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Curve<E> {
    Leaky(E),
    Silu,
    Tanh,
    Softplus,
}

impl<E: Element> Curve<E> {
    pub(crate) fn of(activation: Activation) -> Self {
        match activation {
            Activation::LeakyRelu { slope } => Self::Leaky(E::of(slope)),
            Activation::Silu => Self::Silu,
            Activation::Tanh => Self::Tanh,
            Activation::Softplus => Self::Softplus,
        }
    }
}

/// `v` where `by > 0`, `slope v` elsewhere: leaky ReLU's value for `v = by`, and its adjoint for a gradient `v`. There
/// `by` may also be the value, which has the sign of what it was made from.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn leaky<S: Simd>(by: S::Vector, v: S::Vector, slope: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract.
    unsafe { S::if_positive(by, v, S::mul(v, slope)) }
}

/// The activation at `y`.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn activate<S: Simd>(curve: Curve<S::Elem>, y: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract.
    unsafe {
        match curve {
            Curve::Leaky(slope) => leaky::<S>(y, y, S::splat(slope)),
            Curve::Silu => S::mul(y, logistic::<S>(y)),
            Curve::Tanh => tanh::<S>(y),
            Curve::Softplus => softplus::<S>(y),
        }
    }
}

/// The activation's derivative at `y`.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn derivative<S: Simd>(curve: Curve<S::Elem>, y: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract. What only the second needs is not computed: this is inlined.
    unsafe { derivatives::<S>(curve, y)[0] }
}

/// The activation's first and second derivatives at `y`; leaky ReLU's second is 0 everywhere.
///
/// # Safety
/// The processor has `S`.
#[inline(always)]
pub(crate) unsafe fn derivatives<S: Simd>(curve: Curve<S::Elem>, y: S::Vector) -> [S::Vector; 2] {
    // SAFETY: the caller's contract.
    unsafe {
        let (zero, one) = (S::splat(S::Elem::ZERO), S::splat(S::Elem::of(1.0)));
        match curve {
            Curve::Leaky(slope) => [leaky::<S>(y, one, S::splat(slope)), zero],
            Curve::Silu => {
                let s = logistic::<S>(y);
                let rest = S::sub(one, s);
                let first = S::mul(s, S::mul_add(y, rest, one));
                // s (1 - s) (2 + y (1 - 2 s))
                let inner = S::mul_add(y, S::sub(rest, s), S::add(one, one));
                [first, S::mul(S::mul(s, rest), inner)]
            }
            Curve::Tanh => {
                let t = tanh::<S>(y);
                let first = S::sub(one, S::mul(t, t));
                [first, S::mul(S::sub(zero, S::add(t, t)), first)]
            }
            Curve::Softplus => {
                let s = logistic::<S>(y);
                [s, S::mul(s, S::sub(one, s))]
            }
        }
    }
}

/// `1 / (1 + exp(-y))`.
#[inline(always)]
unsafe fn logistic<S: Simd>(y: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract.
    unsafe {
        let one = S::splat(S::Elem::of(1.0));
        S::div(one, S::add(one, S::exp(S::sub(S::splat(S::Elem::ZERO), y))))
    }
}

/// `2 / (1 + exp(-2 y)) - 1`.
#[inline(always)]
unsafe fn tanh<S: Simd>(y: S::Vector) -> S::Vector {
    // SAFETY: the caller's contract.
    unsafe {
        let s = logistic::<S>(S::add(y, y));
        S::sub(S::add(s, s), S::splat(S::Elem::of(1.0)))
    }
}

/// `log(1 + exp(y))`: the larger of `y` and 0, and `log(1 + t)` with `t = exp(-|y|)`. That is twice the area tangent of
/// `t / (2 + t)`, which is at most 1/3: 8 terms of its series reach 1e-9, 17 reach 1e-17.
#[inline(always)]
unsafe fn softplus<S: Simd>(y: S::Vector) -> S::Vector {
    let terms = if size_of::<S::Elem>() == 4 { 8 } else { 17 };
    // SAFETY: the caller's contract.
    unsafe {
        let (zero, two) = (S::splat(S::Elem::ZERO), S::splat(S::Elem::of(2.0)));
        let above = S::if_positive(y, y, zero);
        let below = S::sub(y, above);
        let t = S::exp(S::sub(below, above));
        let z = S::div(t, S::add(two, t));
        let (square, mut series) = (S::mul(z, z), zero);
        // A loop, not a fold: a closure would not be compiled for the unit.
        for k in (0..terms).rev() {
            series = S::mul_add(series, square, S::splat(S::Elem::of(2.0 / f64::from(2 * k + 1))));
        }
        S::mul_add(series, z, above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    type Four = Portable<f64>;

    #[test]
    fn derivatives_are_finite_differences() {
        let (y, e) = ([-3.0, -0.4, 0.6, 5.0], 1e-6);
        for activation in
            [Activation::LeakyRelu { slope: 0.2 }, Activation::Silu, Activation::Tanh, Activation::Softplus]
        {
            let curve = Curve::of(activation);
            // SAFETY: every processor has the portable unit.
            let (values, slopes, both) = unsafe {
                let at = |e: f64| y.map(|y| y + e);
                let values = [at(-e), at(e)].map(|y| activate::<Four>(curve, y));
                let slopes = [at(-e), at(e)].map(|y| derivative::<Four>(curve, y));
                (values, slopes, derivatives::<Four>(curve, y))
            };
            for ([below, above], found) in [values, slopes].iter().zip(both) {
                for (i, found) in found.iter().enumerate() {
                    let expected = (above[i] - below[i]) / (2.0 * e);
                    assert!(
                        (found - expected).abs() < 1e-9,
                        "{activation:?} at {}: {found} {expected}",
                        y[i]
                    );
                }
            }
        }
    }

    #[test]
    fn softplus_is_exact_and_does_not_overflow() {
        let y = [-700.0, -0.4, 0.6, 700.0];
        // SAFETY: every processor has the portable unit.
        let found = unsafe { activate::<Four>(Curve::of(Activation::Softplus), y) };
        for (y, found) in y.iter().zip(found) {
            let expected = f64::max(*y, 0.0) + (-y.abs()).exp().ln_1p();
            assert!((found - expected).abs() <= 1e-15 * expected.max(1.0), "{y}: {found} {expected}");
        }
    }

    #[test]
    fn a_leaky_relu_has_its_lower_slope_at_zero() {
        let curve = Curve::of(Activation::LeakyRelu { slope: 0.2 });
        // SAFETY: every processor has the portable unit.
        assert_eq!(unsafe { derivative::<Four>(curve, [0.0; 4]) }, [0.2; 4]);
    }
}
