//! Every target against its normaliser, its gradient and its draws.

use candle_core::{DType, Device, Tensor};
use mg_random::Key;

use super::*;

fn noise(n: usize, d: usize, scale: f64) -> Tensor {
    let mut values = vec![0f32; n * d];
    Key::new(5).fill_normal(&mut values);
    let values = Tensor::from_vec(values, (n, d), &Device::Cpu).unwrap();
    (values.to_dtype(DType::F64).unwrap() * scale).unwrap()
}

fn planar() -> Vec<(&'static str, Box<dyn Energy>, f64, f64)> {
    let (banana, rosenbrock, ring) = (Banana::default(), Banana::rosenbrock(), Ring::default());
    let wide = Banana { curvature: -0.2, width: 1.5, centre: -0.5, spread: 0.8 };
    let (circle, lattice) =
        (Mixture::on_circle(8, 2.0, 0.3).unwrap(), Mixture::on_lattice(5, 1.5, 0.2).unwrap());
    let (of_circle, of_lattice) = (circle.log_normalizer().unwrap(), lattice.log_normalizer().unwrap());
    vec![
        ("banana", Box::new(banana), banana.log_normalizer(), 25.0),
        ("wide banana", Box::new(wide), wide.log_normalizer(), 20.0),
        ("rosenbrock", Box::new(rosenbrock), rosenbrock.log_normalizer(), f64::NAN),
        ("ring", Box::new(ring), ring.log_normalizer(), 5.0),
        ("moons", Box::new(TwoMoons), TwoMoons::LOG_NORMALIZER, 6.0),
        ("circle", Box::new(circle), of_circle, 6.0),
        ("lattice", Box::new(lattice), of_lattice, 7.0),
        ("funnel", Box::new(Funnel { deviation: 0.5 }), Funnel { deviation: 0.5 }.log_normalizer(2), 15.0),
    ]
}

#[test]
fn normalisers_of_the_plane_are_those_of_quadrature() -> Result<()> {
    for (name, energy, expected, half_width) in planar() {
        if half_width.is_finite() {
            let found = log_normalizer_on_plane(&*energy, half_width)?;
            assert!((found - expected).abs() < 1e-4, "{name}: {found}, not {expected}");
        }
    }
    Ok(())
}

#[test]
fn gradients_agree_with_finite_differences() -> Result<()> {
    let mut targets = planar();
    targets.push(("far", Box::new(Mixture::on_circle(3, 90.0, 1.0)?), 0.0, 0.0));
    for (name, energy, ..) in targets {
        let x = noise(40, 2, 1.5);
        let grad = energy.value_and_grad(&x)?.grad;
        for axis in 0..2 {
            let step = Tensor::new(&[[1e-5 * (1 - axis) as f64, 1e-5 * axis as f64]], &Device::Cpu)?;
            let above = energy.energy(&x.broadcast_add(&step)?)?;
            let below = energy.energy(&x.broadcast_sub(&step)?)?;
            let slopes = ((above - below)? / 2e-5)?.to_vec1::<f64>()?;
            for (grad, slope) in grad.get_on_dim(1, axis)?.to_vec1::<f64>()?.iter().zip(slopes) {
                assert!((grad - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{name}: {grad}, not {slope}");
            }
        }
    }
    Ok(())
}

/// Mean of exp(U - V) over draws of exp(-U) is the ratio of normalisers, for a V that lies within.
fn assert_drawn_from(name: &str, energy: &dyn Energy, x: &Tensor, log_normalizer: f64) -> Result<()> {
    let d = x.dim(1)?;
    let within = Normal { mean: 0.3, std_dev: 0.5 };
    let expected = 0.5 * d as f64 * (std::f64::consts::TAU * 0.25).ln() - log_normalizer;
    let weights = (energy.energy(x)? - within.energy(x)?)?.exp()?.to_vec1::<f64>()?;
    let n = weights.len() as f64;
    let mean = weights.iter().sum::<f64>() / n;
    let error = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n / n).sqrt();
    assert!((mean - expected.exp()).abs() < 5.0 * error, "{name}: {mean} +- {error}, not {}", expected.exp());
    Ok(())
}

#[test]
fn draws_follow_their_densities() -> Result<()> {
    let (n, key) = (40_000, Key::new(7));
    let banana = Banana { curvature: 0.5, width: 0.8, ..Banana::default() };
    assert_drawn_from("banana", &banana, &banana.draw(n, key)?, banana.log_normalizer())?;
    let funnel = Funnel { deviation: 0.7 };
    assert_drawn_from("funnel", &funnel, &funnel.draw(n, 3, key)?, funnel.log_normalizer(3))?;
    let mixture = Mixture::on_lattice(3, 0.7, 0.6)?;
    assert_drawn_from("mixture", &mixture, &mixture.draw(n, key)?, mixture.log_normalizer()?)
}

#[test]
fn chains_that_do_not_lie_where_the_target_does_are_refused() {
    let x = noise(5, 3, 1.0);
    for energy in [&Banana::default() as &dyn Energy, &Ring::default(), &TwoMoons] {
        let error = energy.value_and_grad(&x).unwrap_err().to_string();
        assert!(error.contains("[5, 3]"), "{error}");
    }
    assert!(Funnel::default().energy(&noise(5, 1, 1.0)).is_err());
    assert!(Mixture::on_circle(4, 1.0, 0.1).unwrap().energy(&x).is_err());
}
