use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::store::{make_folder_of, remove_link};
use crate::{Error, Known, Repo, Result};

/// What pinned files are: those of the checked-in list, and those that this cache has met.
///
/// A file that neither knows is trusted on first use: what the hub says of it then is written down, and enforced from
/// then on, also against a hub that later says otherwise.
pub(crate) struct Lock {
    path: PathBuf,
    checked_in: Pins,
    met: Pins,
}

/// Repository and commit to path to content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Pins(BTreeMap<String, BTreeMap<String, Known>>);

/// The list that comes with this crate.
const CHECKED_IN: &str = include_str!("../lock.json");
/// The list of a cache.
const NAME: &str = "multigrid-lock.json";

impl Lock {
    /// The lock of a cache folder, which need not exist yet.
    pub(crate) fn open(cache: &Path) -> Result<Self> {
        let path = cache.join(NAME);
        let checked_in = parse(CHECKED_IN.as_bytes(), Path::new("lock.json"))?;
        let met = read(&path)?;
        Ok(Lock { path, checked_in, met })
    }

    /// What a file was when it was first met, or is by the checked-in list.
    pub(crate) fn get(&self, repo: &Repo, commit: &str, file: &str) -> Option<&Known> {
        let key = key(repo, commit);
        [&self.checked_in, &self.met].into_iter().find_map(|pins| pins.0.get(&key)?.get(file))
    }

    /// All files of a commit that are known and whose paths begin so.
    pub(crate) fn under(&self, repo: &Repo, commit: &str, prefix: &str) -> BTreeMap<String, Known> {
        let key = key(repo, commit);
        let all = [&self.met, &self.checked_in].into_iter().filter_map(|pins| pins.0.get(&key)).flatten();
        let under = all.filter(|(path, _)| path.starts_with(prefix));
        under.map(|(path, known)| (path.clone(), known.clone())).collect()
    }

    /// Writes down what was not known before. Another process may do so too: its entries stay.
    pub(crate) fn add(&mut self, repo: &Repo, commit: &str, files: &BTreeMap<String, Known>) -> Result<()> {
        if files.keys().all(|file| self.get(repo, commit, file).is_some()) {
            return Ok(());
        }
        make_folder_of(&self.path)?;
        let guard = self.path.with_extension("json.lock");
        remove_link(&guard)?;
        let guard = File::create(&guard).and_then(|file| file.lock().map(|()| file));
        let guard = guard.map_err(Error::io("lock", &self.path))?;
        self.met = read(&self.path)?;
        let known = self.met.0.entry(key(repo, commit)).or_default();
        for (file, content) in files {
            known.entry(file.clone()).or_insert_with(|| content.clone());
        }
        let text = serde_json::to_string_pretty(&self.met).unwrap_or_default();
        mg_files::write(&self.path, text.as_bytes()).map_err(Error::io("write", &self.path))?;
        drop(guard);
        Ok(())
    }
}

fn key(repo: &Repo, commit: &str) -> String {
    format!("{repo}@{commit}")
}

fn read(path: &Path) -> Result<Pins> {
    match fs::read(path) {
        Ok(bytes) => parse(&bytes, path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Pins::default()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Pins> {
    let reason = |e: serde_json::Error| Error::Lock { path: path.to_owned(), reason: e.to_string() };
    serde_json::from_slice(bytes).map_err(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Kind};

    fn known(digit: &str, bytes: u64) -> Known {
        Known { bytes, digest: Digest::of_hex(&digit.repeat(64)).unwrap() }
    }

    #[test]
    fn the_first_content_is_kept_and_other_processes_entries_stay() {
        let cache = tempfile::tempdir().unwrap();
        let (repo, commit) = (Repo::new(Kind::Dataset, "a/b").unwrap(), "0".repeat(40));
        let mut first = Lock::open(cache.path()).unwrap();
        let mut second = Lock::open(cache.path()).unwrap();
        first.add(&repo, &commit, &[("x".to_owned(), known("a", 1))].into()).unwrap();
        second.add(&repo, &commit, &[("y".to_owned(), known("b", 2))].into()).unwrap();
        second.add(&repo, &commit, &[("x".to_owned(), known("c", 3))].into()).unwrap();
        let third = Lock::open(cache.path()).unwrap();
        assert_eq!(third.get(&repo, &commit, "x"), Some(&known("a", 1)));
        assert_eq!(third.get(&repo, &commit, "y"), Some(&known("b", 2)));
        assert_eq!(third.get(&repo, &"1".repeat(40), "x"), None);
    }

    #[test]
    fn a_damaged_lock_file_is_named() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join(NAME), "{\"a\": 1").unwrap();
        let error = Lock::open(cache.path()).err().unwrap().to_string();
        assert!(error.contains(NAME), "{error}");
    }
}
