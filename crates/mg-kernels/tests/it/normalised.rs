//! Norms and activations by tensor operations against finite differences.

use crate::common::{activations, distance, dot, flat, normal, norms};
use candle_core::{DType, Tensor};
use mg_kernels::{LayerWeights, Norm, Normalised, channel_mean, channel_sum};
use mg_random::Key;

const CHANNELS: usize = 6;

fn weights(norm: Norm) -> LayerWeights {
    let vector = |name: &str| normal(Key::new(1).named(name), &[CHANNELS], DType::F64);
    let variance = (vector("variance").sqr().unwrap() + 0.5).unwrap();
    LayerWeights {
        weight: vector("unused"),
        bias: vector("unused"),
        affine: (norm != Norm::None).then(|| (vector("gamma"), vector("beta"))),
        statistics: matches!(norm, Norm::Fixed { .. }).then(|| (vector("mean"), variance)),
    }
}

/// Central difference of `value` at 0.
fn slope(value: impl Fn(f64) -> f64) -> f64 {
    let e = 1e-6;
    (value(e) - value(-e)) / (2.0 * e)
}

fn moved(x: &Tensor, direction: &Tensor, e: f64) -> Tensor {
    (x + (direction * e).unwrap()).unwrap()
}

#[test]
fn the_adjoints_of_norms_are_finite_differences() {
    let dims = [4, CHANNELS, 3, 5];
    let draw = |name: &str, dims: &[usize]| normal(Key::new(2).named(name), dims, DType::F64);
    let (z, dy, dz) = (draw("z", &dims), draw("dy", &dims), draw("dz", &dims));
    for norm in norms() {
        let weights = weights(norm);
        let forward = |weights: &LayerWeights, z: &Tensor| Normalised::forward(norm, weights, z).unwrap();
        let (y, normalised) = forward(&weights, &z);
        let Some(normalised) = normalised else {
            assert_eq!((norm, flat(&y)), (Norm::None, flat(&z)));
            continue;
        };
        let expected = slope(|e| dot(&forward(&weights, &moved(&z, &dz, e)).0, &dy));
        let found = dot(&normalised.backward(&dy).unwrap(), &dz);
        assert!((found - expected).abs() < 1e-7, "{norm:?}: {found} {expected}");

        let (gamma, beta) = weights.affine.clone().unwrap();
        let (of_gamma, of_beta) = normalised.affine_grads(&dy).unwrap();
        let v = draw("v", &[CHANNELS]);
        let along_gamma = slope(|e| {
            let affine = Some((moved(&gamma, &v, e), beta.clone()));
            dot(&forward(&LayerWeights { affine, ..weights.clone() }, &z).0, &dy)
        });
        let along_beta = slope(|e| {
            let affine = Some((gamma.clone(), moved(&beta, &v, e)));
            dot(&forward(&LayerWeights { affine, ..weights.clone() }, &z).0, &dy)
        });
        assert!((dot(&of_gamma, &v) - along_gamma).abs() < 1e-7, "{norm:?} gamma");
        assert!((dot(&of_beta, &v) - along_beta).abs() < 1e-7, "{norm:?} beta");
    }
}

#[test]
fn derivatives_of_activations_are_finite_differences() {
    let y = normal(Key::new(3), &[200], DType::F64);
    for activation in activations() {
        let ones = y.ones_like().unwrap();
        let at = |e: f64| activation.apply(&moved(&y, &ones, e)).unwrap();
        let e = 1e-6;
        let expected = ((at(e) - at(-e)).unwrap() / (2.0 * e)).unwrap();
        let found = activation.derivative(&y).unwrap();
        assert!(distance(&found, &expected) < 1e-8, "{activation:?}");
        let (value, derivative) = activation.apply_and_derive(&y).unwrap();
        assert_eq!((flat(&value), flat(&derivative)), (flat(&at(0.0)), flat(&found)), "{activation:?}");
    }
}

#[test]
fn channels_are_summed_over_images_and_pixels() {
    let x = normal(Key::new(4), &[3, 4, 2, 5], DType::F64);
    assert!(distance(&channel_sum(&x).unwrap(), &x.sum((0, 2, 3)).unwrap()) < 1e-14);
    assert!(distance(&channel_mean(&x).unwrap(), &x.mean((0, 2, 3)).unwrap()) < 1e-14);
}
