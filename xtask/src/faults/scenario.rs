//! What is disturbed: the commands of `mg` that leave something.

use anyhow::{Result, bail, ensure};

use super::tree::{Entry, Tree};

/// A command, what it needs, and what it must leave.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Calls that make what the command needs, besides the pictures in `photos` and `others`.
    pub(super) before: &'static [&'static str],
    /// The command.
    pub(super) command: &'static str,
    /// What goes on with the command once it was interrupted, if there is this file by then; else it is called again.
    pub(super) resume: Option<(&'static str, &'static str)>,
    /// Beginnings of paths of files that tell the time, which is another every time.
    pub(super) clocks: &'static [&'static str],
    /// Beginnings of paths that may be missing: a training goes on without a sheet that could not be written.
    pub(super) optional: &'static [&'static str],
    /// A call that looks at what was left, and names what it cannot read.
    pub(super) look: Option<&'static str>,
    /// The folder of which the hub must have a copy in the end.
    pub(super) published: Option<&'static str>,
}

/// A learning that takes a fraction of a second.
macro_rules! train {
    ($run:literal, $source:literal) => {
        concat!(
            "train --run ",
            $run,
            " --threads 1 --precision f32 --set model.width=0.08 --set model.grids=[1,4,8] ",
            "--set chains.steps=4 --set learn.batch=8 --set output.checkpoint_every=2 --set output.sheet_every=3 ",
            "--set output.sheet_images=4 --steps 6 --data ",
            $source
        )
    };
}
pub(super) use train;

const PACK: &str = "data pack photos --side 8 --out set.mgpack";

/// All of them.
pub(super) const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "train",
        before: &[PACK],
        command: train!("runs/one", "set.mgpack"),
        resume: Some(("runs/one/config.toml", "train --resume --run runs/one --threads 1")),
        clocks: &["runs/one/times.jsonl", "runs/one/sessions.jsonl"],
        optional: &["runs/one/sheets/"],
        look: Some("runs show runs/one --json"),
        ..PLAIN
    },
    Scenario { name: "pack", command: PACK, ..PLAIN },
    Scenario {
        name: "sample",
        before: &[train!("run", "photos")],
        command: "sample run -n 3 --seed 5 --out drawn --threads 1",
        ..PLAIN
    },
    Scenario {
        name: "eval",
        command: "eval --input photos --ref others --side 16 --kid --features features --json=scores.json --threads 1",
        ..PLAIN
    },
    Scenario {
        name: "fetch",
        command: "data fetch some-one/images --yes",
        clocks: &["home/hub/datasets--some-one--images/multigrid/"],
        ..PLAIN
    },
    Scenario {
        name: "publish",
        before: &[train!("run", "photos")],
        command: "publish run me/faces -n 4 --license mit --out copy --threads 1",
        published: Some("copy/"),
        ..PLAIN
    },
];

const PLAIN: Scenario = Scenario {
    name: "",
    before: &[],
    command: "",
    resume: None,
    clocks: &[],
    optional: &[],
    look: None,
    published: None,
};

impl Scenario {
    /// What is called after an interruption that left this.
    pub(super) fn again(&self, left: &Tree) -> &'static str {
        match self.resume {
            Some((file, words)) if left.contains_key(file) => words,
            _ => self.command,
        }
    }

    /// Fails where a tree is not what the command leaves when nothing disturbs it.
    pub(super) fn compare(&self, found: &Tree, expected: &Tree) -> Result<()> {
        let is_one_of = |beginnings: &[&str], path: &str| beginnings.iter().any(|b| path.starts_with(b));
        for (path, entry) in expected {
            match found.get(path) {
                None if is_one_of(self.optional, path) => {}
                None => bail!("{path} is missing"),
                Some(other) => ensure!(
                    other == entry || is_one_of(self.clocks, path),
                    "{path} is not what it is when nothing disturbs the command: {} in place of {}",
                    describe(other),
                    describe(entry)
                ),
            }
        }
        match found.keys().find(|path| !expected.contains_key(*path)) {
            Some(path) => bail!("{path} is left over"),
            None => Ok(()),
        }
    }
}

fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Folder => "a folder".to_owned(),
        Entry::File(bytes) => format!("{} bytes", bytes.len()),
        Entry::Link(target) => format!("a link to {target}"),
    }
}
