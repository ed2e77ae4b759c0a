use std::path::{Path, PathBuf};

use clap::Args;
use mg_train::Result;
use mg_train::config::{Config, Source, resolve};

/// The layers of a configuration, from the bottom: presets, a file, options.
#[derive(Args, Clone, Debug)]
pub(crate) struct Settings {
    /// TOML file with the keys that differ from the preset
    #[arg(value_name = "CONFIG.toml")]
    pub(crate) file: Option<PathBuf>,
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
    /// The configuration of a new run.
    pub(crate) fn config(&self) -> Result<Config> {
        let mut sources = self.preset.iter().map(|name| Source::preset(name)).collect::<Result<Vec<_>>>()?;
        if let Some(path) = &self.file {
            sources.push(Source::file(path)?);
        }
        sources.extend(self.options()?);
        resolve(&sources)
    }

    /// The configuration of a run that goes on: its own, with the options over it.
    pub(crate) fn config_over(&self, run_config: &Path) -> Result<Config> {
        let mut sources = vec![Source::file(run_config)?];
        sources.extend(self.options()?);
        resolve(&sources)
    }

    fn options(&self) -> Result<Vec<Source>> {
        let quoted = |text: &str| toml::Value::String(text.to_string()).to_string();
        let named = [
            self.data.as_ref().map(|data| format!("data.source={}", quoted(data))),
            self.steps.map(|steps| format!("learn.iterations={steps}")),
            self.seed.map(|seed| format!("seed={seed}")),
        ];
        let all = named.into_iter().flatten().chain(self.set.iter().cloned());
        all.map(|assignment| Source::assignment(&assignment)).collect()
    }
}
