use std::path::{Path, PathBuf};

use clap::Args;
use mg_train::config::{Layer, resolve};
use mg_train::{Config, Methods, Result};

/// The layers of a configuration, from the bottom: presets, files in their order, options.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// TOML files with the keys that differ from the preset, later ones over earlier ones
    #[arg(value_name = "CONFIG.toml")]
    pub(crate) files: Vec<PathBuf>,
    /// Preset, or several to lay over each other: `full,single-grid` (`mg config presets` lists them)
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pub(crate) preset: Vec<String>,
    /// Images: a name (`mg data list`), a folder, a parquet file, a folder in hub layout, or a packed file
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) data: Option<String>,
    /// Iterations
    #[arg(long, value_name = "N")]
    pub(crate) steps: Option<u64>,
    /// Seed of every random number
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Any key; may be given more than once
    #[arg(long = "set", value_name = "key=value")]
    pub(crate) set: Vec<String>,
}

impl Settings {
    /// The configuration of a new run; `over` lies over everything.
    pub(crate) fn config(&self, methods: Methods, over: Option<Layer>) -> Result<Config> {
        let presets = self.preset.iter().map(|name| Layer::preset(methods, name));
        let mut layers = presets.collect::<Result<Vec<_>>>()?;
        for path in &self.files {
            layers.push(Layer::file(path)?);
        }
        layers.extend(self.options()?);
        layers.extend(over);
        resolve(methods, &layers)
    }

    /// The configuration of a run that goes on: its own, with the options over it.
    pub(crate) fn config_over(
        &self,
        methods: Methods,
        run_config: &Path,
        over: Option<Layer>,
    ) -> Result<Config> {
        let mut layers = vec![Layer::file(run_config)?];
        layers.extend(self.options()?);
        layers.extend(over);
        resolve(methods, &layers)
    }

    fn options(&self) -> Result<Vec<Layer>> {
        let quoted = |text: &str| toml::Value::String(text.to_string()).to_string();
        let named = [
            self.data.as_ref().map(|data| format!("data.source={}", quoted(data))),
            self.steps.map(|steps| format!("learn.iterations={steps}")),
            self.seed.map(|seed| format!("seed={seed}")),
        ];
        let all = named.into_iter().flatten().chain(self.set.iter().cloned());
        all.map(|assignment| Layer::assignment(&assignment)).collect()
    }
}
