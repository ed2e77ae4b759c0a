//! Claims about whole runs, on tiny nets.

use std::fs;
use std::path::Path;

use candle_core::Tensor;
use mg_data::DataSet;
use mg_train::run::{open_model, read_model};
use mg_train::{
    Checkpoint, Config, Error, Event, Learning, METHODS, Observer, Outcome, Report, RunDir, RunRecord,
    Session, Training,
};

use crate::support::{CPU, data, raw, step, tiny};

fn bits(tensors: &std::collections::BTreeMap<String, Tensor>) -> Vec<(String, Vec<u8>)> {
    tensors.iter().map(|(name, t)| (name.clone(), raw(t))).collect()
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
    let config = RunDir::open(path).unwrap().config(METHODS).unwrap();
    let newest = RunDir::open(path).unwrap().checkpoint_path(config.learn.iterations);
    let checkpoint = Checkpoint::load(&newest, CPU).unwrap();
    let model = fs::read(path.join("model.safetensors")).unwrap();
    (fs::read(path.join("metrics.jsonl")).unwrap(), model, bits(&checkpoint.state.tensors))
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
        &["chains.upscale=[\"gaussian\", \"smooth\"]", "data.class=each"],
        &["model.law=flow", "model.activation=silu", "chains.upscale=stationary"],
        &["model.law=[\"flow\", \"density\"]", "model.activation=silu", "model.precision=bf16"],
        &["chains.start=[\"coarser\", \"reduced\"]", "model.activation=[\"relu\", \"silu\"]"],
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
    for (number, set) in
        ["model.precision=f32", "model.precision=bf16", "chains.upscale=gaussian"].iter().enumerate()
    {
        let config = tiny(&[set]);
        let path = |threads: usize| dir.path().join(format!("{number}-{threads}"));
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&path(threads), &config, None));
        }
        assert!(artefacts(&path(1)) == artefacts(&path(2)), "{set}");
    }
}

#[test]
fn learning_moves_observed_scores_above_those_of_noise() {
    // Images against chains that cannot move: the score must learn to tell them apart.
    let config =
        tiny(&["chains.step_size=1e-9", "chains.noise_scale=0", "learn.rate=0.003", "learn.iterations=25"]);
    let data = data(&config);
    let mut learning = Learning::new(&config, &data, CPU).unwrap();
    let gap = |report: &Report| report.values["grid4.gap"] + report.values["grid16.gap"];
    let first = gap(&step(&mut learning, 0));
    let last = (1..25).map(|i| gap(&step(&mut learning, i))).last().unwrap();
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
    let mut learning = Learning::new(&config, &data, CPU).unwrap();
    let params = |learning: &Learning| {
        let mut state = bits(&learning.state().unwrap().tensors);
        state.retain(|(name, _)| name.contains(".param."));
        state
    };
    let before = params(&learning);
    let report = step(&mut learning, 0);
    for name in ["grid4.gap", "grid4.difference", "grid16.gap", "grid16.difference"] {
        assert_eq!(report.values[name], 0.0, "{name}");
    }
    assert!(!before.is_empty() && before == params(&learning));
}

#[test]
fn what_is_known_of_a_coarse_grid_is_the_image_s_own() {
    // With one pixel hidden, all of 4x4 is known, and its energy has nothing to tell chains from images by.
    let config = tiny(&["chains.hidden_square=1"]);
    let mut learning = Learning::new(&config, &data(&config), CPU).unwrap();
    let values = step(&mut learning, 0).values;
    assert_eq!((values["grid4.gap"], values["grid4.difference"]), (0.0, 0.0));
    assert!(values["grid16.difference"] > 0.0);
}

#[test]
fn a_conditional_model_learns_its_classes_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (_, seen) = run(dir.path(), &tiny(&["data.class=each"]), None);
    let classes: Vec<_> = seen.reports.iter().map(|report| report.class.clone().unwrap()).collect();
    assert_eq!(classes[0], classes[2]);
    assert_ne!(classes[0], classes[1]);
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
    for (name, tensor) in &checkpoint.state.tensors {
        let finite = raw(tensor).chunks(4).all(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]).is_finite());
        assert!(finite || tensor.dtype() == candle_core::DType::I64, "{name}");
    }
}

#[test]
fn a_state_is_saved_once_iterations_made_from_it_were_good() {
    struct Log(Vec<String>);
    impl Observer for Log {
        fn iteration_done(&mut self, report: &Report) {
            self.0.push(report.iteration.to_string());
        }

        fn happened(&mut self, event: &Event) {
            if let Event::Saved { iteration } = event {
                self.0.push(format!("saved {iteration}"));
            }
        }
    }
    // Two classes in turn: one iteration of each must follow.
    for (set, expected) in [
        ("data.class=all", "1 2 3 saved 2 4 5 saved 4 6 saved 6"),
        ("data.class=each", "1 2 3 4 saved 2 5 6 saved 4 saved 6"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let config = tiny(&[set]);
        let (data, run_dir) = (data(&config), RunDir::create(dir.path(), &config).unwrap());
        let mut log = Log(vec![]);
        Training::start(run_dir, &config, &data, CPU).unwrap().run(&mut log).unwrap();
        assert_eq!(log.0.join(" "), expected, "{set}");
    }
}

#[test]
fn a_broken_state_is_never_saved_though_the_iteration_before_looked_good() {
    for rate in ["1e10", "1e3", "1e30"] {
        for sets in [&["learn.optimizer=sgd"][..], &["learn.optimizer=adam"], &["model.norm=batch"]] {
            let dir = tempfile::tempdir().unwrap();
            let rate = format!("learn.rate={rate}");
            let guard = ["guard.max_gap=200", "guard.rollbacks=2", "output.checkpoint_every=1", &rate];
            let config = tiny(&[&guard[..], sets].concat());
            let (data, run_dir) = (data(&config), RunDir::create(dir.path(), &config).unwrap());
            let outcome = Training::start(run_dir, &config, &data, CPU).unwrap().run(&mut ());
            let is_told =
                matches!(outcome, Err(Error::Diverged { rollbacks: 2, .. }) | Ok(Outcome::Doubtful));
            assert!(is_told, "{rate} {sets:?}: {outcome:?}");
            let kept = RunDir::open(dir.path()).unwrap().newest_checkpoint(CPU).unwrap().0.unwrap();
            assert_eq!(kept.header.iteration, 0, "{rate} {sets:?}");
        }
    }
}

#[test]
fn a_run_that_has_lost_its_checkpoints_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&[]);
    run(dir.path(), &config, Some(4));
    fs::remove_dir_all(dir.path().join("checkpoints")).unwrap();
    fs::create_dir(dir.path().join("checkpoints")).unwrap();
    let files =
        || ["metrics.jsonl", "model.safetensors"].map(|name| fs::read(dir.path().join(name)).unwrap());
    let before = files();
    let resume = || Training::resume(RunDir::open(dir.path()).unwrap(), &config, &data(&config), CPU);
    assert!(resume().unwrap_err().to_string().contains("no checkpoint is left"));
    assert!(before == files());
    // Killed before it had learned anything, it begins.
    fs::write(dir.path().join("metrics.jsonl"), "").unwrap();
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    assert!(resume().is_ok());
}

#[test]
fn a_checkpoint_that_the_system_cannot_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&[]);
    run(dir.path(), &config, Some(4));
    // A folder is no file for any user, as no file is when there are no more handles.
    fs::create_dir(dir.path().join("checkpoints/00000005.safetensors")).unwrap();
    let metrics = fs::read(dir.path().join("metrics.jsonl")).unwrap();
    let error =
        Training::resume(RunDir::open(dir.path()).unwrap(), &config, &data(&config), CPU).unwrap_err();
    assert!(error.to_string().contains("00000005.safetensors"), "{error}");
    assert_eq!(metrics, fs::read(dir.path().join("metrics.jsonl")).unwrap());
}

#[test]
fn a_damaged_checkpoint_of_a_later_iteration_costs_no_sound_one() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["output.keep_checkpoints=1"]);
    run(dir.path(), &config, Some(2));
    for name in ["00000099", "00000098"] {
        fs::write(dir.path().join(format!("checkpoints/{name}.safetensors")), "damaged").unwrap();
    }
    assert_eq!(run(dir.path(), &config, Some(2)).0, Outcome::Stopped);
    let (newest, faults) = RunDir::open(dir.path()).unwrap().newest_checkpoint(CPU).unwrap();
    assert_eq!((newest.unwrap().header.iteration, faults.len()), (4, 2));
    assert_eq!(run(dir.path(), &config, None).0, Outcome::Finished);
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
    let open = |path: &Path| open_model(METHODS, path, &read_model(path)?, CPU);
    let path = dir.path().join("model.safetensors");
    let checkpoint = RunDir::open(dir.path()).unwrap().checkpoint_path(1);
    assert!(open(&checkpoint).unwrap_err().to_string().contains("not a usable model"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("not a usable model"));
    fs::remove_file(&path).unwrap();
    assert!(open(&path).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn what_cannot_be_read_of_a_run_is_left_out_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&[]);
    run(dir.path(), &config, Some(2));
    let session = |start| Session { version: "1".into(), start, ..Session::default() };
    session(7).begin(dir.path()).unwrap();
    fs::write(dir.path().join("times.jsonl"), "{\"iteration\":1,\"seconds\":0.5}\n{\"iterati").unwrap();
    let metrics = fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    let event = r#"{"event":"rolled back","from":2,"to":1,"reason":"","rate_scale":0.5}"#;
    fs::write(dir.path().join("metrics.jsonl"), format!("{event}\n\u{1}\n{metrics}")).unwrap();
    let sessions = fs::read_to_string(dir.path().join("sessions.jsonl")).unwrap();
    fs::write(dir.path().join("sessions.jsonl"), format!("half a li\n{sessions}")).unwrap();

    session(8).begin(dir.path()).unwrap();
    session(7).finish(dir.path(), 9).unwrap(); // no longer the last one
    session(8).finish(dir.path(), 10).unwrap();
    let read = RunRecord::read(METHODS, dir.path()).unwrap();
    let ends: Vec<_> = read.sessions.iter().map(|session| (session.start, session.end)).collect();
    assert_eq!(ends, [(7, None), (8, Some(10))]);
    assert_eq!((read.reports.len(), read.rollbacks, read.total_seconds()), (2, 1, Some(0.5)));
    let name = |line: &str| format!("{}{line}", dir.path().display());
    assert_eq!(
        read.unreadable,
        [name("/metrics.jsonl, line 2"), name("/times.jsonl, line 2"), name("/sessions.jsonl, line 1")]
    );
    let kept = fs::read_to_string(dir.path().join("sessions.jsonl")).unwrap();
    assert!(kept.starts_with("half a li\n"), "a line that cannot be read is not lost: {kept}");
}
