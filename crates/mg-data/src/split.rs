use std::ffi::OsStr;
use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A part of a set: of files whose names begin with it, or of folders named so, in capitals or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Split {
    /// `train`, also written `training`.
    #[cfg_attr(feature = "serde", serde(alias = "training"))]
    Train,
    /// `test`, also written `testing`.
    #[cfg_attr(feature = "serde", serde(alias = "testing"))]
    Test,
    /// `validation`, also written `valid` or `val`.
    #[cfg_attr(feature = "serde", serde(alias = "valid", alias = "val"))]
    Validation,
    /// `extra`: SVHN's easier images.
    Extra,
}

impl Split {
    /// The split that a file name begins with: `test` of `test-00000-of-00001.parquet`.
    pub(crate) fn of_name(name: &str) -> Option<Split> {
        name.split(['-', '_', '.']).next().and_then(|word| word.parse().ok())
    }

    /// The split that a folder is named after.
    pub(crate) fn of_folder(name: &OsStr) -> Option<Split> {
        name.to_str()?.parse().ok()
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Validation => "validation",
            Split::Extra => "extra",
        })
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "train" | "training" => Ok(Split::Train),
            "test" | "testing" => Ok(Split::Test),
            "validation" | "valid" | "val" => Ok(Split::Validation),
            "extra" => Ok(Split::Extra),
            _ => Err(Error::Setting(format!("split `{text}` is none of train, test, validation, extra"))),
        }
    }
}

/// The error for a split that is not there.
pub(crate) fn no_split(source_name: &str, wish: Option<Split>, found: &str) -> Error {
    let split = wish.map_or_else(|| "whole".to_owned(), |split| split.to_string());
    Error::NoSplit { source_name: source_name.to_owned(), split, found: found.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_read_off_the_beginning_of_names() {
        assert_eq!(Split::of_name("train-00000-of-00003.parquet"), Some(Split::Train));
        assert_eq!(Split::of_name("valid"), Some(Split::Validation));
        assert_eq!(Split::of_name("Test.parquet"), Some(Split::Test));
        assert_eq!(Split::of_name("trainers.parquet"), None);
    }
}
