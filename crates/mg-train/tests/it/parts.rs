//! Claims about the images that a run learns and those that it holds out.

use std::collections::BTreeSet;

use mg_data::DataSet;
use mg_train::{Config, Learning, RunDir, Selection, Training, open_data};

use crate::support::{CPU, load, step, tiny};

fn to_learn(config: &Config, whole: &DataSet) -> mg_train::Result<DataSet> {
    Selection::of_config(config).to_learn(whole)
}

fn held_out(config: &Config, whole: &DataSet) -> mg_train::Result<DataSet> {
    Selection::of_config(config).held_out(whole)
}

fn images(set: &DataSet) -> BTreeSet<Vec<u8>> {
    (0..set.len()).map(|i| set.image(i).unwrap().to_vec()).collect()
}

#[test]
fn learned_and_held_out_images_are_disjoint_and_the_seed_s_choice() {
    let config = tiny(&["data.limit=200", "data.hold_out=50"]);
    let whole = open_data(&config, None).unwrap();
    let (learned, held) = (to_learn(&config, &whole).unwrap(), held_out(&config, &whole).unwrap());
    assert_eq!((learned.len(), held.len()), (200, 50));
    assert!(images(&learned).is_disjoint(&images(&held)));
    let again = tiny(&["data.limit=200", "data.hold_out=50", "learn.batch=2", "chains.steps=1"]);
    assert_eq!(to_learn(&again, &whole).unwrap().content_hash(), learned.content_hash());
    assert_eq!(held_out(&again, &whole).unwrap().content_hash(), held.content_hash());
    let other = tiny(&["data.limit=200", "data.hold_out=50", "seed=4"]);
    assert_ne!(to_learn(&other, &whole).unwrap().content_hash(), learned.content_hash());
    let all_but = tiny(&["data.hold_out=88"]);
    let (rest, held) = (to_learn(&all_but, &whole).unwrap(), held_out(&all_but, &whole).unwrap());
    assert_eq!((rest.len(), held.len()), (800, 88));
    assert!(images(&rest).is_disjoint(&images(&held)));
}

#[test]
fn without_a_limit_the_images_are_the_set() {
    let config = tiny(&[]);
    let whole = open_data(&config, None).unwrap();
    assert_eq!(to_learn(&config, &whole).unwrap().content_hash(), whole.content_hash());
    assert!(held_out(&config, &whole).unwrap_err().to_string().contains("data.hold_out is 0"));
}

#[test]
fn more_images_than_there_are_is_an_error_with_the_numbers() {
    for (sets, words) in [
        (&["data.limit=889"][..], ["data.limit is 889", "888"]),
        (&["data.limit=800", "data.hold_out=89"], ["data.limit is 800", "799"]),
        (&["data.hold_out=888"], ["data.hold_out is 888", "887"]),
    ] {
        let config = tiny(sets);
        let error = to_learn(&config, &open_data(&config, None).unwrap()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn a_run_learns_its_part_and_goes_on_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(&["data.limit=30", "data.hold_out=10", "learn.iterations=1"]);
    let whole = open_data(&config, None).unwrap();
    let part = to_learn(&config, &whole).unwrap();
    let run_dir = RunDir::create(dir.path(), &config).unwrap();
    let mut training = Training::start(run_dir, &config, &whole, CPU).unwrap();
    training.run(&mut ()).unwrap();
    let mut learning = Learning::new(&config, &part, CPU).unwrap();
    let gap = step(&mut learning, 0).values["grid4.gap"];
    assert_eq!(gap, first_gap(&training), "the run learned other images");
    drop(training);
    let data = load(&dir.path().join("model.safetensors")).unwrap().header.data;
    assert_eq!((data.images, data.sha256.as_str()), (30, part.content_hash()));
    Training::resume(RunDir::open(dir.path()).unwrap(), &config, &whole, CPU).unwrap();
}

/// The gap of the coarsest grid in the only line of a run's metrics.
fn first_gap(training: &Training) -> f64 {
    let line = std::fs::read_to_string(training.run_dir().metrics_path()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&line).unwrap();
    report["grid4.gap"].as_f64().unwrap()
}
