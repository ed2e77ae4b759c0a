//! Folders as values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// Paths from a folder, with forward slashes, to what lies there.
pub(super) type Tree = BTreeMap<String, Entry>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File(Vec<u8>),
    /// And what it leads to.
    Link(String),
}

/// All that lies below a folder.
pub(super) fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    collect(folder, "", &mut tree)?;
    Ok(tree)
}

fn collect(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            tree.insert(name, Entry::Link(fs::read_link(&path)?.to_string_lossy().into_owned()));
        } else if kind.is_dir() {
            collect(&path, &format!("{name}/"), tree)?;
            tree.insert(name, Entry::Folder);
        } else {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            tree.insert(name, Entry::File(bytes));
        }
    }
    Ok(())
}

/// Makes a folder that holds a tree and nothing else.
pub(super) fn write(tree: &Tree, folder: &Path) -> Result<()> {
    empty(folder)?;
    // Folders stand before what lies in them.
    for (path, entry) in tree {
        let to = folder.join(path);
        let written = match entry {
            Entry::Folder => fs::create_dir_all(&to),
            Entry::File(bytes) => fs::write(&to, bytes),
            Entry::Link(target) => link(target, &to),
        };
        written.with_context(|| format!("cannot make {}", to.display()))?;
    }
    Ok(())
}

/// Makes a folder, or empties it.
pub(super) fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// What ends the name of a file that is not whole yet.
const PARTIAL: &str = "partial";
/// A process that was killed so long ago does not go on.
const LONG_AGO: Duration = Duration::from_secs(600);

/// Makes files that were not finished as old as they would be some minutes later.
#[allow(clippy::disallowed_methods, reason = "a front end, and the time is that of files")]
pub(super) fn age(folder: &Path) -> Result<()> {
    for path in read(folder)?.keys().filter(|path| path.ends_with(PARTIAL)) {
        let path = folder.join(path);
        let file = fs::File::options().append(true).open(&path);
        let aged = file.and_then(|file| file.set_modified(SystemTime::now() - LONG_AGO));
        aged.with_context(|| format!("cannot age {}", path.display()))?;
    }
    Ok(())
}

#[cfg(unix)]
fn link(target: &str, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_target: &str, path: &Path) -> std::io::Result<()> {
    Err(std::io::Error::other(format!("{} is a link", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        let file = |text: &str| Entry::File(text.as_bytes().to_vec());
        let entries =
            [("a", Entry::Folder), ("a/b", Entry::Folder), ("a/b/c", file("deep")), ("d", file(""))];
        let tree: Tree = entries.into_iter().map(|(path, entry)| (path.to_owned(), entry)).collect();
        write(&tree, &place).unwrap();
        assert_eq!(read(&place).unwrap(), tree);
        write(&Tree::new(), &place).unwrap();
        assert_eq!(read(&place).unwrap(), Tree::new());
    }
}
