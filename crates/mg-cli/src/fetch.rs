//! `mg data fetch`: from a name to verified files in the cache.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail, ensure};
use mg_data::{ImageSource, Spec, Split};
use mg_hub::{Address, Entry, Hub, Kind, Part, Plan, Planned};

use crate::{hub, progress};

/// Fetch a set, or weights, from where they are published, verified, into the cache that all programs for the hub share
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A name (`mg data list`), or OWNER/NAME on the hub, perhaps with @REVISION and /FILE or /FOLDER after it
    #[arg(value_name = "NAME|OWNER/NAME")]
    name: String,
    /// Only this split; may be given more than once. Of a set with a name all but `extra` unless given
    #[arg(long)]
    split: Vec<Split>,
    /// Branch, tag or commit; the pinned commit, or `main`, unless given
    #[arg(long)]
    revision: Option<String>,
    /// Do not ask before fetching
    #[arg(long)]
    yes: bool,
    /// Say what would be fetched, and how much, and fetch nothing
    #[arg(long)]
    dry_run: bool,
    /// Send nothing: only say whether all of it is there (HF_HUB_OFFLINE=1 does so everywhere)
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let hub = hub::hub(args.offline)?;
    if let Some(weights) = mg_hub::WEIGHTS.iter().find(|weights| weights.name == args.name) {
        return args.weights(&hub, weights);
    }
    match mg_hub::find(&args.name) {
        Some(entry) if entry.repo.is_none() => {
            bail!("{} is not on the hub: {}", entry.name, entry.by_hand)
        }
        Some(entry) => args.entry(&hub, entry),
        None => args.address(&hub),
    }
}

impl Args {
    fn entry(&self, hub: &Hub, entry: &Entry) -> Result<()> {
        let repo = entry.repo().context("a set without a repository")?;
        let parts = self.parts(entry)?;
        tracing::info!("{}: {} ({})", entry.name, entry.summary, entry.licence);
        let commit = hub.commit(&repo, self.revision.as_deref().or(entry.commit))?;
        let prefixes: Vec<String> = parts.iter().map(|part| part.prefix.to_owned()).collect();
        // What is pinned and there needs no request.
        let each = |prefix: &String| Ok(hub.local(&repo, &commit, std::slice::from_ref(prefix))?.is_some());
        let is_here = prefixes.iter().map(each).collect::<Result<Vec<bool>>>();
        let files = match is_here {
            Ok(here) if here.iter().all(|&here| here) => hub.known(&repo, &commit),
            _ => hub.files(&repo, &commit)?,
        };
        let wanted = |path: &String| prefixes.iter().any(|prefix| path.starts_with(prefix));
        let files: Vec<String> = files.into_iter().filter(wanted).collect();
        ensure!(!files.is_empty(), "{repo} has no file {}* at {commit}", prefixes.join("*, "));
        let plan = hub.plan(&repo, &commit, &files)?;
        if !self.agreed(&plan)? {
            return Ok(());
        }
        let folder = hub::fetch(hub, &plan)?.join(entry.folder);
        for part in parts {
            check_rows(&plan, entry, part, &folder)?;
        }
        say!("{}", folder.display());
        Ok(())
    }

    /// The parts that are wished.
    fn parts(&self, entry: &Entry) -> Result<Vec<&'static Part>> {
        if self.split.is_empty() {
            return Ok(entry.parts.iter().filter(|part| part.split != "extra").collect());
        }
        let part = |split: &Split| {
            let same = |part: &&Part| part.split.parse::<Split>().is_ok_and(|of| of == *split);
            let names: Vec<&str> = entry.parts.iter().map(|part| part.split).collect();
            let found = entry.parts.iter().find(same);
            found.with_context(|| format!("{} has no split {split}; it has {}", entry.name, names.join(", ")))
        };
        self.split.iter().map(part).collect()
    }

    fn address(&self, hub: &Hub) -> Result<()> {
        let Address { repo, revision, file } = Address::parse(Kind::Dataset, &self.name)
            .with_context(|| format!("`{}` is no name of `mg data list` either", self.name))?;
        let commit = hub.commit(&repo, self.revision.as_deref().or(revision.as_deref()))?;
        let all = hub.files(&repo, &commit)?;
        let under = |path: &String| match &file {
            Some(file) => {
                path == file || path.strip_prefix(file.as_str()).is_some_and(|p| p.starts_with('/'))
            }
            None => true,
        };
        let of_split = |path: &String| {
            let name = path.rsplit('/').next().unwrap_or_default();
            self.split.is_empty() || self.split.iter().any(|split| name.starts_with(&split.to_string()))
        };
        let mut files: Vec<String> =
            all.iter().filter(|path| under(path) && of_split(path)).cloned().collect();
        // Of a repository of tables the tables are the set; readme files and scripts are not.
        if files.iter().any(|path| path.ends_with(".parquet")) {
            files.retain(|path| path.ends_with(".parquet"));
        }
        let some = all.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        ensure!(!files.is_empty(), "{repo} has no such file at {commit}; it has {some}");
        let plan = hub.plan(&repo, &commit, &files)?;
        if self.agreed(&plan)? {
            let folder = hub::fetch(hub, &plan)?;
            say!("{}", folder.join(file.unwrap_or_default()).display());
        }
        Ok(())
    }

    fn weights(&self, hub: &Hub, weights: &mg_hub::Weights) -> Result<()> {
        let known = hub::known(weights)?;
        tracing::info!("{}: {}", weights.name, weights.summary);
        if self.dry_run {
            say!("{:>10}  {}", progress::bytes(weights.bytes), weights.url);
            return Ok(());
        }
        self.ask(weights.bytes)?;
        let bar = progress::bytes_bar(weights.bytes);
        let path = hub.fetch_url(weights.url, weights.file, &known, &mut |event| hub::show(&bar, event));
        bar.finish_and_clear();
        say!("{}", path?.display());
        Ok(())
    }

    /// Shows the plan; whether it is to be done.
    fn agreed(&self, plan: &Plan) -> Result<bool> {
        let log: fn(&Planned) -> String = |Planned { path, known, is_cached }| {
            let state = if *is_cached { "here" } else { "to fetch" };
            format!("{:>10}  {state:<8}  {path}", progress::bytes(known.bytes))
        };
        let total = format!(
            "{} of {} to fetch, from {} at {}",
            progress::bytes(plan.missing_bytes()),
            progress::bytes(plan.bytes()),
            plan.repo,
            plan.commit
        );
        if self.dry_run {
            plan.files.iter().try_for_each(|file| -> Result<()> {
                say!("{}", log(file));
                Ok(())
            })?;
            say!("{total}");
            return Ok(false);
        }
        plan.files.iter().for_each(|file| tracing::info!("{}", log(file)));
        tracing::info!("{total}");
        if plan.missing_bytes() > 0 {
            self.ask(plan.missing_bytes())?;
        }
        Ok(true)
    }

    /// Asks a person, unless the answer was given.
    fn ask(&self, bytes: u64) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        let size = progress::bytes(bytes);
        ensure!(io::stdin().is_terminal(), "{size} would be fetched, and nobody is there to ask; say --yes");
        write!(io::stderr(), "fetch {size}? [y/N] ").context("cannot ask")?;
        io::stderr().flush().context("cannot ask")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
        ensure!(matches!(answer.trim(), "y" | "Y" | "yes"), "nothing was fetched");
        Ok(())
    }
}

/// A part has as many images as is known of it.
fn check_rows(plan: &Plan, entry: &Entry, part: &Part, folder: &std::path::Path) -> Result<()> {
    let Some(rows) = part.rows else { return Ok(()) };
    let source = ImageSource::find(folder.to_str().context("the cache's path is no text")?)?;
    let split = part.split.parse::<Split>().ok();
    let found = Spec { split, ..Spec::new(source) }.count()?;
    ensure!(
        found == rows,
        "{} ({}) at {} has {found} images, and should have {rows}",
        entry.name,
        part.split,
        plan.commit
    );
    Ok(())
}
