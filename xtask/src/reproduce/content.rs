//! What lies at a path, by its hash.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 of files. A file whose length and time of change are those of last time is not read again.
pub(super) struct Hashes {
    /// Where they are kept from call to call; nowhere in tests.
    file: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
}

/// What a file was when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// When it changed last, in nanoseconds since 1970.
    changed: u128,
    sha256: String,
}

/// A file that changed so recently may change again without another time of change.
const SETTLED: Duration = Duration::from_secs(2);

impl Hashes {
    /// Those of the calls before, kept at `file`. A list that is not there or not whole is an empty one.
    pub(super) fn open(file: PathBuf) -> Self {
        let known = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Hashes { file: Some(file), known: known.unwrap_or_default() }
    }

    /// Kept nowhere.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Hashes { file: None, known: BTreeMap::new() }
    }

    /// The hash of a file, or of a folder: of the paths and the contents of all files in it.
    pub(super) fn of(&mut self, path: &Path) -> Result<String> {
        let mut now = BTreeMap::new();
        let hash =
            if path.is_dir() { self.of_folder(path, &mut now)? } else { self.of_file(path, &mut now)? };
        let before = self.known.clone();
        self.known.retain(|known, _| !known.starts_with(path));
        self.known.extend(now);
        if self.known != before {
            self.keep()?;
        }
        Ok(hash)
    }

    fn of_folder(&self, folder: &Path, now: &mut BTreeMap<PathBuf, Known>) -> Result<String> {
        let mut hash = Sha256::new();
        for path in files(folder)? {
            let below = path.strip_prefix(folder).unwrap_or(&path);
            let name = below.to_string_lossy();
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(self.of_file(&path, now)?);
        }
        Ok(hex(hash))
    }

    fn of_file(&self, path: &Path, now: &mut BTreeMap<PathBuf, Known>) -> Result<String> {
        let fail = || format!("cannot read {}", path.display());
        let metadata = fs::metadata(path).with_context(fail)?;
        let (bytes, changed) = (metadata.len(), changed(&metadata));
        let known =
            self.known.get(path).filter(|known| known.bytes == bytes && Some(known.changed) == changed);
        let sha256 = match known {
            Some(known) => known.sha256.clone(),
            None => {
                let mut hash = Sha256::new();
                std::io::copy(&mut File::open(path).with_context(fail)?, &mut Feed(&mut hash))
                    .with_context(fail)?;
                hex(hash)
            }
        };
        if let Some(changed) = changed.filter(|_| is_settled(&metadata)) {
            now.insert(path.to_owned(), Known { bytes, changed, sha256: sha256.clone() });
        }
        Ok(sha256)
    }

    fn keep(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let fail = || format!("cannot write {}", file.display());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(fail)?;
        }
        let part = file.with_extension("part");
        fs::write(&part, serde_json::to_vec(&self.known)?).with_context(fail)?;
        fs::rename(&part, file).with_context(fail)
    }
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut waiting) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let fail = || format!("cannot list {}", path.display());
            for entry in fs::read_dir(&path).with_context(fail)? {
                waiting.push(entry.with_context(fail)?.path());
            }
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn changed(metadata: &Metadata) -> Option<u128> {
    Some(metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos())
}

fn is_settled(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|changed| changed.elapsed().is_ok_and(|ago| ago > SETTLED))
}

/// A hash in hexadecimal.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash that bytes are written to.
struct Feed<'a>(&'a mut Sha256);

impl std::io::Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn write(path: &Path, text: &str, changed: u64) {
        fs::write(path, text).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(changed)).unwrap();
    }

    #[test]
    fn a_folder_is_its_files_with_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        for (set, class) in [(&a, "cat"), (&b, "dog")] {
            fs::create_dir_all(set.join(class)).unwrap();
            fs::write(set.join(class).join("1.png"), "image").unwrap();
        }
        let mut hashes = Hashes::none();
        assert_ne!(hashes.of(&a).unwrap(), hashes.of(&b).unwrap(), "a class is part of a set");
        fs::rename(b.join("dog"), b.join("cat")).unwrap();
        assert_eq!(hashes.of(&a).unwrap(), hashes.of(&b).unwrap(), "where a set lies is not");
        assert!(hashes.of(&folder.path().join("c")).is_err());
    }

    #[test]
    fn a_file_is_read_again_only_when_length_or_time_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, list) = (folder.path().join("x"), folder.path().join("kept/hashes.json"));
        let of = || Hashes::open(list.clone()).of(&path).unwrap();
        write(&path, "one", 1000);
        let one = of();
        // SHA-256 of `one`, by sha256sum.
        assert_eq!(one, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        write(&path, "two", 1000);
        assert_eq!(of(), one, "same length, same time: it is not looked at");
        write(&path, "two", 1001);
        let two = of();
        assert_ne!(two, one);
        write(&path, "three", 1001);
        assert_ne!(of(), two);
        fs::write(&list, "damaged").unwrap();
        assert_ne!(of(), two, "a damaged list is an empty one");
    }

    #[test]
    fn a_file_that_has_just_changed_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut hashes = Hashes::none();
        fs::write(&path, "one").unwrap();
        hashes.of(&path).unwrap();
        assert_eq!(hashes.known.len(), 0);
    }
}
