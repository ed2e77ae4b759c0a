//! What the sets are that experiments name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::content::{Hashes, hex};

/// Names of sets, and the hashes of the files that they were fetched as.
pub(super) struct Sets {
    /// By name: the repository, and the commit where the catalogue pins one.
    catalog: BTreeMap<String, Address>,
    /// By `datasets/OWNER/NAME@COMMIT`: path to length and digest.
    locked: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Address {
    /// `OWNER/NAME`.
    repo: String,
    commit: Option<String>,
}

const CATALOG: &str = "crates/mg-hub/src/catalog.rs";
const LOCK: &str = "crates/mg-hub/lock.json";
/// What the checked-in lock does not know, `mg` writes to a list of the same form in its cache.
const CACHE_LOCK: &str = "multigrid-lock.json";
/// What an address on the hub begins with.
const HUB: &str = "hf:";

impl Sets {
    /// As the checkout and the cache of this machine say.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut locked = BTreeMap::new();
        let cache = cache().join(CACHE_LOCK);
        for path in [root.join(LOCK), cache].iter().filter(|path| path.is_file()) {
            let pins: BTreeMap<String, BTreeMap<String, Value>> =
                serde_json::from_str(&read(path)?).with_context(|| format!("{} is wrong", path.display()))?;
            for (key, files) in pins {
                locked.entry(key).or_insert_with(BTreeMap::new).extend(files);
            }
        }
        Ok(Sets { catalog: catalog(&read(&root.join(CATALOG))?), locked })
    }

    /// A hash of what a name, an address or a path leads to; `None` where it is neither fetched nor a path. An embedded set
    /// is part of the code.
    pub(super) fn identity(&self, set: &str, hashes: &mut Hashes) -> Result<Option<String>> {
        if Path::new(set).exists() {
            return hashes.of(Path::new(set)).map(Some);
        }
        let Some(address) = self.catalog.get(set).cloned().or_else(|| Address::parse(set)) else {
            return Ok(None);
        };
        let files: BTreeMap<_, _> = self.locked.iter().filter(|(key, _)| address.is_of(key)).collect();
        let identity = json!({ "set": set, "repo": address.repo, "commit": address.commit, "files": files });
        Ok(Some(hex(Sha256::new_with_prefix(identity.to_string()))))
    }

    /// Whether it is where no set is: neither a path, nor a name, nor an address on the hub.
    pub(super) fn is_missing(&self, set: &str) -> bool {
        set.contains('/') && !set.starts_with(HUB) && !Path::new(set).exists()
    }
}

impl Address {
    /// Of `hf:OWNER/NAME[@REVISION][/FOLDER]`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(HUB)?.splitn(3, '/');
        let (owner, name) = (parts.next()?, parts.next()?);
        let (name, revision) = name.split_once('@').unwrap_or((name, ""));
        let is_commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Address { repo: format!("{owner}/{name}"), commit: is_commit.then(|| revision.to_owned()) })
    }

    /// Whether a key of a lock is of this set.
    fn is_of(&self, key: &str) -> bool {
        let commit =
            key.strip_prefix("datasets/").and_then(|key| key.strip_prefix(&self.repo)?.strip_prefix('@'));
        commit.is_some_and(|commit| self.commit.as_deref().is_none_or(|pinned| pinned == commit))
    }
}

/// What the catalogue of `mg-hub` says, read as text: this program is built without that crate.
fn catalog(text: &str) -> BTreeMap<String, Address> {
    let mut sets = BTreeMap::new();
    let mut name = "";
    for line in text.lines().map(str::trim) {
        let quoted = |field: &str| line.strip_prefix(field)?.split('"').nth(1);
        if let Some(found) = quoted("name: ") {
            name = found;
        } else if let Some(repo) = quoted("repo: ") {
            sets.insert(name.to_owned(), Address { repo: repo.to_owned(), commit: None });
        } else if let (Some(commit), Some(set)) = (quoted("commit: "), sets.get_mut(name)) {
            set.commit = Some(commit.to_owned());
        }
    }
    sets
}

/// Where every program for the hub keeps what it fetched.
fn cache() -> PathBuf {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = var("HOME").or_else(|| var("USERPROFILE")).map(PathBuf::from).unwrap_or_default();
    let base = var("XDG_CACHE_HOME").map_or_else(|| user.join(".cache"), PathBuf::from);
    let home = var("HF_HOME").map_or_else(|| base.join("huggingface"), PathBuf::from);
    var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_of_this_checkout_is_understood() {
        let sets = Sets::read(&crate::repo::root()).unwrap();
        let cifar = &sets.catalog["cifar10"];
        assert_eq!(cifar.repo, "uoft-cs/cifar10");
        assert!(sets.locked.keys().any(|key| cifar.is_of(key)), "its files are in lock.json");
        for name in ["svhn", "celeba", "lsun-bedrooms"] {
            assert!(sets.catalog.contains_key(name), "{name}");
        }
        assert_eq!(sets.catalog["celeba"].commit, None, "pinned on first use");
        assert!(!sets.catalog.contains_key("inception-2015") && !sets.catalog.contains_key("places205"));
    }

    #[test]
    fn a_fetched_set_is_the_hashes_of_its_files() {
        let text = "name: \"digits\",\nrepo: Some(\"a/b\"),\ncommit: Some(\"c1\"),\nname: \"faces\",\nrepo: Some(\"a/f\"),\ncommit: None,";
        let of = |pins: Value, set: &str| {
            let sets = Sets { catalog: catalog(text), locked: serde_json::from_value(pins).unwrap() };
            sets.identity(set, &mut Hashes::none()).unwrap()
        };
        let pins = |commit: &str, digest: &str| json!({ format!("datasets/a/b@{commit}"): { "x": digest }, "datasets/a/f@c9": { "y": digest } });
        for set in ["faces", "hf:a/f", "hf:a/f@main/folder"] {
            assert_eq!(of(pins("c1", "h1"), set), of(pins("c2", "h1"), set), "{set}: another set changed");
            assert_ne!(of(pins("c1", "h1"), set), of(pins("c1", "h2"), set), "{set}: it changed");
        }
        assert_ne!(of(pins("c1", "h1"), "digits"), of(pins("c1", "h2"), "digits"));
        assert_eq!(of(pins("c2", "h1"), "digits"), of(pins("c2", "h2"), "digits"), "a commit that it is not");
        assert_eq!(of(pins("c1", "h1"), "portraits"), None);
    }

    #[test]
    fn a_path_is_its_content_and_one_that_is_not_there_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&a, "same").unwrap();
        std::fs::write(&b, "same").unwrap();
        let sets = Sets { catalog: BTreeMap::new(), locked: BTreeMap::new() };
        let of = |path: &Path| sets.identity(path.to_str().unwrap(), &mut Hashes::none()).unwrap().unwrap();
        assert_eq!(of(&a), of(&b));
        std::fs::write(&b, "other").unwrap();
        assert_ne!(of(&a), of(&b));
        assert!(sets.is_missing("data/nothing") && !sets.is_missing("hf:a/b") && !sets.is_missing("svhn"));
    }
}
