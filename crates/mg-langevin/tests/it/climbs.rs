//! Sampling coarse to fine, with and without observed pixels.

use candle_core::{DType, Device, Tensor};
use mg_energy::Energy;
use mg_energy::toy::{DoubleWell, Normal};
use mg_langevin::{
    Begin, Chain, ChainKey, Clamped, Error, Held, Kernel, Langevin, Level, Mala, Upscaling, Within, climb,
    recover, recover_from, run, unobserved,
};
use mg_pyramid::{ConditionalGaussian, Mask, down, up};
use mg_random::Key;

use crate::support::{Outcome, bits, noise, values};

const COARSE: Normal = Normal { mean: 0.1, std_dev: 0.5 };
const FINE: DoubleWell = DoubleWell { temperature: 0.3 };
const LANGEVIN: Langevin = Langevin { step_size: 0.02, noise_scale: 0.1 };
const MALA: Mala = Mala { step_size: 0.02, temperature: 1.0 };

fn levels() -> [Level<'static>; 3] {
    [
        Level {
            side: 2,
            energies: &[&COARSE],
            kernels: &[&LANGEVIN],
            n_steps: 3,
            begin: Begin::default(),
            held: None,
        },
        Level {
            side: 4,
            energies: &[&FINE],
            kernels: &[&MALA],
            n_steps: 2,
            begin: Begin::default(),
            held: None,
        },
        Level {
            side: 8,
            energies: &[&FINE],
            kernels: &[&LANGEVIN],
            n_steps: 4,
            begin: Begin::default(),
            held: None,
        },
    ]
}

/// Hides the pixels of an 8 x 8 image whose index satisfies `hidden`.
fn mask(hidden: impl Fn(usize, usize) -> bool) -> Mask {
    Mask::new(8, (0..64).map(|i| hidden(i / 8, i % 8)).collect()).unwrap()
}

#[test]
fn a_climb_is_up_and_run_level_by_level() -> Outcome {
    let start = noise(&[3, 2, 1, 1], DType::F32, 1);
    let key = Key::new(2);
    let runs = climb(&levels(), &start, key, &mut unobserved)?;
    let mut x = start;
    for (i, level) in levels().iter().enumerate() {
        x = up(&x, level.side)?;
        let by_hand =
            run(level.kernels[0], level.energies[0], &x, level.n_steps, key.fold(i as u64), &mut unobserved)?;
        assert_eq!(bits(&runs[i].x), bits(&by_hand.x));
        assert_eq!(runs[i].trace, by_hand.trace);
        x = by_hand.x;
    }
    assert_eq!(
        runs.iter().map(|run| run.x.dims().to_vec()).collect::<Vec<_>>(),
        [[3, 2, 2, 2], [3, 2, 4, 4], [3, 2, 8, 8]]
    );
    Ok(())
}

#[test]
fn a_climb_without_steps_repeats_its_start() -> Outcome {
    let start = noise(&[3, 2, 1, 1], DType::F32, 1);
    let still = levels().map(|level| Level { n_steps: 0, ..level });
    let runs = climb(&still, &start, Key::new(0), &mut unobserved)?;
    assert_eq!(bits(&runs[2].x), bits(&up(&start, 8)?));
    Ok(())
}

#[test]
fn the_observer_of_a_climb_knows_the_level() -> Outcome {
    let mut seen = Vec::new();
    let start = noise(&[1, 1, 1, 1], DType::F32, 1);
    climb(&levels(), &start, Key::new(0), &mut |p| {
        seen.push((p.level, p.step, p.n_steps, p.x.dims()[3]));
        Ok(())
    })?;
    let expected = [(0, 0, 3, 2), (0, 1, 3, 2), (0, 2, 3, 2), (1, 0, 2, 4), (1, 1, 2, 4), (2, 0, 4, 8)];
    assert_eq!(seen[..6], expected);
    assert_eq!(seen.len(), 9);
    Ok(())
}

#[test]
fn levels_from_fine_to_coarse_are_refused() {
    let start = noise(&[1, 1, 1, 1], DType::F32, 1);
    let mut levels = levels();
    levels.reverse();
    let error = climb(&levels, &start, Key::new(0), &mut unobserved).unwrap_err();
    assert!(matches!(error, Error::LevelOrder { level: 1, side: 4, before: 8 }), "{error}");
}

#[test]
fn recovery_returns_the_observed_pixels_bit_for_bit_and_moves_the_others() -> Outcome {
    let image = noise(&[2, 3, 8, 8], DType::F32, 3);
    let masks = [
        mask(|row, column| (2..6).contains(&row) && column < 5),
        mask(|row, column| (row + column) % 3 == 0),
    ];
    let runs = recover(&levels(), &image, &masks, Key::new(4), &mut unobserved)?;
    let (x, original) = (bits(&runs[2].x), bits(&image));
    for (i, (x, original)) in x.iter().zip(&original).enumerate() {
        let hidden = masks[i / 192].hidden()[i % 64];
        assert_eq!(x != original, hidden, "element {i}");
    }
    Ok(())
}

#[test]
fn an_empty_mask_recovers_the_image_and_its_pyramid() -> Outcome {
    let image = noise(&[2, 3, 8, 8], DType::F32, 3);
    let runs = recover(&levels(), &image, &[mask(|_, _| false)], Key::new(4), &mut unobserved)?;
    for (run, side) in runs.iter().zip([2, 4, 8]) {
        assert_eq!(bits(&run.x), bits(&down(&image, side)?));
    }
    Ok(())
}

#[test]
fn what_is_known_of_coarse_pixels_is_held_on_every_grid() -> Outcome {
    let image = noise(&[2, 3, 8, 8], DType::F32, 3);
    let mask = mask(|row, column| row < 4 && column < 5);
    let held = |side| Mask::known(std::slice::from_ref(&mask), &image, side);
    let held = [held(2)?, held(4)?, held(8)?].map(|(known, values)| (known, bits(&values)));
    let counts = held.iter().map(|(known, _)| known.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>());
    assert_eq!(counts.collect::<candle_core::Result<Vec<_>>>()?, [2.0 * 3.0, 2.0 * 12.0, 2.0 * 44.0]);
    recover(&levels(), &image, std::slice::from_ref(&mask), Key::new(4), &mut |p| {
        let (known, values) = &held[p.level];
        let known = known.broadcast_as(p.x.shape()).unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap();
        for (i, (x, value)) in bits(p.x).iter().zip(values).enumerate() {
            assert_eq!(x == value, known[i] == 1);
        }
        Ok(())
    })?;
    Ok(())
}

#[test]
fn what_the_image_holds_in_hidden_pixels_is_never_read() -> Outcome {
    let image = noise(&[2, 3, 6, 6], DType::F32, 3);
    let mask = Mask::new(6, (0..36).map(|i| i % 6 > 3 && i > 12).collect())?;
    let hidden =
        Tensor::from_vec(mask.hidden().iter().map(|&h| u8::from(h)).collect(), (1, 1, 6, 6), &Device::Cpu)?;
    let hidden = hidden.broadcast_as(image.shape())?.contiguous()?;
    let spoilt = hidden.where_cond(&(image.zeros_like()? + f64::NAN)?, &image)?;
    // The ratio 6 : 4 is not whole: area averages must not touch hidden pixels either.
    let ladder = [1, 4, 6].map(|side| Level {
        side,
        energies: &[&FINE],
        kernels: &[&LANGEVIN],
        n_steps: 2,
        begin: Begin::default(),
        held: None,
    });
    let recover =
        |image: &Tensor| recover(&ladder, image, std::slice::from_ref(&mask), Key::new(4), &mut unobserved);
    let (clean, spoilt) = (recover(&image)?, recover(&spoilt)?);
    for (clean, spoilt) in clean.iter().zip(&spoilt) {
        assert_eq!(bits(&clean.x), bits(&spoilt.x));
        assert!(values(&clean.x).iter().all(|x| x.is_finite()));
    }
    Ok(())
}

#[test]
fn recovery_starts_from_the_mean_of_what_is_observed() -> Outcome {
    let still = levels().map(|level| Level { n_steps: 0, ..level });
    let ones = Tensor::ones((1, 1, 8, 8), DType::F32, &Device::Cpu)?;
    let image = (noise(&[1, 1, 8, 8], DType::F32, 1) * 0.0)?.add(&(ones * 0.25)?)?;
    let half = mask(|row, _| row < 4);
    let runs = recover(&still, &image, &[half], Key::new(0), &mut unobserved)?;
    assert!(values(&runs[2].x).iter().all(|&x| x == 0.25));
    let everything = mask(|_, _| true);
    let runs = recover(&still, &image, &[everything], Key::new(0), &mut unobserved)?;
    assert!(values(&runs[2].x).iter().all(|&x| x == 0.0), "nothing observed: mid grey");
    Ok(())
}

#[test]
fn recovery_may_start_anywhere() -> Outcome {
    let image = noise(&[3, 1, 8, 8], DType::F32, 3);
    let start = noise(&[3, 1, 2, 2], DType::F32, 5);
    let still = levels().map(|level| Level { n_steps: 0, ..level });
    let everything = mask(|_, _| true);
    let runs = recover_from(&still, &start, &image, &[everything], Key::new(4), &mut unobserved)?;
    assert_eq!(bits(&runs[2].x), bits(&up(&start, 8)?));
    let error = recover_from(&still[..], &image, &image, &[mask(|_, _| true)], Key::new(4), &mut unobserved);
    assert!(matches!(error.unwrap_err(), Error::LevelOrder { level: 0, side: 2, before: 8 }));
    Ok(())
}

#[test]
fn one_mask_serves_all_images() -> Outcome {
    let image = noise(&[3, 1, 8, 8], DType::F32, 3);
    let mask = mask(|row, column| row > column);
    let one = recover(&levels(), &image, std::slice::from_ref(&mask), Key::new(4), &mut unobserved)?;
    let three =
        recover(&levels(), &image, &[mask.clone(), mask.clone(), mask], Key::new(4), &mut unobserved)?;
    assert_eq!(bits(&one[2].x), bits(&three[2].x));
    Ok(())
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let image = noise(&[3, 1, 8, 8], DType::F32, 3);
    let masks = |n: usize, side: usize| vec![Mask::new(side, vec![true; side * side]).unwrap(); n];
    let recover = |levels: &[Level<'_>], masks: &[Mask]| {
        recover(levels, &image, masks, Key::new(0), &mut unobserved).unwrap_err()
    };
    for (n, side) in [(2, 8), (1, 16), (1, 4)] {
        let error = recover(&levels(), &masks(n, side));
        let Error::Pyramid(mg_pyramid::Error::MaskMisfit { masks, mask_side, .. }) = error else {
            panic!("{n} masks of {side}: {error}");
        };
        assert_eq!((masks, mask_side), (n, side));
    }
    assert!(matches!(recover(&levels(), &[]), Error::Pyramid(mg_pyramid::Error::NoMasks)));
    assert!(matches!(recover(&levels()[..2], &masks(1, 8)), Error::FinestLevel { side: 8, finest: Some(4) }));
    assert!(matches!(recover(&[], &masks(1, 8)), Error::FinestLevel { side: 8, finest: None }));
}

#[test]
fn a_boxed_kernel_serves_as_well_as_a_plain_one() -> Outcome {
    let start = noise(&[2, 1, 1, 1], DType::F32, 1);
    let plain = Clamped { inner: LANGEVIN, min: -1.0, max: 1.0 };
    let boxed: Box<dyn Kernel> = Box::new(plain);
    let at = |kernel: &dyn Kernel| {
        climb(
            &[Level {
                side: 4,
                energies: &[&FINE],
                kernels: &[kernel],
                n_steps: 3,
                begin: Begin::default(),
                held: None,
            }],
            &start,
            Key::new(0),
            &mut unobserved,
        )
    };
    assert_eq!(bits(&at(&plain)?[0].x), bits(&at(&boxed)?[0].x));
    Ok(())
}

#[test]
fn chains_begin_within_bounds_where_upscaling_leaves_them() -> Outcome {
    // At the ratio 1.5 the pseudo-inverse of area averaging overshoots what it is given.
    let start = (noise(&[4, 3, 4, 4], DType::F32, 9) * 10.0)?.clamp(-1.0, 1.0)?;
    let greatest = |x: &Tensor| values(x).into_iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    assert!(greatest(&up(&start, 6)?) > 1.1);
    let bounded = Within { energy: &FINE, min: -1.0, max: 1.0 };
    let mala = Mala { step_size: 1e-4, temperature: 1.0 };
    let level = Level {
        side: 6,
        energies: &[&bounded],
        kernels: &[&mala],
        n_steps: 3,
        begin: Begin::Coarser(Upscaling { bounds: Some((-1.0, 1.0)), ..Upscaling::default() }),
        held: None,
    };
    let run = |level| climb(&[level], &start, Key::new(3), &mut unobserved);
    let held = run(level)?;
    assert!(greatest(&held[0].x) <= 1.0 && held[0].trace.energy.iter().all(|u| u.is_finite()));
    let stuck = run(Level { begin: Begin::default(), ..level })?;
    assert!(stuck[0].trace.first_non_finite() == Some(0));
    Ok(())
}

#[test]
fn several_energies_share_the_steps_in_turn_and_forget_each_other() -> Outcome {
    let (start, key) = (noise(&[2, 1, 4, 4], DType::F32, 1), Key::new(7));
    let level = Level {
        side: 4,
        energies: &[&COARSE, &FINE],
        kernels: &[&MALA],
        n_steps: 4,
        begin: Begin::At(&start),
        held: None,
    };
    let together = climb(&[level], &start, key, &mut unobserved)?.remove(0);
    let key = key.fold(0); // the first level's
    let mut x = start.clone();
    for (step, energy) in [&COARSE as &dyn Energy, &COARSE, &FINE, &FINE].into_iter().enumerate() {
        x = MALA.step(energy, Chain::new(x)?, key.fold(step as u64).into())?.0.into_x();
    }
    assert_eq!(bits(&together.x), bits(&x));
    let none = [Level { energies: &[], ..level }];
    assert!(matches!(climb(&none, &start, key, &mut unobserved), Err(Error::NoEnergy { level: 0 })));
    Ok(())
}

#[test]
fn several_kernels_share_the_steps_in_turn() -> Outcome {
    let start = noise(&[2, 1, 4, 4], DType::F32, 1);
    let (long, short) = (LANGEVIN, Langevin { step_size: 0.001, noise_scale: 0.0 });
    let level = Level {
        side: 4,
        energies: &[&FINE],
        kernels: &[&long, &short],
        n_steps: 5,
        begin: Begin::default(),
        held: None,
    };
    let key = Key::new(7);
    let at = |x, held| climb(&[Level { begin: Begin::At(x), held, ..level }], x, key, &mut unobserved);
    let together = at(&start, None)?.remove(0);
    let key = key.fold(0); // the first level's
    let (mut x, mut energies) = (start.clone(), Vec::new());
    for (step, kernel) in [long, long, long, short, short].iter().enumerate() {
        // A run's step t draws from the key's fold t: a run of one step folds once more.
        let (chain, info) = kernel.step(&FINE, Chain::new(x)?, key.fold(step as u64).into())?;
        energies.push(info.energy.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>()?);
        x = chain.into_x();
    }
    assert_eq!(bits(&together.x), bits(&x));
    assert_eq!(together.trace.energy.len(), energies.len());
    let hidden = Tensor::zeros((2, 1, 4, 4), DType::U8, &Device::Cpu)?;
    let free = at(&start, Some(Held { known: &hidden, values: &start }))?;
    assert_eq!(bits(&free[0].x), bits(&x), "nothing is held");
    let all = hidden.ones_like()?;
    let known = at(&x, Some(Held { known: &all, values: &start }))?;
    assert_eq!(bits(&known[0].x), bits(&start), "everything is");
    let none = [Level { kernels: &[], ..level }];
    assert!(matches!(climb(&none, &start, key, &mut unobserved), Err(Error::NoKernel { level: 0 })));
    Ok(())
}

#[test]
fn chains_may_start_at_draws_given_the_coarser_sample_and_recovery_at_their_middle() -> Outcome {
    let images = noise(&[40, 2, 4, 4], DType::F32, 5);
    let gaussian = ConditionalGaussian::learn(&images, 2)?;
    let begin = Begin::Coarser(Upscaling { gaussian: Some(&gaussian), ..Upscaling::default() });
    let [coarse, fine, _] = levels();
    let still = [Level { n_steps: 0, ..coarse }, Level { n_steps: 0, begin, ..fine }];
    let minimal = Tensor::zeros((2, 2, 1, 1), DType::F32, &Device::Cpu)?;
    let drawn = |key| -> Result<Tensor, Error> {
        Ok(climb(&still, &minimal, Key::new(key), &mut unobserved)?[1].x.clone())
    };
    let x = drawn(1)?;
    assert!(values(&down(&x, 2)?).iter().all(|x| x.abs() < 1e-4), "a draw keeps the coarser sample");
    assert_ne!(values(&x)[..32], values(&x)[32..], "every chain has its own");
    assert_eq!(bits(&x), bits(&drawn(1)?));
    assert_ne!(bits(&x), bits(&drawn(2)?));

    let hidden = Mask::new(4, vec![true; 16])?;
    let recovered = recover(&still, &x, &[hidden], Key::new(1), &mut unobserved)?;
    let middle = gaussian.mean(&Tensor::zeros((2, 2, 2, 2), DType::F32, &Device::Cpu)?)?;
    assert_eq!(bits(&recovered[1].x), bits(&middle));

    let lost = [Level { n_steps: 0, begin, ..levels()[2] }];
    let error = climb(&lost, &down(&x, 2)?, Key::new(1), &mut unobserved).unwrap_err();
    assert!(matches!(error, Error::GaussianSide { side: 8, gaussian: 4 }), "{error}");
    Ok(())
}

#[test]
fn noise_at_the_start_parts_chains_of_one_coarse_image() -> Outcome {
    let start = Tensor::zeros((2, 3, 4, 4), DType::F32, &Device::Cpu)?;
    let begun = |noise, key| Upscaling { noise, ..Upscaling::default() }.draw(&start, 64, Key::new(key));
    let x = values(&begun(0.3, 1)?);
    let deviation = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt();
    // 24,576 numbers: the deviation's standard error is 0.3 / sqrt(2 * 24576) = 0.0014.
    assert!((deviation - 0.3).abs() < 0.007, "{deviation}");
    assert_ne!(x[..12_288], x[12_288..], "every chain has its own");
    assert_eq!(bits(&begun(0.3, 1)?), bits(&begun(0.3, 1)?));
    assert_ne!(bits(&begun(0.3, 1)?), bits(&begun(0.3, 2)?));
    assert!(values(&begun(0.0, 1)?).iter().all(|&x| x == 0.0));
    let error = begun(-0.1, 1).unwrap_err().to_string();
    assert!(error.contains("upscaling.noise") && error.contains("-0.1"), "{error}");
    Ok(())
}

#[test]
fn a_part_of_a_batch_climbs_as_it_does_within_the_whole() -> Outcome {
    let images = noise(&[40, 2, 4, 4], DType::F32, 5);
    let gaussian = ConditionalGaussian::learn(&images, 2)?;
    let drawn = Begin::Coarser(Upscaling { gaussian: Some(&gaussian), ..Upscaling::default() });
    let noisy = Begin::Coarser(Upscaling { noise: 0.1, ..Upscaling::default() });
    let [coarse, fine, finest] = levels();
    let levels = [coarse, Level { begin: drawn, ..fine }, Level { begin: noisy, ..finest }];
    let (start, key) = (noise(&[7, 2, 1, 1], DType::F32, 1), Key::new(2));
    let whole = climb(&levels, &start, key, &mut unobserved)?;
    for (first, n) in [(0, 3), (3, 1), (3, 4)] {
        let part = climb(&levels, &start.narrow(0, first, n)?, ChainKey { key, first }, &mut unobserved)?;
        for (whole, part) in whole.iter().zip(&part) {
            assert_eq!(bits(&whole.x.narrow(0, first, n)?), bits(&part.x), "{n} chains from {first}");
        }
    }
    Ok(())
}
