//! Claims about whole runs, on tiny nets.

use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_random::Key;
use mg_train::checkpoint::Checkpoint;
use mg_train::config::{Config, Source, resolve};
use mg_train::{
    Contrastive, Error, Event, FeatureNets, Model, Observer, Outcome, Report, RunDir, Synthesis, Training,
};

const CPU: &Device = &Device::Cpu;

/// A configuration that learns 16x16 images in a fraction of a second.
const TINY: &str = "
seed = 3
[model]
grids = [1, 4, 16]
width = 0.08
[chains]
steps = 3
[learn]
batch = 6
iterations = 6
[guard]
max_gap = 1e9
max_deviation_ratio = 100.0
max_saturation = 2.0
[output]
checkpoint_every = 2
sheet_every = 3
sheet_images = 4
";

fn tiny(sets: &[&str]) -> Config {
    let mut sources = vec![Source::text("tiny", TINY).unwrap()];
    sources.extend(sets.iter().map(|set| Source::assignment(set).unwrap()));
    resolve(&sources).unwrap()
}

fn data(config: &Config) -> DataSet {
    let numbers: Vec<u64> = (0..40).map(|i| i * 20).collect();
    mg_train::open_data(config, None).unwrap().subset(&numbers).unwrap()
}

fn bits(tensors: &std::collections::BTreeMap<String, Tensor>) -> Vec<(String, Vec<u8>)> {
    tensors.iter().map(|(name, t)| (name.clone(), raw(t))).collect()
}

fn raw(tensor: &Tensor) -> Vec<u8> {
    match tensor.dtype() {
        candle_core::DType::I64 => {
            let values = tensor.flatten_all().unwrap().to_vec1::<i64>().unwrap();
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        }
        _ => {
            let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        }
    }
}

/// Stops after so many iterations and remembers what happened.
#[derive(Default)]
struct StopAfter {
    left: Option<u64>,
    reports: Vec<Report>,
    events: Vec<Event>,
}

impl Observer for StopAfter {
    fn iteration_done(&mut self, report: &Report) {
        self.reports.push(report.clone());
        self.left = self.left.map(|left| left - 1);
    }

    fn happened(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn wants_stop(&mut self) -> bool {
        self.left == Some(0)
    }
}

fn run(path: &Path, config: &Config, left: Option<u64>) -> (Outcome, StopAfter) {
    let mut observer = StopAfter { left, ..StopAfter::default() };
    let data = data(config);
    let mut training = match path.join("config.toml").exists() {
        true => Training::resume(RunDir::open(path).unwrap(), config, &data, CPU).unwrap(),
        false => Training::start(RunDir::create(path, config).unwrap(), config, &data, CPU).unwrap(),
    };
    (training.run(&mut observer).unwrap(), observer)
}

/// The metrics, the model and every tensor of the last checkpoint.
type Artefacts = (Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>);

/// What a finished run leaves, but for its sheets.
fn artefacts(path: &Path) -> Artefacts {
    let config = RunDir::open(path).unwrap().config().unwrap();
    let newest = RunDir::open(path).unwrap().checkpoint_path(config.learn.iterations);
    let checkpoint = Checkpoint::load(&newest, CPU).unwrap();
    let model = fs::read(path.join("model.safetensors")).unwrap();
    (fs::read(path.join("metrics.jsonl")).unwrap(), model, bits(&checkpoint.tensors))
}

#[test]
fn resume_is_bitwise_exact_for_every_method_and_optimizer() {
    let dir = tempfile::tempdir().unwrap();
    for (number, sets) in [
        &[][..],
        &["learn.optimizer=sgd", "learn.ema=0", "model.norm=batch", "learn.gradient=release-a"],
        &["model.norm=frozen", "data.noise=0.05", "learn.energy_regularization=0.01"],
        &["model.norm=observed", "learn.decay=log", "learn.decay_passes=4.0", "learn.decay_every=1.0"],
        &["chains.start=persistent", "model.grids=[1, 16]"],
        &["chains.start=data", "chains.steps=1", "model.grids=[1, 16]", "data.class=each"],
        &["chains.hidden_square=8", "model.norm=group", "model.activation=silu"],
        &["model.grids=[1, 4, 6, 9]", "model.reference=gaussian", "chains.steps=[1, 2, 3]"],
        &["chains.sampler=mala", "chains.step_size=0.001", "model.initial=pooled"],
        &["model.precision=bf16", "model.norm=batch"],
    ]
    .into_iter()
    .enumerate()
    {
        let config = tiny(sets);
        let (whole, parts) =
            (dir.path().join(format!("whole{number}")), dir.path().join(format!("parts{number}")));
        assert_eq!(run(&whole, &config, None).0, Outcome::Finished);
        assert_eq!(run(&parts, &config, Some(1)).0, Outcome::Stopped);
        assert_eq!(run(&parts, &config, Some(2)).0, Outcome::Stopped);
        assert_eq!(run(&parts, &config, None).0, Outcome::Finished);
        assert!(artefacts(&whole) == artefacts(&parts), "{sets:?}");
    }
}

#[test]
fn a_run_is_the_same_on_one_and_two_threads() {
    let dir = tempfile::tempdir().unwrap();
    for precision in ["f32", "bf16"] {
        let config = tiny(&[&format!("model.precision={precision}")]);
        let path = |threads: usize| dir.path().join(format!("{precision}-{threads}"));
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&path(threads), &config, None));
        }
        assert!(artefacts(&path(1)) == artefacts(&path(2)), "{precision}");
    }
}

#[test]
fn learning_moves_observed_scores_above_those_of_noise() {
    // Images against chains that cannot move: the score must learn to tell them apart.
    let config =
        tiny(&["chains.step_size=1e-9", "chains.noise_scale=0", "learn.rate=0.003", "learn.iterations=25"]);
    let data = data(&config);
    let mut learner = Contrastive::new(&config, &data, CPU).unwrap();
    let gap = |report: &Report| report.grids.iter().map(|grid| grid.gap).sum::<f64>();
    let first = gap(&learner.step(0, &mut |_| {}).unwrap());
    let last = (1..25).map(|i| gap(&learner.step(i, &mut |_| {}).unwrap())).last().unwrap();
    assert!(last < first - 0.5, "gap {first} at first, {last} at last");
}

#[test]
fn zero_steps_of_contrastive_divergence_have_zero_gradient() {
    let config = tiny(&[
        "chains.start=data",
        "chains.steps=0",
        "learn.optimizer=sgd",
        "learn.momentum=0",
        "learn.ema=0",
    ]);
    let data = data(&config);
    let mut learner = Contrastive::new(&config, &data, CPU).unwrap();
    let params = |learner: &Contrastive| {
        let mut state = bits(&learner.state().unwrap());
        state.retain(|(name, _)| name.contains(".param."));
        state
    };
    let before = params(&learner);
    let report = learner.step(0, &mut |_| {}).unwrap();
    assert!(report.grids.iter().all(|grid| grid.gap == 0.0 && grid.difference == 0.0));
    assert!(!before.is_empty() && before == params(&learner));
}

#[test]
fn single_grid_is_multi_grid_with_two_grids() {
    // The 16x16 grid straight above 1x1, in either writing.
    let state = |sets: &[&str]| {
        let config = tiny(sets);
        let mut learner = Contrastive::new(&config, &data(&config), CPU).unwrap();
        (0..3).for_each(|i| drop(learner.step(i, &mut |_| {}).unwrap()));
        bits(&learner.state().unwrap())
    };
    let preset = Source::preset("single-grid").unwrap();
    let named = resolve(&[Source::text("tiny", TINY).unwrap(), preset]).unwrap();
    assert_eq!((named.model.grids.as_slice(), named.chains.steps.at(0)), (&[1, 64][..], 90));
    assert!(state(&["model.grids=[1, 16]"]) == state(&["model.grids=[1, 16]", "chains.start=[\"coarser\"]"]));
    assert!(state(&["model.grids=[1, 16]"]) != state(&["model.grids=[1, 16]", "chains.start=data"]));
}

#[test]
fn conditional_models_take_turns_and_sample_their_own_class() {
    let dir = tempfile::tempdir().unwrap();
    let (_, seen) = run(dir.path(), &tiny(&["data.class=each"]), None);
    let classes: Vec<_> = seen.reports.iter().map(|report| report.class.clone().unwrap()).collect();
    assert_eq!(classes[0], classes[2]);
    assert_ne!(classes[0], classes[1]);
    let model = Model::load(dir.path(), CPU).unwrap();
    let sample = |class: Option<&str>, n| {
        let how = Synthesis { class: class.map(str::to_string), ..Synthesis::default() };
        model.sample(n, &how, Key::new(1), CPU, &mut mg_langevin::unobserved, &mut |_| {})
    };
    let both = sample(None, 5).unwrap().pop().unwrap();
    let second = sample(Some(&model.header.classes[1]), 2).unwrap().pop().unwrap();
    assert_eq!(both.dims(), [5, 3, 16, 16]);
    for i in 0..2 {
        assert!(raw(&both.get(2 * i + 1).unwrap()) == raw(&second.get(i).unwrap()));
    }
    assert!(sample(Some("no such class"), 1).is_err());
}

#[test]
fn samples_do_not_depend_on_how_many_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &tiny(&[]), None);
    let model = Model::load(dir.path(), CPU).unwrap();
    let sample = |n| {
        let how = Synthesis::default();
        model
            .sample(n, &how, Key::new(1), CPU, &mut mg_langevin::unobserved, &mut |_| {})
            .unwrap()
            .pop()
            .unwrap()
    };
    let (few, many) = (sample(4), sample(15));
    assert!(raw(&few) == raw(&many.narrow(0, 0, 4).unwrap()));
}

#[test]
fn chunks_are_the_images_that_are_drawn_at_once() {
    for sets in [&[][..], &["data.class=each"], &["model.norm=batch"]] {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &tiny(sets), None);
        let model = Model::load(dir.path(), CPU).unwrap();
        let (how, key) = (Synthesis::default(), Key::new(1));
        let observer = &mut mg_langevin::unobserved;
        let n = 2 * model.chunk_len(&how).unwrap() + 3;
        let all = model.sample(n, &how, key, CPU, observer, &mut |_| {}).unwrap();
        let mut parts = vec![];
        for chunk in 0..3 {
            parts.push(model.sample_chunk(chunk, n, &how, key, CPU, observer).unwrap().pop().unwrap());
        }
        let parts = Tensor::cat(&parts, 0).unwrap();
        assert_eq!(raw(&parts), raw(all.last().unwrap()), "{sets:?}");
        assert!(model.sample_chunk(3, n, &how, key, CPU, observer).is_err());
    }
}

#[test]
fn recovery_leaves_observed_pixels_alone_and_an_empty_mask_returns_the_input() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["chains.hidden_square=8"]);
    run(dir.path(), &config, None);
    let model = Model::load(dir.path(), CPU).unwrap();
    let images = data(&config).batch(&[0, 1, 2, 3, 4, 5, 6], &[], CPU).unwrap();
    let recover = |mask: mg_pyramid::Mask| {
        model.recover(&images, &vec![mask; 7], &Synthesis::default(), Key::new(0), &mut |_| {}).unwrap()
    };
    assert!(raw(&recover(mg_pyramid::Mask::none(16).unwrap())) == raw(&images));
    let mask = mg_pyramid::Mask::square(16, 8, 4, 4).unwrap();
    let (before, after) = (raw(&images), raw(&recover(mask.clone())));
    for (i, (a, b)) in before.chunks(4).zip(after.chunks(4)).enumerate() {
        assert!(mask.hidden()[i % 256] || a == b, "observed value {i} moved");
    }
    assert!(before != after);
}

#[test]
fn a_diverging_run_rolls_back_with_a_lower_rate_and_gives_up_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["guard.max_gap=1e-9", "guard.patience=1", "guard.rollbacks=2"]);
    let data = data(&config);
    let mut observer = StopAfter::default();
    let mut training =
        Training::start(RunDir::create(dir.path(), &config).unwrap(), &config, &data, CPU).unwrap();
    let error = training.run(&mut observer).unwrap_err();
    assert!(matches!(error, Error::Diverged { rollbacks: 2, .. }), "{error}");
    let rates: Vec<f64> = observer
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RolledBack { rate_scale, to: 0, .. } => Some(*rate_scale),
            _ => None,
        })
        .collect();
    assert_eq!(rates, [0.5, 0.25]);
    drop(training);
    let run_dir = RunDir::open(dir.path()).unwrap();
    let checkpoint = run_dir.newest_checkpoint(CPU).unwrap().0.unwrap();
    assert_eq!((checkpoint.header.iteration, checkpoint.header.rollbacks), (0, 2));
    let metrics = fs::read_to_string(run_dir.metrics_path()).unwrap();
    assert_eq!(metrics.matches("rolled back").count(), 2);
}

#[test]
fn numbers_that_are_not_finite_never_reach_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["learn.optimizer=sgd", "learn.rate=1e30", "guard.rollbacks=1", "chains.clamp=false"]);
    let data = data(&config);
    let mut training =
        Training::start(RunDir::create(dir.path(), &config).unwrap(), &config, &data, CPU).unwrap();
    assert!(matches!(training.run(&mut ()), Err(Error::Diverged { .. })));
    let tensors = RunDir::open(dir.path()).err().map(|_| ());
    assert!(tensors.is_some(), "the directory is still locked by the run");
    drop(training);
    let checkpoint = RunDir::open(dir.path()).unwrap().newest_checkpoint(CPU).unwrap().0.unwrap();
    for (name, tensor) in &checkpoint.tensors {
        let finite = raw(tensor).chunks(4).all(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]).is_finite());
        assert!(finite || tensor.dtype() == candle_core::DType::I64, "{name}");
    }
}

#[test]
fn a_damaged_newest_checkpoint_is_named_and_an_older_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&[]);
    run(dir.path(), &config, None);
    let whole = artefacts(dir.path());
    let newest = RunDir::open(dir.path()).unwrap().checkpoint_path(6);
    let bytes = fs::read(&newest).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &b"not a checkpoint"[..], &[]] {
        fs::write(&newest, damaged).unwrap();
        let (outcome, seen) = run(dir.path(), &config, None);
        assert_eq!(outcome, Outcome::Finished);
        assert!(matches!(&seen.events[0], Event::BadCheckpoint { reason } if reason.contains("00000006")));
        assert!(whole == artefacts(dir.path()));
    }
}

#[test]
fn what_does_not_belong_to_a_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&[]);
    run(dir.path(), &config, Some(2));
    let resume = |config: &Config, data: &DataSet| {
        Training::resume(RunDir::open(dir.path()).unwrap(), config, data, CPU).unwrap_err().to_string()
    };
    let wider = tiny(&["model.width=0.2"]);
    assert!(resume(&wider, &data(&wider)).contains("another model.width"));
    let others = data(&config).subset(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    assert!(resume(&config, &others).contains("other images"));
    assert!(RunDir::create(dir.path(), &config).unwrap_err().to_string().contains("--resume"));
    let one = RunDir::open(dir.path()).unwrap();
    assert!(RunDir::open(dir.path()).unwrap_err().to_string().contains("another process"));
    drop(one);
    assert!(RunDir::open(&dir.path().join("nothing")).is_err());
    let more = tiny(&["learn.iterations=8", "output.sheet_every=1"]);
    assert_eq!(run(dir.path(), &more, None).0, Outcome::Finished);
}

#[test]
fn a_model_file_is_checked_before_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &tiny(&[]), Some(1));
    let path = dir.path().join("model.safetensors");
    let checkpoint = RunDir::open(dir.path()).unwrap().checkpoint_path(1);
    assert!(Model::load(&checkpoint, CPU).unwrap_err().to_string().contains("not a usable model"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(Model::load(dir.path(), CPU).unwrap_err().to_string().contains("not a usable model"));
    fs::remove_file(&path).unwrap();
    assert!(Model::load(dir.path(), CPU).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn features_are_the_pooled_maps_of_every_layer_and_an_image_s_own() {
    for sets in [&["model.norm=batch"][..], &["model.norm=none", "model.nets=dcgan-finest"]] {
        let dir = tempfile::tempdir().unwrap();
        let config = tiny(sets);
        run(dir.path(), &config, Some(2));
        let (model, data) = (Model::load(dir.path(), CPU).unwrap(), data(&config));
        let nets = FeatureNets::of(&model, &[4, 16], None).unwrap();
        let finest = FeatureNets::of(&model, &[], None).unwrap();
        let mut done = 0;
        let all = nets.of_set(&data, CPU, &mut |now| done = now).unwrap();
        assert_eq!((all.dims(), done), (&[40, nets.width()][..], 40));
        let values = all.to_vec2::<f32>().unwrap();
        // One by one, although nets with batch statistics couple a batch while they learn.
        for i in [0, 7, 39] {
            let image = data.batch(&[i], &[], CPU).unwrap();
            assert_eq!(nets.of_images(&image).unwrap().to_vec2::<f32>().unwrap()[0], values[i as usize]);
            let features = finest.of_images(&image).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(features[0], values[i as usize][nets.width() - finest.width()..]);
            // The first layer of the finest grid has side 8: windows of 2.
            let grid = model.classes[0].grids.last().unwrap();
            let maps = grid.net(true).unwrap().features(&image, 0).unwrap();
            let pooled = maps.max_pool2d(2).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(features[0][..pooled.len()], pooled);
        }
    }
}

#[test]
fn dcgan_s_discriminator_has_the_features_of_table_2() {
    let config = tiny(&["model.grids=[1, 64]", "model.nets=dcgan-finest", "model.width=1.0"]);
    let channels: usize = config.net_spec(0).unwrap().layers.iter().map(|layer| layer.channels).sum();
    assert_eq!(channels * mg_train::FEATURE_SIDE * mg_train::FEATURE_SIDE, 15_360);
}

#[test]
fn features_of_what_is_not_there_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["data.class=each"]);
    run(dir.path(), &config, Some(1));
    let model = Model::load(dir.path(), CPU).unwrap();
    let error = |grids: &[usize], class| FeatureNets::of(&model, grids, class).unwrap_err().to_string();
    assert!(error(&[], None).contains("conditional"));
    assert!(error(&[], Some("nobody")).contains("nobody"));
    assert!(
        error(&[8], Some("smiley")).contains("no grid 8") && error(&[8], Some("smiley")).contains("4, 16")
    );
    let nets = FeatureNets::of(&model, &[4], Some("smiley")).unwrap();
    let image =
        mg_train::open_data(&tiny(&["model.grids=[1, 8]"]), None).unwrap().batch(&[0], &[], CPU).unwrap();
    let error = nets.of_images(&image).unwrap_err().to_string();
    assert!(error.contains("side 8") && error.contains("side 16"), "{error}");
}
