//! Names that lead to the hub's cache: of sets and of models.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use candle_core::Device;
use mg_data::{Check, ImageSource, Spec};
use mg_hub::{Address, Event, Hub, Kind, Known, Options, PREFIX, Plan, Repo, Weights, is_commit};
use mg_model::Model;
use mg_train::run::{MAX_MODEL, open_model, read_model};
use mg_train::{Methods, Selection};

use crate::progress;

/// Folder of packed copies, beside the repositories of the cache.
const PACKED: &str = "multigrid-packed";

/// The hub as the environment says, or without a single request.
pub(crate) fn hub(offline: bool) -> mg_hub::Result<Hub> {
    let options = Options::from_env();
    Hub::new(Options { offline: offline || options.offline, ..options })
}

/// How the set of a name or path is read: a fetched one from the cache, everything else as `ImageSource::find` says. Sends
/// nothing.
pub(crate) fn spec(name: &str) -> Result<Spec> {
    let Some(fetched) = fetched(name)? else { return Ok(Spec::new(ImageSource::find(name)?)) };
    let source = ImageSource::find(fetched.folder.to_str().context("the cache's path is no text")?)?;
    let (cache, name) = (Some(Options::from_env().cache.join(PACKED)), name.trim_start_matches(PREFIX));
    let before = Some(Check::new(move || fetched.verify().map_err(Into::into)));
    Ok(Spec { cache, name: Some(name.replace(['/', '@'], "-")), before, ..Spec::new(source) })
}

/// How the set of a run is read.
pub(crate) fn selected(selection: &Selection) -> Result<Spec> {
    let Spec { source, cache, name, before, .. } = spec(&selection.data.source)?;
    Ok(Spec { cache, name, before, ..selection.spec(source) })
}

/// Whether a name is that of a set that has been fetched.
pub(crate) fn is_fetched_set(name: &str) -> bool {
    fetched(name).is_ok_and(|fetched| fetched.is_some())
}

/// A set of the hub that is in the cache.
struct Fetched {
    /// Where its files lie.
    folder: PathBuf,
    repo: Repo,
    commit: String,
    parts: Vec<String>,
}

impl Fetched {
    /// Fails when its content is not what it was when it was fetched.
    fn verify(&self) -> mg_hub::Result<()> {
        hub(true)?.verify(&self.repo, &self.commit, &self.parts)
    }
}

/// The set of the hub of a name, `None` of any other name.
fn fetched(name: &str) -> Result<Option<Fetched>> {
    let missing = || format!("{name} is not here yet; fetch it once with: mg data fetch {name}");
    let (address, folder, parts) = if let Some(entry) = mg_hub::find(name) {
        let Some(repo) = entry.repo() else {
            bail!("{name} is not on the hub: `mg data fetch {name}` says how to get it")
        };
        let address = Address { repo, revision: entry.commit.map(str::to_owned), file: None };
        let parts = entry.parts.iter().map(|part| part.prefix.to_owned()).collect();
        (address, entry.folder.to_owned(), parts)
    } else if name.starts_with(PREFIX) {
        let address = Address::parse(Kind::Dataset, name)?;
        let folder = address.file.clone().unwrap_or_default();
        (address, folder.clone(), vec![folder])
    } else {
        return Ok(None);
    };
    let hub = hub(true)?;
    let commit = hub.commit(&address.repo, address.revision.as_deref()).with_context(missing)?;
    let folder = hub.local(&address.repo, &commit, &parts)?.with_context(missing)?.join(folder);
    Ok(Some(Fetched { folder, repo: address.repo, commit, parts }))
}

/// The model of a run directory, a file, or `hf:OWNER/NAME[@REVISION]`, which is fetched unless it is there.
pub(crate) fn model(
    name: &Path,
    revision: Option<&str>,
    methods: Methods,
    device: &Device,
) -> Result<Box<dyn Model>> {
    Ok(model_and_bytes(name, revision, methods, device)?.0)
}

/// The same, with the bytes of its file.
pub(crate) fn model_and_bytes(
    name: &Path,
    revision: Option<&str>,
    methods: Methods,
    device: &Device,
) -> Result<(Box<dyn Model>, Vec<u8>)> {
    let path = match name.to_str().filter(|name| name.starts_with(PREFIX)) {
        Some(address) => weights(address, revision)?,
        None => {
            ensure!(revision.is_none(), "--revision is of a model on the hub: hf:OWNER/NAME");
            name.to_path_buf()
        }
    };
    let bytes = read_model(&path)?;
    Ok((open_model(methods, &path, &bytes, device)?, bytes))
}

/// The file of a model's weights, fetched unless it is there.
pub(crate) fn weights(address: &str, revision: Option<&str>) -> Result<PathBuf> {
    let parsed = Address::parse(Kind::Model, address)?;
    let address = Address { revision: revision.map(str::to_owned).or(parsed.revision), ..parsed };
    let hub = hub(false)?;
    let (plan, file) = hub.plan_model(&address, MAX_MODEL)?;
    let (repo, commit, revision) = (&plan.repo, &plan.commit, &address.revision);
    if plan.missing_bytes() > 0 {
        tracing::info!("fetching {file} of {repo} at {commit}: {}", progress::bytes(plan.bytes()));
    }
    if revision.as_deref().is_none_or(|revision| !is_commit(revision)) {
        tracing::info!("{repo} is at {commit} now; --revision {commit} keeps to it");
    }
    Ok(fetch(&hub, &plan)?.join(file))
}

/// What the file of weights with a name is.
pub(crate) fn known(weights: &Weights) -> Result<Known> {
    let digest = format!("sha256:{}", weights.sha256).parse().map_err(anyhow::Error::msg)?;
    Ok(Known { bytes: weights.bytes, digest })
}

/// The file of weights with a name, which has been fetched. Sends nothing.
pub(crate) fn fetched_weights(name: &str) -> Result<PathBuf> {
    let weights = mg_hub::WEIGHTS.iter().find(|weights| weights.name == name).context("no such weights")?;
    let path = hub(true)?.fetch_url(weights.url, weights.file, &known(weights)?, &mut |_| {});
    path.with_context(|| format!("{name} is not here yet; fetch it once with: mg data fetch {name}, or name the file with --weights"))
}

/// Fetches with a bar.
pub(crate) fn fetch(hub: &Hub, plan: &Plan) -> Result<PathBuf> {
    let bar = progress::bytes_bar(plan.bytes());
    let folder = hub.fetch(plan, &mut |event| show(&bar, event));
    bar.finish_and_clear();
    Ok(folder?)
}

/// What a person sees of it.
pub(crate) fn show(bar: &indicatif::ProgressBar, event: Event<'_>) {
    match event {
        Event::Progress { file, bytes } => {
            bar.set_position(bytes);
            bar.set_message(file.to_owned());
        }
        Event::Waiting { file } => tracing::info!("another process fetches {file}; waiting for it"),
        Event::Retrying { file, reason, wait } => {
            tracing::warn!("{file}: {reason}; trying again in {:.1} s", wait.as_secs_f64());
        }
        Event::Wrong { file } => tracing::warn!("{file} had a wrong hash; it is deleted and fetched anew"),
        _ => {}
    }
}
