//! The code that a result comes from.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::content::{Hashes, hex};
use crate::spawn;

/// Which `mg` it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    /// What `mg --version` says.
    pub(super) version: String,
    /// The last commit that changed what `mg` is built of, so that a commit of results makes no result an old one. Of an `mg`
    /// from elsewhere, whose commit nobody knows, the SHA-256.
    pub(super) revision: String,
    /// A hash of the changes that are in no commit, where there are any.
    pub(super) changes: Option<String>,
}

/// What `mg` is built of.
const SOURCES: [&str; 4] = ["crates", "Cargo.toml", "Cargo.lock", ".cargo"];

impl Code {
    /// The code of an `mg`, or of the one that would be built here.
    pub(super) fn read(root: &Path, mg: Option<&Path>, hashes: &mut Hashes) -> Result<Self> {
        let Some(mg) = mg else {
            let (revision, changes) = checkout(root)?;
            return Ok(Code { version: version_here(root)?, revision, changes });
        };
        let program = mg.to_str().context("the path of mg is no text")?;
        let version = spawn::output(root, program, &["--version"])?.trim().to_owned();
        let target = spawn::target_dir(root)?;
        let is_ours = target.canonicalize().is_ok_and(|target| mg.starts_with(target));
        let (revision, changes) = match is_ours {
            true => checkout(root)?,
            false => (format!("sha256:{}", &hashes.of(mg)?[..12]), None),
        };
        Ok(Code { version, revision, changes })
    }

    /// The revision, and that it does not tell all, where it does not.
    pub(super) fn label(&self) -> String {
        let dirty = if self.is_dirty() { "-dirty" } else { "" };
        format!("{}{dirty}", self.revision)
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.changes.is_some()
    }

    /// All that tells it from other code.
    pub(super) fn identity(&self) -> String {
        let changes = self.changes.as_deref().unwrap_or_default();
        format!("{} {} {changes}", self.version, self.revision)
    }
}

/// The last commit that changed the sources, and a hash of what changed since.
fn checkout(root: &Path) -> Result<(String, Option<String>)> {
    let git = |args: &[&str]| spawn::output(root, "git", &[args, &["--"], &SOURCES].concat());
    let revision = git(&["log", "-1", "--format=%h", "--abbrev=12"])?.trim().to_owned();
    let diff = git(&["diff", "HEAD", "--binary"])?;
    let new = git(&["ls-files", "-z", "--others", "--exclude-standard"])?;
    if diff.is_empty() && new.is_empty() {
        return Ok((revision, None));
    }
    let mut hash = Sha256::new();
    hash.update(diff);
    for file in new.split('\0').filter(|file| !file.is_empty()) {
        let bytes = std::fs::read(root.join(file)).with_context(|| format!("cannot read {file}"))?;
        hash.update(file);
        hash.update(Sha256::digest(bytes));
    }
    Ok((revision, Some(hex(hash))))
}

/// What an `mg` built here will say of its version.
fn version_here(root: &Path) -> Result<String> {
    let path = root.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{} is wrong", path.display()))?;
    let version = manifest.get("workspace").and_then(|all| all.get("package")?.get("version")?.as_str());
    Ok(format!("mg {}", version.context("Cargo.toml has no workspace.package.version")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"];
        spawn::output(folder, "git", &[&who[..], args].concat()).unwrap();
    }

    #[test]
    fn a_checkout_is_known_by_what_its_sources_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let write = |file: &str, text: &str| std::fs::write(root.join(file), text).unwrap();
        std::fs::create_dir(root.join("crates")).unwrap();
        write("Cargo.toml", "[workspace.package]\nversion = \"0.3.0\"\n");
        write("crates/a.rs", "one");
        git(root, &["init", "--quiet"]);
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "one"]);
        let read = || Code::read(root, None, &mut Hashes::none()).unwrap();
        let first = read();
        assert_eq!((first.version.as_str(), first.label()), ("mg 0.3.0", first.revision.clone()));
        write("README.md", "results");
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "two"]);
        assert_eq!(read(), first, "a commit that changes no source");
        write("crates/a.rs", "two");
        let changed = read();
        assert_eq!(changed.label(), format!("{}-dirty", first.revision));
        write("crates/a.rs", "three");
        assert_ne!(read().identity(), changed.identity(), "other changes are other code");
        git(root, &["commit", "--quiet", "-am", "three"]);
        let second = read();
        assert!(!second.is_dirty() && second.revision != first.revision);
        write("crates/b.rs", "new");
        assert!(read().is_dirty(), "a new file counts");
    }
}
