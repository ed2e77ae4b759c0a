use std::path::Path;

use candle_core::{DType, Device, Tensor};
use mg_data::DataSet;
use mg_model::multigrid::MultigridModel;
use mg_train::config::{Layer, resolve};
use mg_train::{Config, Learning, METHODS, Report};

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
    let mut layers = vec![Layer::text("tiny", TINY).unwrap()];
    layers.extend(sets.iter().map(|set| Layer::assignment(set).unwrap()));
    resolve(METHODS, &layers).unwrap()
}

pub(crate) fn data(config: &Config) -> DataSet {
    let numbers: Vec<u64> = (0..40).map(|i| i * 20).collect();
    mg_train::open_data(config, None).unwrap().subset(&numbers).unwrap()
}

/// What three iterations learn.
pub(crate) fn model(config: &Config) -> MultigridModel {
    let data = data(config);
    let mut learning = Learning::new(config, &data, CPU).unwrap();
    (0..3).for_each(|i| drop(step(&mut learning, i)));
    MultigridModel::of(learning.artefact(3).unwrap(), CPU).unwrap()
}

/// The model in a file.
pub(crate) fn load(path: &Path) -> mg_model::Result<MultigridModel> {
    let bytes = std::fs::read(path).map_err(mg_model::Error::images)?;
    MultigridModel::of(mg_model::Artefact::from_bytes(&bytes, CPU)?, CPU)
}

/// One iteration that nobody watches.
pub(crate) fn step(learning: &mut Learning, iteration: u64) -> Report {
    learning.step(iteration, &mut |_| {}).unwrap()
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
