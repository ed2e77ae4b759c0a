//! The sets and weights that have names.

use crate::{Kind, Repo};

/// A data set with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is called here.
    pub name: &'static str,
    /// What it is, in a few words.
    pub summary: &'static str,
    /// `OWNER/NAME` on the hub; `None` for a set that only its owner hands out.
    pub repo: Option<&'static str>,
    /// The commit, where it is pinned beforehand; else it is pinned on first use.
    pub commit: Option<&'static str>,
    /// The folder of the repository that is the set; empty for all of it.
    pub folder: &'static str,
    /// The parts, in order; the first is what is fetched unless others are asked for.
    pub parts: &'static [Part],
    /// What its owner allows to do with it, in short. To be checked at the source.
    pub licence: &'static str,
    /// How to get it, where it is not on the hub.
    pub by_hand: &'static str,
}

/// A part of a set: its files and their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// `train`, `test` and the like.
    pub split: &'static str,
    /// What its files' names begin with, from the root of the repository.
    pub prefix: &'static str,
    /// Images in all its files, where it is known beforehand.
    pub rows: Option<u64>,
}

/// Weights that are published as one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// What they are called here.
    pub name: &'static str,
    /// What they are, in a few words.
    pub summary: &'static str,
    /// The address of the file.
    pub url: &'static str,
    /// The file's name.
    pub file: &'static str,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
}

impl Entry {
    /// Its repository, where it has one.
    pub fn repo(&self) -> Option<Repo> {
        Repo::new(Kind::Dataset, self.repo?).ok()
    }

    /// The part of a split.
    pub fn part(&self, split: &str) -> Option<&'static Part> {
        self.parts.iter().find(|part| part.split == split)
    }
}

const SETS: &[Entry] = &[
    Entry {
        name: "cifar10",
        summary: "60,000 photographs of ten kinds of things, 32 x 32",
        repo: Some("uoft-cs/cifar10"),
        commit: Some("0b2714987fa478483af9968de7c934580d0bb9a2"),
        folder: "plain_text",
        parts: &[
            Part { split: "train", prefix: "plain_text/train-", rows: Some(50_000) },
            Part { split: "test", prefix: "plain_text/test-", rows: Some(10_000) },
        ],
        licence: "its owner states none; cite Krizhevsky 2009",
        by_hand: "",
    },
    Entry {
        name: "svhn",
        summary: "digits of house numbers, 32 x 32, ten classes",
        repo: Some("ufldl-stanford/svhn"),
        commit: Some("f9e1717d73324ebbc1ece84267ccd80d0aca0690"),
        folder: "cropped_digits",
        parts: &[
            Part { split: "train", prefix: "cropped_digits/train-", rows: Some(73_257) },
            Part { split: "test", prefix: "cropped_digits/test-", rows: Some(26_032) },
            Part { split: "extra", prefix: "cropped_digits/extra-", rows: Some(531_131) },
        ],
        licence: "non-commercial use only; cite Netzer et al. 2011",
        by_hand: "",
    },
    Entry {
        name: "celeba",
        summary: "202,599 aligned photographs of faces, 178 x 218, one part",
        repo: Some("nielsr/CelebA-faces"),
        commit: None,
        folder: "",
        parts: &[Part { split: "train", prefix: "data/train-", rows: Some(202_599) }],
        licence: "non-commercial research only; real people's faces; cite Liu et al. 2015",
        by_hand: "",
    },
    Entry {
        name: "celeba-splits",
        summary: "the same faces in the official parts, with attributes",
        repo: Some("flwrlabs/celeba"),
        commit: Some("2d738f56e0e7f925ea36ae7c808ea925264aacec"),
        folder: "",
        parts: &[
            Part { split: "train", prefix: "img_align+identity+attr/train-", rows: Some(162_770) },
            Part { split: "valid", prefix: "img_align+identity+attr/valid-", rows: Some(19_867) },
            Part { split: "test", prefix: "img_align+identity+attr/test-", rows: Some(19_962) },
        ],
        licence: "non-commercial research only; real people's faces; cite Liu et al. 2015",
        by_hand: "",
    },
    Entry {
        name: "lsun-bedrooms",
        summary: "a sample of 303 thousand photographs of bedrooms",
        repo: Some("pcuenq/lsun-bedrooms"),
        commit: None,
        folder: "",
        parts: &[Part { split: "train", prefix: "data/train-", rows: None }],
        licence: "see the source; cite Yu et al. 2015",
        by_hand: "",
    },
    Entry {
        name: "lsun-bedrooms-full",
        summary: "all 3,033,042 photographs of bedrooms, as LMDB",
        repo: None,
        commit: None,
        folder: "",
        parts: &[],
        licence: "see the source; cite Yu et al. 2015",
        by_hand: "its owner hands out one archive per kind of room: fetch bedroom_train_lmdb.zip with the script that \
                  the LSUN project publishes, unpack it, and pack it once:\n  \
                  mg data pack path/to/bedroom_train_lmdb --side 64 --out bedrooms.mgpack\n\
                  then: mg train --data bedrooms.mgpack",
    },
    Entry {
        name: "places205",
        summary: "2.45 million photographs of 205 kinds of places",
        repo: None,
        commit: None,
        folder: "",
        parts: &[],
        licence: "see the source; cite Zhou et al. 2014",
        by_hand: "its owner hands it out after a request on the page of the Places project; unpack the archive, or leave \
                  it packed, and name one kind of place, as the paper does, or all of them:\n  \
                  mg data pack path/to/places205/r/rock_arch --side 64 --out rocks.mgpack\n\
                  then: mg train --data rocks.mgpack",
    },
];

/// The weights that have names.
pub const WEIGHTS: &[Weights] = &[Weights {
    name: "inception-2015",
    summary: "the graph of 2015-12-05 that inception scores and Fréchet distances are defined by (Apache-2.0)",
    url: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    file: "pt_inception-2015-12-05-6726825d.pth",
    bytes: 95_628_359,
    sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
}];

/// All sets, in the order in which they are shown.
pub fn sets() -> impl Iterator<Item = &'static Entry> {
    SETS.iter()
}

/// The set of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    SETS.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, is_commit};

    #[test]
    fn every_entry_is_on_the_hub_or_says_how_to_get_it() {
        for entry in sets() {
            assert_eq!(entry.repo.is_none(), !entry.by_hand.is_empty(), "{}", entry.name);
            assert_eq!(entry.repo.is_some(), entry.repo().is_some(), "{}", entry.name);
            assert_eq!(entry.repo.is_none(), entry.parts.is_empty(), "{}", entry.name);
            assert!(entry.commit.is_none_or(is_commit), "{}", entry.name);
            let inside = |part: &Part| part.prefix.starts_with(entry.folder);
            assert!(entry.parts.iter().all(inside), "{}", entry.name);
        }
        assert!(
            WEIGHTS.iter().all(|weights| matches!(Digest::of_hex(weights.sha256), Some(Digest::Sha256(_))))
        );
    }
}
