//! `mg publish`: a model as others can use it, in one commit.

mod card;
mod module;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mg_figures::Sheet;
use mg_hub::{Kind, MODEL_FILE, Repo, Upload};
use mg_model::{Model, Synthesis, generate};
use mg_random::Key;
use mg_train::{Config, Methods};
use serde_json::Value;

use crate::device::DeviceArgs;
use crate::hub;
use crate::uses::uses;
use crate::{output, progress};
use card::Card;

/// Publish a model on the hub: weights, configuration, samples, scores, and a card that says how to use them. One commit
/// holds all of it. HF_TOKEN says who publishes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    run: PathBuf,
    /// Repository: OWNER/NAME, which is made unless it is there
    #[arg(value_name = "OWNER/NAME")]
    repo: String,
    /// Licence of the weights, as the hub abbreviates it: apache-2.0, mit, cc-by-nc-4.0; none is stated unless given
    #[arg(long, value_name = "ID")]
    license: Option<String>,
    /// Scores, as `mg eval --json=FILE` and others write them; may be given more than once. RUN/scores.json, where it is
    /// there, unless given
    #[arg(long, value_name = "FILE")]
    scores: Vec<PathBuf>,
    /// Samples on the sheet
    #[arg(short, default_value_t = 100)]
    n: usize,
    /// Seed of the samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make a new repository private
    #[arg(long)]
    private: bool,
    /// The message of the commit
    #[arg(long, default_value = "Weights, configuration, samples and card")]
    message: String,
    /// Write the files to this folder too
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make everything and publish nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; draw at least one sample");
    let repo = Repo::new(Kind::Model, &args.repo)?;
    let device = args.device.open()?;
    let mut model = hub::model(&args.run, None, methods, &device)?;
    let source = model.header().data.source.clone();
    forget_paths(&mut *model);
    let scores = args.read_scores((&source, &model.header().data.source))?;
    let samples = model.generate().map(|_| args.samples(&*model, &device)).transpose()?;
    let card = Card {
        repo: &repo,
        model: &*model,
        license: args.license.as_deref(),
        scores: &scores,
        n: args.n,
        seed: args.seed,
    };
    let mut files = vec![file("README.md", card.text()?.into_bytes())];
    files.push(file(MODEL_FILE, model.artefact()?.to_bytes()?));
    files.push(file("config.toml", config(methods, &*model)?.into_bytes()));
    files.extend(samples.map(|samples| file("samples.png", samples)));
    files.extend(scores.iter().map(|(name, text)| file(name, text.clone().into_bytes())));
    if let Some(folder) = &args.out {
        output::make_folder(folder)?;
        for Upload { path, bytes } in &files {
            let path = folder.join(path);
            mg_files::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    for Upload { path, bytes } in &files {
        tracing::info!("{:>10}  {path}", progress::bytes(bytes.len() as u64));
    }
    if args.dry_run {
        say!("{repo}: {} files, not published", files.len());
        return Ok(());
    }
    let commit = hub::hub(false)?.publish(&repo, &files, &args.message, args.private)?;
    if let Some(command) = uses(&*model, &format!("{}{}@{commit}", mg_hub::PREFIX, repo.id())).first() {
        tracing::info!("use it with: {command}");
    }
    say!("{}@{commit}", repo.id());
    Ok(())
}

fn file(path: &str, bytes: Vec<u8>) -> Upload {
    Upload { path: path.to_owned(), bytes }
}

/// Cuts the names of folders of this machine down to their last part.
fn forget_paths(model: &mut dyn Model) {
    let header = model.header_mut();
    let source = &header.data.source;
    if mg_hub::find(source).is_some() || source.starts_with(mg_hub::PREFIX) {
        return;
    }
    let last = Path::new(source).file_name().map(|name| name.to_string_lossy().into_owned());
    let last = last.unwrap_or_else(|| "images".to_owned());
    header.config["data"]["source"] = last.clone().into();
    header.data.source = last;
}

/// Does the same to every text of some JSON, in which a set has a new name.
fn shorten_paths(json: &mut Value, (old, new): (&str, &str)) {
    match json {
        Value::String(text) => {
            let last = |word: &str| match Path::new(word).file_name() {
                Some(name) if Path::new(word).is_absolute() => name.to_string_lossy().into_owned(),
                _ => word.to_owned(),
            };
            *text = text.replace(old, new).split(' ').map(last).collect::<Vec<_>>().join(" ");
        }
        Value::Array(values) => values.iter_mut().for_each(|value| shorten_paths(value, (old, new))),
        Value::Object(values) => values.values_mut().for_each(|value| shorten_paths(value, (old, new))),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn config(methods: Methods, model: &dyn Model) -> Result<String> {
    let config = Config::of_values(methods, &model.header().config)?;
    Ok(format!("# Learns such a model: mg train config.toml\n\n{}", config.to_toml()))
}

impl Args {
    fn samples(&self, model: &dyn Model, device: &Device) -> Result<Vec<u8>> {
        let bar = progress::bar(self.n as u64, "images");
        let (how, key) = (Synthesis::default(), Key::new(self.seed));
        let unobserved = &mut mg_langevin::unobserved;
        let grids = generate(model, self.n, &how, key, device, unobserved, &mut |done| {
            bar.set_position(done as u64);
        })?;
        bar.finish_and_clear();
        let folder = tempfile::tempdir().context("cannot make a folder for samples")?;
        let path = folder.path().join("samples.png");
        Sheet::of(grids.last().context("the model has no grid")?)?.save(&path)?;
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Names and texts of files of scores, in which the set has its new name and paths have their last parts.
    fn read_scores(&self, renamed: (&str, &str)) -> Result<Vec<(String, String)>> {
        let usual = self.run.join("scores.json");
        let paths = match self.scores.as_slice() {
            [] if usual.is_file() => vec![usual],
            named => named.to_vec(),
        };
        if paths.is_empty() {
            let run = self.run.display();
            tracing::warn!("no scores: `mg eval --input {run} --json={run}/scores.json` measures some");
        }
        let read = |path: &PathBuf| {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut scores: Value = serde_json::from_str(&text)
                .with_context(|| format!("{} is not JSON; give what --json=FILE wrote", path.display()))?;
            shorten_paths(&mut scores, renamed);
            let text = format!("{}\n", serde_json::to_string_pretty(&scores)?);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ensure!(name.ends_with(".json"), "{} has not the ending .json", path.display());
            Ok((name, text))
        };
        paths.iter().map(read).collect()
    }
}
