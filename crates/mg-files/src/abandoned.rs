//! What killed processes left of files that were never published.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How files end that are not published yet: their names are `.NAME.` and some random letters and digits before that.
pub(super) const PARTIAL: &str = ".partial";
/// How many.
pub(super) const RANDOM: usize = 6;
/// Files that were not written to for so long and are locked by nobody are abandoned.
const LONG: Duration = Duration::from_secs(60);

/// Deletes what processes that were killed left of files in a folder; returns how many files that were. What cannot be deleted
/// stays. The first file that a process writes to a folder does so too.
pub fn remove_abandoned(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| is_abandoned(path) && std::fs::remove_file(path).is_ok()).count()
}

/// Deletes what was abandoned in a folder, unless this process has done so already.
pub(super) fn remove_once(folder: &Path) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let is_first = DONE.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    if is_first {
        remove_abandoned(folder);
    }
}

/// Whether a file has such a name as files have here until they are published.
fn is_partial(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let inner = name.strip_prefix(b".").and_then(|name| name.strip_suffix(PARTIAL.as_bytes()));
    let random = inner.and_then(|inner| inner.rsplit(|&byte| byte == b'.').next());
    let is_dotted = inner.is_some_and(|inner| inner.contains(&b'.'));
    is_dotted && random.is_some_and(|part| part.len() == RANDOM && part.iter().all(u8::is_ascii_alphanumeric))
}

fn is_abandoned(path: &Path) -> bool {
    if !is_partial(path) {
        return false;
    }
    let age = || std::fs::metadata(path)?.modified()?.elapsed().map_err(io::Error::other);
    let unlocked = || File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    age().is_ok_and(|age: Duration| age > LONG) && unlocked()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{WholeFile, write};

    #[test]
    fn what_a_killed_process_left_is_deleted_and_what_another_one_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let age = |path: &Path, seconds| {
            let file = File::options().append(true).open(path).unwrap();
            file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(seconds))
                .unwrap();
        };
        let writing = WholeFile::create(&path("large")).unwrap();
        age(writing.temporary.path(), 600);
        let kept = [
            (".fresh.b2b2b2.partial", 1),
            ("mine.a1a1a1.partial", 600),
            (".a1a1a1.partial", 600),
            (".a.partial", 600),
        ];
        for (name, seconds) in kept.into_iter().chain([(".large.a1a1a1.partial", 600)]) {
            fs::write(path(name), "a part").unwrap();
            age(&path(name), seconds);
        }
        assert_eq!(remove_abandoned(folder.path()), 1);
        assert!(!path(".large.a1a1a1.partial").exists());
        assert!(kept.iter().all(|(name, _)| path(name).exists()));
        writing.publish().unwrap();
        assert!(path("large").exists());
        assert_eq!(remove_abandoned(&path("nowhere")), 0);
    }

    #[test]
    fn the_first_file_that_is_written_to_a_folder_deletes_what_was_abandoned_there() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".scores.json.a1B2c3.partial");
        fs::write(&left, "a part").unwrap();
        let file = File::options().append(true).open(&left).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() - 10 * LONG).unwrap();
        write(&folder.path().join("scores.json"), b"{}").unwrap();
        assert!(!left.exists() && folder.path().join("scores.json").exists());
    }
}
