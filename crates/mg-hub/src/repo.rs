use std::fmt;
use std::path::Path;

use crate::{Error, Result};

/// Kind of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Images.
    Dataset,
    /// Weights.
    Model,
}

/// A repository of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// What it holds.
    pub kind: Kind,
    /// The person or organisation.
    pub owner: String,
    /// Its name below the owner.
    pub name: String,
}

/// What `hf:OWNER/NAME[@REVISION][/FILE]` says, with or without `hf:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The repository.
    pub repo: Repo,
    /// Branch, tag or commit, where one is named.
    pub revision: Option<String>,
    /// File or folder in it, where one is named.
    pub file: Option<String>,
}

/// What an address on the hub begins with, where it could be a path too.
pub const PREFIX: &str = "hf:";

impl Repo {
    /// The repository `OWNER/NAME`.
    ///
    /// # Errors
    /// When the text is no such name.
    pub fn new(kind: Kind, text: &str) -> Result<Self> {
        let address = Address::parse(kind, text)?;
        match (&address.revision, &address.file) {
            (None, None) => Ok(address.repo),
            _ => Err(not(text, "names more than a repository; give OWNER/NAME")),
        }
    }

    /// `OWNER/NAME`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// `datasets/OWNER/NAME` or `OWNER/NAME`: what follows the endpoint in addresses of files.
    pub(crate) fn route(&self) -> String {
        match self.kind {
            Kind::Dataset => format!("datasets/{}", self.id()),
            Kind::Model => self.id(),
        }
    }

    /// Its folder of the cache, named as every program that shares the cache names it.
    pub(crate) fn folder(&self) -> String {
        let kind = match self.kind {
            Kind::Dataset => "datasets",
            Kind::Model => "models",
        };
        format!("{kind}--{}--{}", self.owner, self.name)
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.route())
    }
}

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// When it names no repository, or a file outside of it.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let rest = text.strip_prefix(PREFIX).unwrap_or(text);
        let mut parts = rest.splitn(3, '/');
        let (owner, name, file) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let name = name.ok_or_else(|| not(text, "is no repository; give OWNER/NAME"))?;
        let (name, revision) = match name.split_once('@') {
            Some((name, revision)) => (name, Some(revision.to_owned())),
            None => (name, None),
        };
        if !is_word(owner) || !is_word(name) {
            return Err(not(text, "is no repository; owner and name are letters, digits, `-`, `_` and `.`"));
        }
        if let Some(revision) = &revision {
            check_revision(revision)?;
        }
        let file = file.map(|file| file.trim_end_matches('/').to_owned()).filter(|file| !file.is_empty());
        if let Some(file) = &file {
            check_path(file)?;
        }
        Ok(Address { repo: Repo { kind, owner: owner.to_owned(), name: name.to_owned() }, revision, file })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.repo.id())?;
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        self.file.iter().try_for_each(|file| write!(f, "/{file}"))
    }
}

/// Whether a revision is a commit, 40 hexadecimal digits, which never changes.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(crate) fn check_revision(revision: &str) -> Result<()> {
    if is_word(revision) {
        return Ok(());
    }
    Err(not(revision, "is no revision; give a branch, a tag or a commit without slashes"))
}

/// A path that stays within its folder, on every system.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let plain = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0', '?', '#', '%'])
    };
    if path.split('/').all(plain) && Path::new(path).is_relative() {
        return Ok(());
    }
    Err(not(path, "is no path within a repository"))
}

fn is_word(text: &str) -> bool {
    let fits = (1..=96).contains(&text.len()) && !text.starts_with(['.', '-']) && !text.contains("..");
    fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn not(name: &str, reason: &str) -> Error {
    Error::Name { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_written_again() {
        for text in ["hf:a/b", "hf:a/b@main", "hf:a/b/data/train.parquet", "hf:a-1/b.c@v1.0/x"] {
            let address = Address::parse(Kind::Dataset, text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(Kind::Dataset, &text[3..]).unwrap(), address);
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let bad = [
            "a",
            "a/",
            "/b",
            "../b",
            "a/..",
            "a/b@",
            "a/b@../x",
            "a/b/../c",
            "a/b//c",
            "a/b/c\\d",
            "a b/c",
            "a/b/C:x",
            "-a/b",
            "a/b?x",
            "a/b/x?y",
            "a/b/%2e%2e/x",
            "a/b@x y",
        ];
        for text in bad {
            let error = Address::parse(Kind::Model, text).unwrap_err();
            assert!(matches!(error, Error::Name { .. }), "{text}: {error}");
        }
        assert!(Repo::new(Kind::Model, "a/b/c").is_err());
    }

    #[test]
    fn a_commit_is_forty_small_hexadecimal_digits() {
        assert!(is_commit(&"0a".repeat(20)));
        assert!(!is_commit(&"0A".repeat(20)) && !is_commit("main") && !is_commit(&"0".repeat(39)));
    }
}
