use anyhow::{Context, Result, bail};
use clap::Subcommand;
use mg_train::config::{EXPLANATIONS, PRESETS, explain};

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the configuration that options make, every key of it
    Show(Settings),
    /// Say what keys mean: all, a section, or one
    Explain {
        /// A key or section
        key: Option<String>,
    },
    /// List the presets
    Presets,
    /// Print a preset as it is written, with where its numbers come from
    Preset {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<()> {
    match command {
        Command::Show(settings) => {
            let text =
                toml::to_string(&settings.config()?).context("cannot write the configuration as TOML")?;
            say!("{}", text.trim_end());
        }
        Command::Explain { key } => {
            let found = match key {
                None => EXPLANATIONS.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect(),
                Some(key) => explain(key),
            };
            if found.is_empty() {
                bail!(
                    "no key or section {:?}; `mg config explain` lists all",
                    key.as_deref().unwrap_or_default()
                );
            }
            for (key, text) in found {
                say!("{key}\n    {text}");
            }
        }
        Command::Presets => {
            for preset in PRESETS {
                say!("{:<14} {}", preset.name, preset.summary);
            }
        }
        Command::Preset { name } => say!("{}", mg_train::config::preset(name)?.text.trim_end()),
    }
    Ok(())
}
