use std::path::{Path, PathBuf};
use std::time::Duration;

use mg_hub::{Hub, Kind, Options, Repo};
use mg_random::Key;
use tempfile::TempDir;

use crate::server::Loopback;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const FILE: &str = "data/train-00000-of-00001.parquet";
pub(crate) const ROUTE: &str = "datasets/some-body/some-set";

/// A hub with one file, and a cache.
pub(crate) struct Scene {
    pub(crate) loopback: Loopback,
    pub(crate) cache: TempDir,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn random(n: usize, seed: u64) -> Vec<u8> {
    let mut stream = Key::new(seed).named("content").stream();
    (0..n).map(|_| stream.next_u32() as u8).collect()
}

impl Scene {
    pub(crate) fn new(bytes: Vec<u8>, is_large: bool) -> Self {
        let loopback = Loopback::start();
        loopback.put(ROUTE, COMMIT, FILE, bytes.clone(), is_large);
        Scene { loopback, cache: tempfile::tempdir().unwrap(), bytes }
    }

    pub(crate) fn options(&self) -> Options {
        options(&self.loopback, self.cache.path())
    }

    /// Fetches the file as a new process would.
    pub(crate) fn fetch_with(&self, options: Options) -> mg_hub::Result<PathBuf> {
        let hub = Hub::new(options)?;
        let plan = hub.plan(&repo(), COMMIT, &[FILE.to_owned()])?;
        assert_eq!(plan.bytes(), self.bytes.len() as u64);
        Ok(hub.fetch(&plan, &mut |_| {})?.join(FILE))
    }

    pub(crate) fn fetch(&self) -> mg_hub::Result<PathBuf> {
        self.fetch_with(self.options())
    }

    /// Asserts that what a path leads to is the content.
    pub(crate) fn is_whole(&self, path: &Path) {
        assert!(std::fs::read(path).unwrap() == self.bytes, "{} has other content", path.display());
    }

    /// The file that content has in the cache, there or not.
    pub(crate) fn blob(&self) -> PathBuf {
        let folder = self.cache.path().join("datasets--some-body--some-set/blobs");
        let hash = crate::server::encoding::hex(&<sha2::Sha256 as sha2::Digest>::digest(&self.bytes));
        folder.join(hash)
    }
}

pub(crate) fn repo() -> Repo {
    Repo::new(Kind::Dataset, "some-body/some-set").unwrap()
}

/// Four tries, no waits, and half a second of silence.
pub(crate) fn options(loopback: &Loopback, cache: &Path) -> Options {
    Options {
        endpoint: loopback.endpoint.clone(),
        token: None,
        cache: cache.to_owned(),
        offline: false,
        attempts: 4,
        backoff: Duration::ZERO,
        longest_wait: Duration::from_millis(20),
        timeout: Duration::from_millis(500),
    }
}
