//! Claims about Algorithm 1: what its configurations share, and what several learners of one batch do.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use candle_core::Tensor;
use mg_energy::{ConvNet, EnergyNet, Optimizer, Params, Reference};
use mg_langevin::{Clamped, Langevin, run, unobserved};
use mg_model::multigrid::Settings;
use mg_pyramid::{Upscale, down};
use mg_random::Key;
use mg_train::multigrid::MultigridConfig;
use mg_train::{Batches, Collective, Config, Learning, Report, Result, State, classes, sum_in_order};

use crate::support::{CPU, data, raw, step, tiny};

/// The single-grid method written without a word of the learner: no pyramid, no levels, no climb. Returns the parameters
/// after some iterations.
fn single_grid_by_hand(config: &Config, iterations: u64) -> Params {
    let own = MultigridConfig::of(&config.values()).unwrap();
    let Settings { chains, .. } = &own.settings;
    let key = Key::new(config.seed);
    let spec = own.settings.net_spec_on(0, CPU).unwrap();
    let init = key.named("all").named("params").named("16");
    let mut params = Params::init(&spec, init, candle_core::DType::F32, CPU).unwrap();
    let mut optimizer = Optimizer::new(own.learn.rule());
    let mut batches = Batches::new(config, classes(config, &data(config)).unwrap(), CPU, (0, 1)).unwrap();
    let langevin = Langevin { step_size: chains.step_size.at(0), noise_scale: chains.noise_scale.at(0) };
    let kernel = Clamped { inner: langevin, min: -1.0, max: 1.0 };
    for t in 0..iterations {
        let observed = batches.at(t).unwrap().0.images; // [n, 3, 16, 16]
        let start = Upscale::Blocks.apply(&down(&observed, 1).unwrap(), 16).unwrap();
        let energy = EnergyNet::new(ConvNet::new(&spec, &params).unwrap(), Reference::Uniform);
        let steps = key.fold(t).named("chains").fold(0);
        let chains = run(&kernel, &energy, &start, chains.steps.at(0), steps, &mut unobserved).unwrap().x;
        let share = 1.0 / observed.dim(0).unwrap() as f64;
        let lose = energy.net.score_and_param_grads(&chains, &|_, _| share).unwrap().grads;
        let gain = energy.net.score_and_param_grads(&observed, &|_, _| -share).unwrap().grads;
        let gradient = lose.zip(&gain, |_, a, b| a + b).unwrap();
        params = optimizer.update(&params, &gradient, own.learn.rate.at(0)).unwrap();
    }
    params
}

#[test]
fn single_grid_is_multi_grid_with_two_grids() {
    for precision in ["f32", "bf16"] {
        let precision = format!("model.precision={precision}");
        let config = tiny(&["model.grids=[1, 16]", "chains.upscale=blocks", &precision]);
        let config = config.pinned(CPU).unwrap();
        let by_hand = single_grid_by_hand(&config, 3);
        let mut learning = Learning::new(&config, &data(&config), CPU).unwrap();
        (0..3).for_each(|t| drop(step(&mut learning, t)));
        let learned = learning.state().unwrap().tensors;
        for (name, tensor) in by_hand.iter() {
            let theirs = &learned[&format!("class0.grid16.param.{name}")];
            assert_eq!(raw(tensor), raw(theirs), "{name}, {precision}");
        }
    }
}

/// Learners in the threads of one process: everybody sends everything to everybody.
struct Threads {
    rank: usize,
    to: Vec<Sender<Vec<Vec<Tensor>>>>,
    from: Vec<Receiver<Vec<Vec<Tensor>>>>,
}

impl Threads {
    fn all(size: usize) -> Vec<Self> {
        let mut all: Vec<_> = (0..size).map(|rank| Threads { rank, to: vec![], from: vec![] }).collect();
        for sender in 0..size {
            for receiver in 0..size {
                let (to, from) = channel();
                all[sender].to.push(to);
                all[receiver].from.push(from);
            }
        }
        all
    }

    /// What every learner has, in the order of ranks.
    fn exchange(&self, mine: Vec<Vec<Tensor>>) -> Vec<Vec<Vec<Tensor>>> {
        self.to.iter().for_each(|to| to.send(mine.clone()).unwrap());
        self.from.iter().map(|from| from.recv().unwrap()).collect()
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn sum(&self, lists: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        sum_in_order(self.exchange(lists).concat())
    }

    fn gather(&self, rows: &Tensor) -> Result<Tensor> {
        let all: Vec<Tensor> = self.exchange(vec![vec![rows.clone()]]).concat().concat();
        Ok(Tensor::cat(&all, 0)?)
    }

    fn broadcast(&self, state: &mut State) -> Result<()> {
        let (names, tensors): (Vec<_>, Vec<_>) = state.tensors.clone().into_iter().unzip();
        let first = self.exchange(vec![tensors]).remove(0).remove(0);
        state.tensors = names.into_iter().zip(first).collect();
        Ok(())
    }
}

/// What each of `size` learners has after three iterations.
fn learn_together(config: &Config, size: usize) -> Vec<(Vec<Report>, State)> {
    let learners = Threads::all(size).into_iter().map(|peers| {
        let config = config.clone();
        thread::spawn(move || {
            let mut learning = Learning::among(&config, &data(&config), CPU, Box::new(peers)).unwrap();
            let reports = (0..3).map(|t| step(&mut learning, t)).collect();
            (reports, learning.state().unwrap())
        })
    });
    let learners: Vec<_> = learners.collect();
    learners.into_iter().map(|learner| learner.join().unwrap()).collect()
}

#[test]
fn parts_of_a_batch_learn_what_the_whole_batch_does() {
    for (sets, sizes) in [
        (&["learn.batch=8"][..], &[2, 3, 8][..]),
        (&["learn.batch=12", "model.precision=bf16", "data.noise=0.05"], &[2]),
        (&["chains.upscale=gaussian", "chains.start_noise=0.1", "learn.energy_regularization=0.01"], &[2, 6]),
        (&["chains.start=persistent", "model.grids=[1, 16]", "learn.batch=30", "data.limit=40"], &[2]),
        (&["chains.hidden_square=8", "model.norm=group"], &[2]),
        (&["model.norm=observed", "chains.sampler=mala", "chains.step_size=0.001"], &[2]),
        (&["data.class=each", "model.norm=frozen", "chains.steps=1"], &[2]),
    ] {
        let config = tiny(sets);
        let (reports, state) = learn_together(&config, 1).remove(0);
        for &size in sizes {
            for (rank, (theirs, their_state)) in learn_together(&config, size).into_iter().enumerate() {
                let name = format!("{sets:?}: rank {rank} of {size}");
                assert_eq!(state.json, their_state.json, "{name}");
                for (tensor, ours) in &state.tensors {
                    assert_eq!(raw(ours), raw(&their_state.tensors[tensor]), "{name}: {tensor}");
                }
                for (ours, theirs) in reports.iter().zip(&theirs) {
                    for (value, ours) in &ours.values {
                        let theirs = theirs.values[value];
                        let is_mean_of_means = value.contains("energy")
                            || value.contains("gradient_norm")
                            || value.contains("acceptance");
                        let same = theirs == *ours;
                        let close = (theirs - ours).abs() <= 1e-6 * ours.abs().max(1e-3);
                        assert!(same || (is_mean_of_means && close), "{name}: {value} {ours} {theirs}");
                    }
                }
            }
        }
    }
}

#[test]
fn learners_without_a_part_of_the_batch_are_refused() {
    let config = tiny(&["learn.batch=8"]);
    let peers = Threads::all(9).remove(4);
    let refused = Learning::among(&config, &data(&config), CPU, Box::new(peers)).err().unwrap().to_string();
    assert!(
        refused.contains("learner 4") && refused.contains("of 9") && refused.contains("at most 8"),
        "{refused}"
    );
}

#[test]
fn nets_that_couple_images_are_not_cut_into_parts() {
    let config = tiny(&["model.norm=batch"]);
    let together = Threads::all(2).into_iter().map(|peers| {
        let config = config.clone();
        thread::spawn(move || {
            let mut learning = Learning::among(&config, &data(&config), CPU, Box::new(peers)).unwrap();
            learning.step(0, &mut |_| {}).unwrap_err().to_string()
        })
    });
    for error in together.collect::<Vec<_>>() {
        let error = error.join().unwrap();
        assert!(error.contains("batch"), "{error}");
    }
}
