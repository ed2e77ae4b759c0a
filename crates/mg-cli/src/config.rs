use anyhow::{Result, bail};
use clap::Subcommand;
use mg_model::keys::KeyDoc;
use mg_train::Methods;
use mg_train::config::{PRESETS, keys, preset, presets};

use crate::settings::Settings;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the configuration that options make, every key of it
    Show(Settings),
    /// Say what keys mean: all, a section, or one
    Explain {
        /// A key or section
        key: Option<String>,
        /// The way to learn whose keys are meant
        #[arg(long, value_name = "NAME", default_value = "multigrid")]
        method: String,
    },
    /// List the ways to learn
    Methods,
    /// List the presets
    Presets,
    /// Print a preset as it is written, with where its numbers come from
    Preset {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(command: &Command, methods: Methods) -> Result<()> {
    match command {
        Command::Show(settings) => say!("{}", settings.config(methods, None)?.to_toml().trim_end()),
        Command::Explain { key, method } => explain(key.as_deref(), method, methods)?,
        Command::Methods => {
            list(methods.iter().map(|method| (method.name, method.summary)))?;
        }
        Command::Presets => {
            list(presets(methods).map(|preset| (preset.name, preset.summary)))?;
        }
        Command::Preset { name } => {
            say!("{}", preset(methods, name)?.text.trim_end());
            if name == PRESETS[0].name {
                for text in methods[0].keys {
                    say!("\n{}", text.trim_end());
                }
            }
        }
    }
    Ok(())
}

/// Names and what they are, a line each.
fn list(lines: impl Iterator<Item = (&'static str, &'static str)>) -> Result<()> {
    let lines: Vec<_> = lines.collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, summary) in lines {
        say!("{name:<width$} {summary}");
    }
    Ok(())
}

/// Meaning, range and default of the keys whose path is `name`, lies in the section `name`, or ends with `name`; of all
/// without a name.
fn explain(name: Option<&str>, method: &str, methods: Methods) -> Result<()> {
    let Some(method) = methods.iter().find(|known| known.name == method) else {
        bail!("no method {method:?}; `mg config methods` lists them");
    };
    let matches = |key: &KeyDoc| {
        name.is_none_or(|name| {
            key.name == name
                || key.name.starts_with(&format!("{name}."))
                || key.name.ends_with(&format!(".{name}"))
        })
    };
    let found: Vec<KeyDoc> = keys(method).into_iter().filter(matches).collect();
    if found.is_empty() {
        bail!("no key or section {:?}; `mg config explain` lists all", name.unwrap_or_default());
    }
    for key in found {
        say!("{}\n    {}\n    {}; default {}", key.name, key.meaning, key.range, key.default);
    }
    Ok(())
}
