use std::path::Path;

use candle_core::Device;
use mg_baselines::METHODS;
use mg_train::config::{Layer, resolve};
use mg_train::run::{open_model, read_model};
use mg_train::{Config, Learning, open_data};

use crate::{Draw, Error, Result};

/// A learned model of any kind that Multigrid knows.
///
/// ```no_run
/// use multigrid::Model;
///
/// let model = Model::load("runs/portraits-001")?; // a run, a model.safetensors, or hf:OWNER/NAME
/// model.draw(8).seed(1).images()?.save("drawn")?;
/// # Ok::<(), multigrid::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    model: Box<dyn mg_model::Model>,
    device: Device,
}

/// What addresses on the hub begin with.
const HUB: &str = "hf:";

impl Model {
    /// The model of a run directory, a `model.safetensors`, or, with the feature `hub`, `hf:OWNER/NAME[@REVISION]`, which is
    /// fetched and verified unless it is there. On the CPU.
    ///
    /// # Errors
    /// When there is no such file, it is damaged, or of something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Model::load_on(path, &Device::Cpu)
    }

    /// The same, on a device.
    ///
    /// # Errors
    /// As [`load`](Model::load).
    pub fn load_on(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let file = match path.to_str().filter(|name| name.starts_with(HUB)) {
            Some(address) => fetched(address)?,
            None => path.to_owned(),
        };
        let model = open_model(METHODS, &file, &read_model(&file)?, device)?;
        Ok(Model { model, device: device.clone() })
    }

    /// A model learned here and now, in memory, from a set of images such as "portraits", which is embedded, or a folder.
    /// Settings are those of `mg train --set`, over its defaults: `learn.iterations=400`, `model.grids=[1, 4, 16]`. Nothing
    /// watches over it: for long runs, with checkpoints and a guard, take [`mg_train::Training`] or `mg train`.
    ///
    /// # Errors
    /// When a setting is not understood, the images cannot be read, or they do not suffice.
    pub fn learn(images: &str, settings: &[&str]) -> Result<Self> {
        let source = toml::Value::String(images.to_owned());
        let mut layers = vec![Layer::assignment(&format!("data.source={source}"))?];
        for setting in settings {
            layers.push(Layer::assignment(setting)?);
        }
        let config: Config = resolve(METHODS, &layers)?;
        let (data, device) = (open_data(&config, None)?, Device::Cpu);
        let mut learning = Learning::new(&config, &data, &device)?;
        for iteration in 0..config.learn.iterations {
            learning.step(iteration, &mut |_| {})?;
        }
        Ok(Model { model: learning.model(config.learn.iterations)?, device })
    }

    /// Draws so many images from scratch, as [`Draw`] says.
    pub fn draw(&self, n: usize) -> Draw<'_> {
        Draw::new(&*self.model, &self.device, n)
    }

    /// Writes the file that holds it, which [`load`](Model::load) and `mg` read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, bytes) = (path.as_ref(), self.model.artefact()?.to_bytes()?);
        mg_files::write(path, &bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// All that it can do: fill in hidden pixels, give features and energies, classify.
    pub fn capabilities(&self) -> &dyn mg_model::Model {
        &*self.model
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

#[cfg(feature = "hub")]
fn fetched(address: &str) -> Result<std::path::PathBuf> {
    crate::on_hub::model_file(address)
}

#[cfg(not(feature = "hub"))]
fn fetched(address: &str) -> Result<std::path::PathBuf> {
    Err(Error::NoHub { address: address.to_owned() })
}
