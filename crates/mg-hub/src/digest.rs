use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// What identifies the content of a file on the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Digest {
    /// SHA-256 in hexadecimal, which the hub gives for every large file.
    Sha256(String),
    /// Git's own hash of a small file: SHA-1 of `blob LENGTH`, a zero byte and the content.
    Git(String),
}

/// Size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its length in bytes.
    pub bytes: u64,
    /// The hash of its content.
    pub digest: Digest,
}

impl Digest {
    /// The hexadecimal digits, by which the cache names the file.
    pub fn hex(&self) -> &str {
        match self {
            Digest::Sha256(hex) | Digest::Git(hex) => hex,
        }
    }

    /// The digest of this many hexadecimal digits, SHA-256 for 64 and git's for 40; `None` for any other text.
    pub(crate) fn of_hex(hex: &str) -> Option<Self> {
        let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match (is_hex, hex.len()) {
            (true, 64) => Some(Digest::Sha256(hex.to_owned())),
            (true, 40) => Some(Digest::Git(hex.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Digest::Sha256(hex) => write!(f, "sha256:{hex}"),
            Digest::Git(hex) => write!(f, "git:{hex}"),
        }
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(kind, hex)| match (kind, Digest::of_hex(hex)?) {
            ("sha256", digest @ Digest::Sha256(_)) | ("git", digest @ Digest::Git(_)) => Some(digest),
            _ => None,
        });
        parsed
            .ok_or_else(|| format!("`{text}` is neither sha256: with 64 nor git: with 40 hexadecimal digits"))
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {}", self.bytes, self.digest)
    }
}

/// Computes a digest as bytes arrive.
pub(crate) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
}

impl Hasher {
    pub(crate) fn new(known: &Known) -> Self {
        match known.digest {
            Digest::Sha256(_) => Hasher::Sha256(Sha256::new()),
            Digest::Git(_) => {
                let mut hash = Sha1::new();
                hash.update(format!("blob {}\0", known.bytes));
                Hasher::Git(hash)
            }
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hash) => hash.update(bytes),
            Hasher::Git(hash) => hash.update(bytes),
        }
    }

    /// Feeds the first bytes of a file.
    pub(crate) fn read(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let mut file = File::open(path).map_err(Error::io("open", path))?.take(bytes);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(Error::io("read", path))? {
                0 => return Ok(()),
                n => self.update(&buffer[..n]),
            }
        }
    }

    pub(crate) fn finish(self) -> Digest {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Hasher::Sha256(hash) => Digest::Sha256(hex(&hash.finalize())),
            Hasher::Git(hash) => Digest::Git(hex(&hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard_programs() {
        let of = |digest: Digest, content: &[u8]| {
            let mut hasher = Hasher::new(&Known { bytes: content.len() as u64, digest });
            hasher.update(content);
            hasher.finish().to_string()
        };
        // printf 'hello\n' | sha256sum; printf 'hello\n' | git hash-object --stdin
        assert_eq!(
            of(Digest::Sha256(String::new()), b"hello\n"),
            "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(
            of(Digest::Git(String::new()), b"hello\n"),
            "git:ce013625030ba8dba906f756967f9e9ca394464a"
        );
    }

    #[test]
    fn a_digest_survives_being_written_and_read() {
        for hex in ["ab".repeat(32), "cd".repeat(20)] {
            let digest = Digest::of_hex(&hex).unwrap();
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
        assert!(Digest::of_hex("xyz").is_none() && Digest::of_hex(&"AB".repeat(32)).is_none());
        assert!("git:abc".parse::<Digest>().is_err());
    }
}
