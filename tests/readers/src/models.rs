use mg_baselines::METHODS;
use mg_data::{DataSet, ImageSource, Spec};
use mg_model::open;
use mg_train::config::{Layer, resolve};
use mg_train::{Checkpoint, Config, Learning, kinds};

use candle_core::Device;

use crate::described::Described;
use crate::scratch::Scratch;
use crate::watch::watched;

/// A model file, or the [`Described`] one. A model that opens can be written, and what is written opens.
pub fn model(bytes: &[u8]) {
    both(bytes, opened);
}

/// Reads a file, and the [`Described`] one if there is one.
fn both(bytes: &[u8], read: impl Fn(&[u8])) {
    watched(|| {
        read(bytes);
        if let Some(file) = Described::file_of(bytes) {
            read(&file);
        }
    });
}

fn opened(bytes: &[u8]) {
    let kinds = kinds(METHODS);
    let Ok(model) = open(&kinds, bytes, &Device::Cpu) else { return };
    let again = model.artefact().and_then(|artefact| artefact.to_bytes());
    let again = again.and_then(|bytes| open(&kinds, &bytes, &Device::Cpu));
    match again {
        Ok(again) => assert_eq!(again.header(), model.header()),
        Err(error) => panic!("a model that opens cannot be written and opened: {error}"),
    }
}

/// A checkpoint, or the [`Described`] one; a small run then takes over its state, and makes an iteration if it could.
pub fn checkpoint(bytes: &[u8]) {
    both(bytes, resumed);
}

fn resumed(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes, &Device::Cpu) else { return };
    let _ = Config::of_values(METHODS, &checkpoint.header.config);
    RUN.with(|(config, data)| {
        let mut learning = Learning::new(config, data, &Device::Cpu).expect("a run begins");
        if learning.restore(&checkpoint.state).is_ok() {
            let _ = learning.step(checkpoint.header.iteration, &mut |_| {});
            let _ = learning.state();
        }
    });
}

thread_local! {
    /// The run that checkpoints are read into.
    static RUN: (Config, DataSet) = {
        let config = settings_of_checkpoints();
        let images = b"\x93NUMPY\x01\x00\x46\x00{'descr': '|u1', 'fortran_order': False, 'shape': (4, 8, 8), }";
        let mut array = images.to_vec();
        array.resize(10 + 0x46, b' ');
        array.extend((0..4 * 8 * 8).map(|i| (i * 37 % 251) as u8));
        let folder = Scratch::new();
        let source = ImageSource::Numpy(folder.file("images.npy", &array));
        let spec = Spec { side: config.own.side(), ..Spec::new(source) };
        (config, DataSet::open(&spec).expect("four images"))
    };
}

/// The configuration of the run that checkpoints are read into: two small grids, one with persistent chains.
///
/// # Panics
/// When one of its keys is no key any more.
pub fn settings_of_checkpoints() -> Config {
    let text = "[model]\ngrids = [1, 2, 4]\nnets = [[[4, 3, 1]], [[4, 3, 2]]]\nprecision = \"f32\"\n\
                [chains]\nstart = [\"coarser\", \"persistent\"]\nsteps = 1\n[learn]\nbatch = 2\niterations = 2\n";
    let layer = Layer::text("the run that checkpoints are read into", text);
    layer.and_then(|layer| resolve(METHODS, &[layer])).expect("valid keys")
}
