//! Claims about scores and densities of whole models, on tiny nets.

use candle_core::{DType, Tensor};
use mg_eval::BitsPerDim;
use mg_langevin::Base;
use mg_model::multigrid::MultigridModel;
use mg_model::{Annealing, Density, GridScores, ScoreNets, Scorer};
use mg_pyramid::down;
use mg_random::Key;
use mg_train::{Config, SetImages};

use crate::support::{self, CPU, data, model};

const HOW: Annealing =
    Annealing { n_chains: 14, n_temperatures: 12, n_leapfrog: 3, level: 0.95, n_mixing: 20 };

/// In f32, which small numbers need.
fn tiny(sets: &[&str]) -> Config {
    support::tiny(&[&["model.precision=f32"], sets].concat())
}

/// The same model with every parameter zero: f = 0 everywhere.
fn flat(mut model: MultigridModel) -> MultigridModel {
    for grid in model.classes.iter_mut().flat_map(|class| &mut class.grids) {
        grid.params = grid.params.zeros_like().unwrap();
    }
    model
}

fn density(model: &MultigridModel, level: usize) -> Density {
    Density::of(model, None, level).unwrap()
}

#[test]
fn an_image_has_the_same_score_in_any_company_also_where_nets_learn_with_batch_statistics() {
    for norm in ["none", "batch", "observed", "frozen"] {
        let config = tiny(&[&format!("model.norm={norm}")]);
        let (model, data) = (model(&config), data(&config));
        let scorer = Scorer::of(&model, None).unwrap();
        let all = scorer.set(&SetImages { set: &data, device: CPU }, &mut |_| {}).unwrap();
        assert!(all.len() == 2 && all.iter().all(|grid| grid.score.len() == 40 && grid.energy.len() == 40));
        let alone =
            scorer.set(&SetImages { set: &data.subset(&[13]).unwrap(), device: CPU }, &mut |_| {}).unwrap();
        for (all, alone) in all.iter().zip(&alone) {
            assert_eq!(all.score[13].to_bits(), alone.score[0].to_bits(), "{norm}");
            assert!(all.score.iter().any(|f| *f != all.score[0]), "{norm}: {:?}", all.score);
        }
        // On the grids themselves the numbers are the same.
        let batch = data.batch(&(0..40).collect::<Vec<_>>(), &[], CPU).unwrap();
        let grids = [4, 16].map(|side| down(&batch, side).unwrap());
        assert_eq!(scorer.grids(&grids).unwrap(), all);
        assert!(
            scorer.grids(&grids[..1]).is_err()
                && scorer.grids(&[grids[1].clone(), grids[0].clone()]).is_err()
        );
    }
}

#[test]
fn a_net_with_batch_statistics_and_none_to_keep_to_is_refused() {
    let mut model = model(&tiny(&["model.norm=batch"]));
    model.classes[0].grids[1].statistics = None;
    let error = Scorer::of(&model, None).unwrap_err().to_string();
    assert!(error.contains("statistics"), "{error}");
}

#[test]
fn the_energy_is_the_reference_s_less_the_score_and_grids_add_up() {
    let config = tiny(&["model.reference=gaussian", "model.sigma=0.5"]);
    let (model, data) = (model(&config), data(&config));
    let all =
        Scorer::of(&model, None).unwrap().set(&SetImages { set: &data, device: CPU }, &mut |_| {}).unwrap();
    let first = data.batch(&[0], &[], CPU).unwrap();
    let squares: f32 = first.sqr().unwrap().sum_all().unwrap().to_scalar().unwrap();
    let expected = f64::from(squares) / 0.5 - all[1].score[0];
    assert!((all[1].energy[0] - expected).abs() < 1e-3, "{} is not {expected}", all[1].energy[0]);
    let sum = GridScores::sum(&all);
    assert_eq!(sum.score[7], all[0].score[7] + all[1].score[7]);
    assert_eq!(sum.energy.len(), 40);
    assert_eq!(GridScores::sum(&[]), GridScores::default());
}

#[test]
fn a_score_of_zero_has_the_normaliser_one_and_costs_all_bits() {
    for (sets, uniform) in [
        (&[][..], true),
        (&["model.reference=gaussian"], false),
        (&["model.reference=gaussian", "chains.clamp=false"], false),
    ] {
        let config = tiny(sets);
        let model = flat(model(&config));
        let density = density(&model, 0);
        let annealed = density.log_z(&HOW, Key::new(1), CPU, &mut |_, _| {}).unwrap();
        // Energies of f32 leave a little of the Gaussian reference's own size.
        assert!(annealed.log_z.estimate.abs() < 1e-3, "{:?}", annealed.log_z);
        assert!((annealed.log_z.ess - 14.0).abs() < 1e-3);
        if uniform {
            assert_eq!(annealed.acceptance, Some(1.0), "between mirrors nothing is rejected");
            let values = density
                .log_unnormalized(&SetImages { set: &data(&config), device: CPU }, Key::new(2), &mut |_| {})
                .unwrap();
            let bits = BitsPerDim::of(&values, 0.0, (0.0, 0.0), density.dimension(), 256).unwrap();
            assert!((bits.mean.mean - 8.0).abs() < 1e-12 && bits.images.len() == 40);
        }
    }
}

/// Plain importance sampling from the reference, with many draws on a grid where scores vary little.
fn log_z_by_draws(model: &MultigridModel, base: Base) -> f64 {
    let n = 20_000;
    let like = Tensor::zeros((n, 3, 4, 4), DType::F32, CPU).unwrap();
    let fine = Tensor::zeros((1, 3, 16, 16), DType::F32, CPU).unwrap();
    let draws = base.draw_like(Key::new(5), &like).unwrap();
    let scorer = Scorer::of(model, None).unwrap();
    let scores = &scorer.grids(&[draws, fine]).unwrap()[0].score;
    (scores.iter().map(|f| f.exp()).sum::<f64>() / n as f64).ln()
}

#[test]
fn annealing_finds_the_normaliser_that_many_draws_find() {
    for sets in [&[][..], &["model.reference=gaussian", "model.sigma=0.6"]] {
        let model = model(&tiny(sets));
        let expected = log_z_by_draws(&model, Base::new(model.reference(), model.bounds()).unwrap());
        let how = Annealing { n_chains: 200, level: 0.999, ..HOW };
        let mut heard = (0, 0);
        let annealed =
            density(&model, 0).log_z(&how, Key::new(1), CPU, &mut |done, of| heard = (done, of)).unwrap();
        let (low, high) = annealed.log_z.interval;
        let room = 0.01; // of the draws
        assert!(low - room < expected && expected < high + room, "{:?}, not {expected}", annealed.log_z);
        assert_eq!(heard.0, heard.1);
        let mixing = annealed.mixing.unwrap();
        assert_eq!((mixing.n_chains, mixing.n_steps), (6, 20));
        assert!(
            mixing.ess > Some(1.0) && mixing.r_hat > Some(0.8) && mixing.acceptance > Some(0.1),
            "{mixing:?}"
        );
    }
}

#[test]
fn log_z_is_the_same_on_one_and_two_threads() {
    let model = model(&tiny(&[]));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| density(&model, 1).log_z(&HOW, Key::new(1), CPU, &mut |_, _| {}).unwrap().log_z)
    };
    assert_eq!(on(1), on(2));
}

#[test]
fn what_is_no_density_or_no_annealing_is_refused() {
    let model = model(&tiny(&["data.class=each"]));
    assert!(Scorer::of(&model, None).unwrap_err().to_string().contains("person, smiley"));
    let class = Some("smiley");
    assert!(Density::of(&model, class, 2).unwrap_err().to_string().contains("grid"));
    let density = Density::of(&model, class, 0).unwrap();
    for how in [
        Annealing { n_chains: 1, ..HOW },
        Annealing { n_temperatures: 0, ..HOW },
        Annealing { n_leapfrog: 0, ..HOW },
        Annealing { level: 1.0, ..HOW },
    ] {
        assert!(density.log_z(&how, Key::new(0), CPU, &mut |_, _| {}).is_err(), "{how:?}");
    }
}
