use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::digest::Hasher;
use crate::http::{Body, Failure, Http, passing};
use crate::store::{make_folder_of, remove_link};
use crate::{Error, Event, Known, Options, Result};

/// One file on its way: from an address to verified content at a path.
pub(crate) struct Transfer<'a> {
    pub(crate) http: &'a Http,
    pub(crate) options: &'a Options,
    pub(crate) url: &'a str,
    /// Path in the repository, for reports.
    pub(crate) file: &'a str,
    /// Where it will be when it is whole and verified.
    pub(crate) target: &'a Path,
    pub(crate) known: &'a Known,
}

/// Tries without progress, until patience ends.
pub(crate) struct Patience<'a> {
    options: &'a Options,
    url: &'a str,
    file: &'a str,
    tried: u32,
}

/// Times that whole content with a wrong hash is fetched anew.
const MAX_WRONG: u32 = 2;
/// Bytes that count as progress, after which patience begins anew.
const PROGRESS: u64 = 1 << 16;

impl<'a> Patience<'a> {
    pub(crate) fn new(options: &'a Options, url: &'a str, file: &'a str) -> Self {
        Patience { options, url, file, tried: 0 }
    }

    /// Waits before the next try, or ends with the error.
    pub(crate) fn after(&mut self, failure: Failure, watch: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let (reason, wished) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { reason, wait } => (reason, wait.unwrap_or_default()),
        };
        self.tried += 1;
        if self.tried >= self.options.attempts.max(1) {
            return Err(Error::Unreachable { url: self.url.to_owned(), reason, attempts: self.tried });
        }
        let doubled = self.options.backoff.saturating_mul(1 << (self.tried - 1).min(16));
        let wait = doubled.max(wished).min(self.options.longest_wait);
        watch(Event::Retrying { file: self.file, reason: &reason, wait });
        std::thread::sleep(wait);
        Ok(())
    }

    /// Calls until it succeeds or patience ends.
    pub(crate) fn until<T>(
        mut self,
        watch: &mut dyn FnMut(Event<'_>),
        mut call: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T> {
        loop {
            match call() {
                Ok(value) => return Ok(value),
                Err(failure) => self.after(failure, watch)?,
            }
        }
    }
}

/// What has arrived so far.
struct Partial {
    path: PathBuf,
    file: File,
    hasher: Hasher,
    bytes: u64,
}

impl Transfer<'_> {
    /// Fetches the content, going on where an earlier try ended, and puts it in its place when its hash is right.
    ///
    /// `arrived` is told the bytes that are there. The caller holds the lock of the content.
    pub(crate) fn run(&self, watch: &mut dyn FnMut(Event<'_>), arrived: &dyn Fn(u64) -> u64) -> Result<()> {
        let (mut patience, mut wrong) = (Patience::new(self.options, self.url, self.file), 0);
        let mut partial = Partial::open(self.target, self.known)?;
        loop {
            let before = partial.bytes;
            let tried = self.receive(&mut partial, &mut |bytes| {
                watch(Event::Progress { file: self.file, bytes: arrived(bytes) });
            });
            if partial.bytes >= before.saturating_add(PROGRESS) {
                patience.tried = 0;
            }
            if let Err(failure) = tried {
                patience.after(failure, watch)?;
                continue;
            }
            let found = partial.digest();
            if found == self.known.digest {
                return partial.publish(self.target);
            }
            partial.restart(self.known)?;
            wrong += 1;
            if wrong > MAX_WRONG {
                let (what, expected) = (self.url.to_owned(), self.known.digest.to_string());
                fs::remove_file(&partial.path).map_err(Error::io("delete", &partial.path))?;
                return Err(Error::Damaged { what, expected, found: found.to_string() });
            }
            watch(Event::Wrong { file: self.file });
        }
    }

    /// One request: adds what arrives until the content is whole.
    fn receive(&self, partial: &mut Partial, arrived: &mut dyn FnMut(u64)) -> Result<(), Failure> {
        if partial.bytes == self.known.bytes {
            return Ok(());
        }
        let Body { from, mut reader } = match self.http.get(self.url, partial.bytes) {
            Ok(body) => body,
            Err(failure) => {
                // A server that refuses to go on may still begin again.
                if matches!(&failure, Failure::Passing { reason, .. } if reason.contains("416")) {
                    partial.restart(self.known).map_err(Failure::Final)?;
                }
                return Err(failure);
            }
        };
        if from != partial.bytes {
            partial.restart(self.known).map_err(Failure::Final)?;
        }
        let mut buffer = vec![0; 1 << 16];
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) if partial.bytes == self.known.bytes => return Ok(()),
                Ok(0) => return Err(passing(format!("{} of {} bytes", partial.bytes, self.known.bytes))),
                Ok(n) => n,
                Err(error) => return Err(passing(format!("after {} bytes: {error}", partial.bytes))),
            };
            if partial.bytes + n as u64 > self.known.bytes {
                partial.restart(self.known).map_err(Failure::Final)?;
                return Err(passing(format!("more bytes than the {} it should have", self.known.bytes)));
            }
            partial.add(&buffer[..n]).map_err(Failure::Final)?;
            arrived(partial.bytes);
        }
    }
}

impl Partial {
    fn open(target: &Path, known: &Known) -> Result<Self> {
        make_folder_of(target)?;
        let mut path = target.as_os_str().to_owned();
        path.push(".multigrid-partial");
        let path = PathBuf::from(path);
        remove_link(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(Error::io("create", &path))?;
        let bytes = file.metadata().map_err(Error::io("look at", &path))?.len();
        let mut partial = Partial { path, file, hasher: Hasher::new(known), bytes };
        if bytes > known.bytes {
            partial.restart(known)?;
        } else {
            partial.hasher.read(&partial.path, bytes)?;
        }
        Ok(partial)
    }

    fn restart(&mut self, known: &Known) -> Result<()> {
        self.file.set_len(0).map_err(Error::io("empty", &self.path))?;
        (self.hasher, self.bytes) = (Hasher::new(known), 0);
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        // Of a write that the disk had no room for, some bytes may be there: the file is cut back to what was hashed.
        if let Err(error) = self.file.write_all(bytes) {
            let _ = self.file.set_len(self.bytes);
            return Err(Error::io("write", &self.path)(error));
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn digest(&mut self) -> crate::Digest {
        let fresh = match self.hasher {
            Hasher::Sha256(_) => Hasher::Sha256(Default::default()),
            Hasher::Git(_) => Hasher::Git(Default::default()),
        };
        std::mem::replace(&mut self.hasher, fresh).finish()
    }

    fn publish(self, target: &Path) -> Result<()> {
        self.file.sync_all().map_err(Error::io("flush", &self.path))?;
        mg_files::rename(&self.path, target).map_err(Error::io("rename", &self.path))
    }
}

impl Options {
    /// One try, no waiting: for tests and for callers that retry by themselves.
    pub fn impatient(mut self) -> Self {
        (self.attempts, self.backoff, self.longest_wait) = (1, Duration::ZERO, Duration::ZERO);
        self
    }
}
