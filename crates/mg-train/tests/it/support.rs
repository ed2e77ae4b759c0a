use candle_core::{DType, Device, Tensor};
use mg_data::DataSet;
use mg_train::config::{Config, Source, resolve};
use mg_train::{Contrastive, DataId, Model};

pub(crate) const CPU: &Device = &Device::Cpu;

/// A configuration that learns 16x16 images in a fraction of a second.
pub(crate) const TINY: &str = "
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

pub(crate) fn tiny(sets: &[&str]) -> Config {
    let mut sources = vec![Source::text("tiny", TINY).unwrap()];
    sources.extend(sets.iter().map(|set| Source::assignment(set).unwrap()));
    resolve(&sources).unwrap()
}

pub(crate) fn data(config: &Config) -> DataSet {
    let numbers: Vec<u64> = (0..40).map(|i| i * 20).collect();
    mg_train::open_data(config, None).unwrap().subset(&numbers).unwrap()
}

/// What three iterations learn.
pub(crate) fn model(config: &Config) -> Model {
    let data = data(config);
    let mut learner = Contrastive::new(config, &data, CPU).unwrap();
    (0..3).for_each(|i| drop(learner.step(i, &mut |_| {}).unwrap()));
    Model::of(&learner, &DataId::of(config, &data), 3).unwrap()
}

pub(crate) fn raw(tensor: &Tensor) -> Vec<u8> {
    match tensor.dtype() {
        DType::I64 => {
            let values = tensor.flatten_all().unwrap().to_vec1::<i64>().unwrap();
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        }
        _ => {
            let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        }
    }
}
