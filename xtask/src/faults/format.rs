//! The formats that `mg` writes and reads back.

use anyhow::{Context, Result};

use super::scenario::train;
use super::tree::{Entry, Tree};

/// A file of a format, and what reads it.
pub(super) struct Format {
    pub(super) name: &'static str,
    /// Calls that make it.
    pub(super) before: &'static [&'static str],
    /// How its path begins and ends.
    pub(super) path: (&'static str, &'static str),
    /// What an error may call it besides its own name.
    pub(super) called: &'static [&'static str],
    /// A call in the folder that is read later, before a bit is flipped; the file's time then stays as it is.
    pub(super) settle: Option<&'static str>,
    /// Calls that read it.
    pub(super) reads: &'static [&'static str],
}

const PLAIN: Format = Format { name: "", before: &[], path: ("", ""), called: &[], settle: None, reads: &[] };

const PACK: &str = "data pack photos --side 8 --out set.mgpack";
const RUN: &str = train!("run", "photos");
const RESUME: &[&str] = &["train --resume --run run --threads 1 --steps 8"];
const SHOW: &[&str] = &["runs show run --json"];
const DRAW: &str = "sample run -n 3 --seed 5 --out drawn --threads 1";
const EVAL: &str = "eval --input photos --ref others --side 16 --kid --features features --json --threads 1";
const FETCH: &str = "data fetch some-one/images --yes";
const FETCHED: &[&str] = &["data info hf:some-one/images/train-images-idx3-ubyte --side 8"];
const HUB: &[&str] = &["some-one/images", "train-images-idx3-ubyte"];

/// All of them.
pub(super) const FORMATS: [Format; 17] = [
    Format {
        name: "packed set, described",
        before: &[PACK],
        path: ("set.mgpack", ""),
        reads: &["data info set.mgpack"],
        ..PLAIN
    },
    Format {
        name: "packed set, learned",
        before: &[PACK],
        path: ("set.mgpack", ""),
        reads: &[train!("run", "set.mgpack")],
        ..PLAIN
    },
    Format { name: "image", path: ("photos/000.png", ""), reads: &[PACK], ..PLAIN },
    Format { name: "model", before: &[RUN], path: ("run/model.", ""), reads: &[DRAW], ..PLAIN },
    Format {
        name: "newest checkpoint of two",
        before: &[RUN],
        path: ("run/checkpoints/", "06.safetensors"),
        reads: RESUME,
        ..PLAIN
    },
    Format {
        name: "only checkpoint",
        before: &[concat!(train!("run", "photos"), " --set output.keep_checkpoints=1")],
        path: ("run/checkpoints/", "06.safetensors"),
        reads: RESUME,
        ..PLAIN
    },
    Format { name: "metrics", before: &[RUN], path: ("run/metrics.jsonl", ""), reads: SHOW, ..PLAIN },
    Format { name: "times", before: &[RUN], path: ("run/times.jsonl", ""), reads: SHOW, ..PLAIN },
    Format { name: "sessions", before: &[RUN], path: ("run/sessions.jsonl", ""), reads: SHOW, ..PLAIN },
    Format {
        name: "configuration, shown",
        before: &[RUN],
        path: ("run/config.toml", ""),
        reads: SHOW,
        ..PLAIN
    },
    Format {
        name: "configuration, gone on with",
        before: &[concat!(train!("run", "photos"), " --minutes 0")],
        path: ("run/config.toml", ""),
        reads: &["train --resume --run run --threads 1"],
        ..PLAIN
    },
    Format { name: "features", before: &[EVAL], path: ("features/", ".features"), reads: &[EVAL], ..PLAIN },
    Format {
        name: "recipe of samples",
        before: &[RUN, DRAW],
        path: ("drawn/.recipe", ""),
        reads: &[DRAW],
        ..PLAIN
    },
    Format {
        name: "lock of the hub",
        before: &[FETCH],
        path: ("home/hub/multigrid-lock.json", ""),
        called: HUB,
        reads: FETCHED,
        ..PLAIN
    },
    Format {
        name: "branch of the hub",
        before: &[FETCH],
        path: ("home/hub/datasets--some-one--images/refs/main", ""),
        called: HUB,
        reads: FETCHED,
        ..PLAIN
    },
    Format {
        name: "content of the hub, whose time stays",
        before: &[FETCH],
        path: ("home/hub/datasets--some-one--images/blobs/", ""),
        called: HUB,
        settle: Some("data info hf:some-one/images/train-images-idx3-ubyte --side 4"),
        reads: FETCHED,
    },
    Format {
        name: "mark of the hub's content",
        before: &[FETCH],
        path: ("home/hub/datasets--some-one--images/multigrid/", ""),
        called: HUB,
        reads: FETCHED,
        ..PLAIN
    },
];

impl Format {
    /// The path of the file, and its bytes.
    pub(super) fn file<'a>(&self, tree: &'a Tree) -> Result<(&'a str, &'a [u8])> {
        let (begin, end) = self.path;
        let found = tree.iter().find_map(|(path, entry)| match entry {
            Entry::File(bytes) if path.starts_with(begin) && path.ends_with(end) => {
                Some((path.as_str(), bytes.as_slice()))
            }
            _ => None,
        });
        found.with_context(|| format!("the {} has no file {begin}*{end}", self.name))
    }

    /// Whether a text names the file at a path.
    pub(super) fn is_named(&self, path: &str, text: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        text.contains(name) || self.called.iter().any(|called| text.contains(called))
    }
}
