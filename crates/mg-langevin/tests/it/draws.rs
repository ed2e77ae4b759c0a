//! Draws that are kept, and what their summary says.

use candle_core::{DType, Device, Tensor};
use mg_energy::toy::{DoubleWell, Normal};
use mg_langevin::{Draws, Error, Mala, Nuts, Sampling, Trace, Warmup};
use mg_random::Key;

use crate::support::{Outcome, after, bits, noise};

const NORMAL: Normal = Normal { mean: 1.0, std_dev: 2.0 };

fn of(x: Tensor) -> Draws {
    Draws { x, trace: Trace::default() }
}

#[test]
fn independent_draws_are_worth_their_number() -> Outcome {
    let summary = of(noise(&[2_000, 4, 3], DType::F64, 1)).summary()?;
    assert_eq!((summary.n_chains, summary.n_draws, summary.coordinates.len()), (4, 2_000, 3));
    for coordinate in &summary.coordinates {
        let diagnosis = coordinate.diagnosis.ok_or("none")?;
        assert!((diagnosis.bulk / 8_000.0 - 1.0).abs() < 0.1, "{diagnosis:?}");
        assert!((diagnosis.tail / 8_000.0 - 1.0).abs() < 0.15, "{diagnosis:?}");
        assert!((diagnosis.r_hat - 1.0).abs() < 0.005, "{diagnosis:?}");
        assert!(coordinate.mean.abs() < 0.06 && (coordinate.deviation - 1.0).abs() < 0.05);
        assert!((coordinate.interval.0 + 1.645).abs() < 0.1 && (coordinate.interval.1 - 1.645).abs() < 0.1);
    }
    assert_eq!(summary.warnings(), Vec::<String>::new());
    Ok(())
}

#[test]
fn chains_that_do_not_meet_are_told() -> Outcome {
    let apart = Tensor::new(&[0.0, 0.0, 0.0, 4.0], &Device::Cpu)?.reshape((1, 4, 1))?;
    let draws = of(noise(&[500, 4, 1], DType::F64, 2).broadcast_add(&apart)?);
    let summary = draws.summary()?;
    let diagnosis = summary.coordinates[0].diagnosis.ok_or("none")?;
    assert!(diagnosis.r_hat > 1.5 && diagnosis.bulk < 20.0, "{diagnosis:?}");
    assert_eq!(summary.warnings().len(), 2);
    assert!(summary.to_string().contains("the chains do not agree"), "{summary}");
    Ok(())
}

#[test]
fn nuts_with_its_defaults_knows_a_normal_law() -> Outcome {
    let sampling = Sampling { n_draws: 500, ..Sampling::default() };
    let summary = sampling.run(&Nuts::default(), &NORMAL, 2, Key::new(3))?.summary()?;
    for coordinate in &summary.coordinates {
        let diagnosis = coordinate.diagnosis.ok_or("none")?;
        assert!(diagnosis.bulk > 600.0 && diagnosis.r_hat < 1.01, "{summary}");
        assert!((coordinate.mean - 1.0).abs() < 5.0 * 2.0 / diagnosis.bulk.sqrt(), "{summary}");
        assert!((coordinate.deviation - 2.0).abs() < 0.3, "{summary}");
    }
    assert_eq!(summary.divergences, Some(0));
    assert!(summary.acceptance > Some(0.6));
    Ok(())
}

#[test]
fn what_is_kept_is_every_thinned_step_of_one_run() -> Outcome {
    let (mala, x) = (Mala::from_delta(0.5), noise(&[3, 2], DType::F32, 4));
    let draws = Draws::of(&mala, &NORMAL, &x, (4, 3), Key::new(5))?;
    assert_eq!((draws.x.dims(), draws.trace.len()), (&[4, 3, 2][..], 12));
    for t in 0..4 {
        assert_eq!(bits(&draws.x.get(t)?), bits(&after(&mala, &NORMAL, &x, 3 * (t + 1), 5)));
    }
    assert_eq!(draws.pooled()?.dims(), [12, 2]);
    Ok(())
}

#[test]
fn a_table_has_a_line_for_each_coordinate_and_says_what_it_leaves_out() -> Outcome {
    // Coordinate [0, 0, 1] is 10^6 in every draw.
    let still = Tensor::new(&[0f32, 1.0, 0.0], &Device::Cpu)?.pad_with_zeros(0, 0, 24)?.reshape((3, 3, 3))?;
    let x = noise(&[50, 2, 3, 3, 3], DType::F32, 6).broadcast_mul(&(1.0 - &still)?)?;
    let table = of(x.broadcast_add(&(still * 1e6)?)?).summary()?.to_string();
    let lines: Vec<&str> = table.lines().collect();
    let heading = lines[0].split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(heading, "mean deviation 5 % 95 % bulk ESS tail ESS R-hat");
    assert!(lines[1..25].iter().all(|line| line.len() == lines[0].len()), "{table}");
    let still: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(still, ["x[0,0,1]", "1.000e6", "0", "1.000e6", "1.000e6", "-", "-", "-"]);
    assert!(lines[24].starts_with("x[2,1,2] "));
    assert_eq!(lines[25..27], ["and 3 coordinates more", "2 chains of 50 draws"]);
    Ok(())
}

#[test]
fn wells_that_need_smaller_steps_are_told() -> Outcome {
    let sampling =
        Sampling { n_draws: 40, warmup: Warmup { n_steps: 0, ..Warmup::default() }, ..Sampling::default() };
    let rough = Nuts { step_size: 3.0, ..Nuts::default() };
    let summary = sampling.run(&rough, &DoubleWell { temperature: 0.01 }, 5, Key::new(3))?.summary()?;
    assert!(summary.divergences > Some(0));
    assert!(summary.to_string().contains("trajectories diverged"), "{summary}");
    Ok(())
}

#[test]
fn what_cannot_be_summed_up_is_refused() {
    assert!(matches!(of(noise(&[5, 4], DType::F64, 1)).summary(), Err(Error::Shape { .. })));
    let broken = (noise(&[5, 4, 1], DType::F64, 1) * f64::NAN).unwrap();
    assert!(matches!(of(broken).summary(), Err(Error::Draws { not_finite: 20, .. })));
    for sampling in [
        Sampling { n_chains: 0, ..Sampling::default() },
        Sampling { n_draws: 0, ..Sampling::default() },
        Sampling { thin: 0, ..Sampling::default() },
        Sampling { spread: f64::NAN, ..Sampling::default() },
    ] {
        let warmup = Warmup { n_steps: 0, ..Warmup::default() };
        let sampling = Sampling { warmup, ..sampling };
        assert!(sampling.run(&Nuts::default(), &NORMAL, 2, Key::new(1)).is_err(), "{sampling:?}");
    }
    assert!(Sampling::default().run(&Nuts::default(), &NORMAL, (3, 0), Key::new(1)).is_err());
}
