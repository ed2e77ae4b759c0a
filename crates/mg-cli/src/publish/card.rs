//! What stands beside published weights.

use std::fmt::Write;

use anyhow::Result;
use mg_data::DataSet;
use mg_energy::{ConvSpec, NetSpec};
use mg_hub::{PREFIX, Repo};
use mg_model::{GridNet, Model, ScoreNets};
use mg_train::Selection;
use serde_json::Value;

use super::module::module;
use crate::uses::uses;

/// All that a card is made of.
pub(super) struct Card<'a> {
    pub(super) repo: &'a Repo,
    pub(super) model: &'a dyn Model,
    pub(super) license: Option<&'a str>,
    /// Names and texts of JSON files.
    pub(super) scores: &'a [(String, String)],
    pub(super) n: usize,
    pub(super) seed: u64,
}

/// Scores of a file that are shown; the file has all.
const MAX_SCORES: usize = 40;

impl Card<'_> {
    /// The card, in Markdown with the hub's header.
    pub(super) fn text(&self) -> Result<String> {
        let mut text = self.header();
        let (id, name) = (self.repo.id(), &self.repo.name);
        write!(text, "# {name}\n\n{} Made by Multigrid {}.\n\n", self.what(), env!("CARGO_PKG_VERSION"))?;
        if self.model.generate().is_some() {
            write!(
                text,
                "![Samples](samples.png)\n\n\
                 {} images drawn from scratch, unchosen; `mg sample hf:{id} -n {} --seed {}` draws these.\n\n",
                self.n, self.n, self.seed
            )?;
        }
        self.learned(&mut text)?;
        self.usage(&mut text)?;
        self.scored(&mut text)?;
        self.licences(&mut text)?;
        Ok(text)
    }

    /// What kind of model it is, in a sentence.
    fn what(&self) -> String {
        let header = self.model.header();
        let Some(energies) = self.score_nets() else {
            let apart = match header.categories.as_slice() {
                [] => String::new(),
                names => format!(" that tells {} apart", names.join(", ")),
            };
            return format!("A model of images of the kind {:?}{apart}.", header.kind);
        };
        let grids: Vec<String> = energies.sides().iter().map(|side| format!("{side}x{side}")).collect();
        format!(
            "An energy-based model of images: one ConvNet f(Y) per grid ({}), p(Y) ~ exp(f(Y)) p0(Y), learned and sampled by \
             Langevin dynamics from coarse to fine (Gao et al., CVPR 2018).",
            grids.join(", ")
        )
    }

    fn score_nets(&self) -> Option<&dyn ScoreNets> {
        self.model.energies()?.score_nets()
    }

    /// The nets of the first class; none of a model without nets f.
    fn nets(&self) -> Result<&[GridNet]> {
        let Some(nets) = self.score_nets() else { return Ok(&[]) };
        Ok(nets.nets(self.model.header().classes.first().map(String::as_str))?)
    }

    fn header(&self) -> String {
        let license = self.license.map_or(String::new(), |license| format!("license: {license}\n"));
        let entry = mg_hub::find(&self.model.header().data.source);
        let data = entry.and_then(|entry| entry.repo);
        let data = data.map_or(String::new(), |repo| format!("datasets:\n- {repo}\n"));
        let task = match (self.model.generate(), self.model.classify()) {
            (Some(_), _) => "unconditional-image-generation",
            (None, Some(_)) => "image-classification",
            (None, None) => "image-to-image",
        };
        let tags = if self.model.energies().is_some() { "- energy-based-model\n- langevin\n" } else { "" };
        format!(
            "---\n{license}{data}library_name: multigrid\npipeline_tag: {task}\ntags:\n{tags}- safetensors\n---\n\n"
        )
    }

    fn learned(&self, text: &mut String) -> Result<()> {
        let header = self.model.header();
        let data = &header.data;
        write!(
            text,
            "## What it was learned from\n\n\
             {} images of `{}` ({}), SHA-256 of their pixels `{}`; {} iterations of {} images. \
             [config.toml](config.toml) holds every setting.\n\n",
            data.images,
            data.source,
            Selection::of_model(self.model)?.resize(),
            data.sha256,
            header.iteration,
            header.config["learn"]["batch"]
        )?;
        let nets = self.nets()?;
        if !nets.is_empty() {
            text.push_str("| grid | layers | parameters |\n|---|---|---|\n");
        }
        for GridNet { spec, params, .. } in nets {
            let layer = |l: &ConvSpec| format!("{0}x{0}/{1}-{2}", l.kernel, l.stride, l.channels);
            let layers: Vec<String> = spec.layers.iter().map(layer).collect();
            writeln!(text, "| {0}x{0} | {1} | {2} |", spec.side, layers.join(", "), params.count())?;
        }
        if header.classes.len() > 1 {
            writeln!(text, "\nOne such model for each class: {}.", header.classes.join(", "))?;
        }
        text.push('\n');
        Ok(())
    }

    fn usage(&self, text: &mut String) -> Result<()> {
        let (id, side) = (self.repo.id(), self.model.side());
        text.push_str("## How to use it\n\n```sh\n");
        for command in uses(self.model, &format!("{PREFIX}{id}")) {
            writeln!(text, "{command}")?;
        }
        text.push_str("```\n\n");
        let specs: Vec<NetSpec> = self.nets()?.iter().map(|grid| grid.spec.clone()).collect();
        if !specs.is_empty() {
            write!(
                text,
                "In Python, f(Y) of every grid, with its gradient:\n\n```python\n{}```\n\n\
                 `Score(\"model.safetensors\", {side})(images)` scores images.{}\n\n",
                module(&specs)?,
                self.langevin_step()
            )?;
        }
        Ok(())
    }

    /// A Langevin step on the finest grid, where chains take such steps.
    fn langevin_step(&self) -> String {
        let chains = &self.model.header().config["chains"];
        let finest = |key: &str| match &chains[key] {
            Value::Array(list) => list.last().and_then(Value::as_f64),
            value => value.as_f64(),
        };
        let (Some("langevin"), Some(step), Some(noise)) =
            (chains["sampler"].as_str(), finest("step_size"), finest("noise_scale"))
        else {
            return String::new();
        };
        let clamped = if chains["clamp"] == true { ", clamped to [-1, 1]" } else { "" };
        format!(
            " A Langevin step on that grid is `y + {step} * (df/dy + d log p0/dy) + {noise} * noise`{clamped}."
        )
    }

    fn scored(&self, text: &mut String) -> Result<()> {
        text.push_str("## Scores\n\n");
        if self.scores.is_empty() {
            text.push_str("None was measured.\n\n");
        }
        for (name, json) in self.scores {
            let (mut rows, value) = (Vec::new(), serde_json::from_str(json)?);
            flatten("", &value, &mut rows);
            rows.retain(|(what, _)| what != "version"); // of the file's form
            write!(text, "From [{name}]({name}):\n\n| what | value |\n|---|---|\n")?;
            for (what, value) in rows.iter().take(MAX_SCORES) {
                writeln!(text, "| {} | {} |", what.replace('|', "\\|"), value.replace('|', "\\|"))?;
            }
            text.push('\n');
        }
        Ok(())
    }

    fn licences(&self, text: &mut String) -> Result<()> {
        let source = &self.model.header().data.source;
        let data = match mg_hub::find(source) {
            Some(entry) => entry.licence.to_owned(),
            None if source == "portraits" => {
                DataSet::portraits()?.licence().unwrap_or("see the source").to_owned()
            }
            None => "not known to the program that made this card; ask whoever published it".to_owned(),
        };
        let weights = match self.license {
            Some(license) => format!("`{license}`, as their publisher says."),
            None => "their publisher states none.".to_owned(),
        };
        write!(
            text,
            "## Licences\n\nThe images it was learned from: {data}. The weights: {weights} Samples can resemble the \
             images that were learned; what holds for these may hold for them.\n"
        )?;
        Ok(())
    }
}

/// Every number and word of a JSON value under the path that leads to it.
fn flatten(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}, {key}") };
    match value {
        Value::Null => {}
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| flatten(&below(&key.replace('_', " ")), value, rows))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| flatten(&below(&(i + 1).to_string()), value, rows));
        }
        Value::String(word) => rows.push((path.to_owned(), word.clone())),
        other => rows.push((path.to_owned(), other.to_string())),
    }
}
