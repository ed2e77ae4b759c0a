//! Model files and checkpoints, as they are and as JSON describes them.

use std::io::{Cursor, Write};

use candle_core::Device;
use mg_baselines::METHODS;
use mg_data::{DataSet, ImageSource, Spec};
use mg_train::config::{Layer, resolve};
use mg_train::run::checkpoint::CheckpointHeader;
use mg_train::{Checkpoint, Learning};
use readers::{Described, settings_of_checkpoints};

use crate::{Input, place};

/// Iterations that are made: one pass over the images, so that every chain is there.
const ITERATIONS: u64 = 2;

/// Methods whose models are of other kinds, as small as their keys allow.
const OTHERS: [(&str, &str); 7] = [
    ("dcgan", "[model]\nlatent = 2\nkernel = 4\ngenerator_width = 1\nwidth = 1\n"),
    ("deep-directed", "[model]\nlatent = 2\nkernel = 4\ngenerator_width = 1\nwidth = 1\nexperts = 2\n"),
    (
        "context-encoder",
        "[model]\nlatent = 2\nkernel = 4\ngenerator_width = 1\nwidth = 1\n[learn]\nhidden_square = 4\n",
    ),
    ("cooperative", "[model]\nlatent = 2\nkernel = 4\ngenerator_width = 1\n[chains]\nsteps = 1\ncount = 2\n"),
    ("vat", "[model]\nwidth = 2\nlayers = 1\n[learn]\nlabels = 4\nlabelled_batch = 2\n"),
    (
        "adgm",
        "[model]\nlatent = 2\nauxiliary = 2\nwidth = 2\nlayers = 1\n[learn]\nlabels = 4\nlabelled_batch = 2\n",
    ),
    (
        "dgn",
        "[model]\nlatent = 2\nfeatures = 2\nwidth = 2\nlayers = 1\n[learn]\nlabels = 4\nlabelled_batch = 2\n",
    ),
];

pub(crate) fn all() -> Vec<Input> {
    let (folder, path) = place("labelled.npz");
    std::fs::write(&path, labelled()).expect("a file");
    let data = DataSet::open(&Spec { side: 8, ..Spec::new(ImageSource::Numpy(path)) }).expect("eight images");
    drop(folder);
    let others =
        OTHERS.iter().map(|(name, keys)| ("model", format!("{name}.json"), other(name, keys, &data)));
    multigrid().into_iter().chain(others).collect()
}

/// The model of a method, as JSON.
fn other(name: &str, keys: &str, data: &DataSet) -> Vec<u8> {
    let layers = [
        Layer::text(name, &format!("method = \"{name}\"\n[data]\nflip = false\n")),
        Layer::assignment("model.side=8"),
        Layer::assignment("learn.batch=2"),
        Layer::text(name, keys),
    ];
    let layers: Vec<Layer> = layers.into_iter().collect::<Result<_, _>>().expect("TOML");
    let config = resolve(METHODS, &layers).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut learning =
        Learning::new(&config, data, &Device::Cpu).unwrap_or_else(|error| panic!("{name}: {error}"));
    learning.step(0, &mut |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
    let artefact = learning.artefact(1).unwrap_or_else(|error| panic!("{name}: {error}"));
    text(&Described::of(json(&artefact.header), &artefact.tensors).expect("tensors"))
}

/// Eight images of two classes.
fn labelled() -> Vec<u8> {
    let pixels: Vec<u8> = (0..8 * 8 * 8 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, array) in [
        ("x.npy", crate::matrices::array("|u1", "(8, 8, 8, 3)", &pixels)),
        ("y.npy", crate::matrices::array("|u1", "(8,)", &[0, 1, 0, 1, 0, 1, 0, 1])),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("a file");
        zip.write_all(&array).expect("bytes");
    }
    zip.finish().expect("an archive").into_inner()
}

fn multigrid() -> Vec<Input> {
    let config = settings_of_checkpoints();
    let (_folder, path) = place("images.npy");
    let pixels: Vec<u8> = (0..4 * 8 * 8).map(|i| (i * 37 % 251) as u8).collect();
    std::fs::write(&path, crate::matrices::array("|u1", "(4, 8, 8)", &pixels)).expect("a file");
    let spec = Spec { side: config.own.side(), ..Spec::new(ImageSource::Numpy(path)) };
    let data = DataSet::open(&spec).expect("four images");
    let mut learning = Learning::new(&config, &data, &Device::Cpu).expect("a run");
    for iteration in 0..ITERATIONS {
        learning.step(iteration, &mut |_| {}).expect("an iteration");
    }
    let state = learning.state().expect("a state");
    let header = CheckpointHeader {
        format: "multigrid-checkpoint".to_owned(),
        version: 1,
        iteration: ITERATIONS,
        config: learning.config().values(),
        data: learning.data().clone(),
        state: state.json.clone(),
        rate_scale: 1.0,
        rollbacks: 0,
        metrics_bytes: 0,
    };
    let described = Described::of(json(&header), &state.tensors).expect("tensors");
    let checkpoint = Checkpoint { header, state }.to_bytes().expect("a checkpoint");
    let artefact = learning.artefact(ITERATIONS).expect("a model");
    let model = Described::of(json(&artefact.header), &artefact.tensors).expect("tensors");
    vec![
        ("checkpoint", "checkpoint.safetensors".into(), checkpoint),
        ("checkpoint", "described.json".into(), text(&described)),
        ("model", "model.safetensors".into(), artefact.to_bytes().expect("a model")),
        ("model", "described.json".into(), text(&model)),
    ]
}

fn json(header: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(header).expect("a header is JSON")
}

fn text(described: &Described) -> Vec<u8> {
    serde_json::to_vec(described).expect("a description is JSON")
}
