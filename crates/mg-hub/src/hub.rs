use std::path::PathBuf;
use std::sync::Mutex;

use crate::calls::Calls;
use crate::http::Http;
use crate::lock::Lock;
use crate::repo::{check_path, check_revision};
use crate::store::{State, Store};
use crate::transfer::{Patience, Transfer};
use crate::{Error, Event, Kind, Known, Options, Repo, Result, is_commit};

/// A hub and a cache: files of repositories, verified.
pub struct Hub {
    pub(crate) options: Options,
    http: Http,
    store: Store,
    lock: Mutex<Lock>,
}

/// What is to be fetched, and what of it is there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The repository.
    pub repo: Repo,
    /// The commit, 40 hexadecimal digits.
    pub commit: String,
    /// The files, in the order of their paths.
    pub files: Vec<Planned>,
}

/// A file of a [`Plan`].
#[derive(Clone, Debug)]
pub struct Planned {
    /// Path in the repository.
    pub path: String,
    /// Size and hash.
    pub known: Known,
    /// Whether verified content lies in the cache.
    pub is_cached: bool,
}

impl Plan {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.known.bytes).sum()
    }

    /// Bytes that are not in the cache.
    pub fn missing_bytes(&self) -> u64 {
        self.files.iter().filter(|file| !file.is_cached).map(|file| file.known.bytes).sum()
    }
}

impl Hub {
    /// A hub with these options. Sends nothing.
    ///
    /// # Errors
    /// A lock file in the cache that cannot be read; an HTTP client that cannot be set up.
    pub fn new(options: Options) -> Result<Self> {
        let store = Store { cache: options.cache.clone() };
        // The lock first: it may be damaged, and an HTTP client takes a while to set up.
        let lock = Mutex::new(Lock::open(&options.cache)?);
        Ok(Hub { http: Http::new(&options)?, options, store, lock })
    }

    /// The commit of a revision: of a branch or tag, `main` unless given. A revision that is a commit is returned as it
    /// is, without a request; offline, a branch or tag has the commit it was last seen at.
    ///
    /// # Errors
    /// No such repository or revision; offline, one that was never seen.
    pub fn commit(&self, repo: &Repo, revision: Option<&str>) -> Result<String> {
        let revision = revision.unwrap_or("main");
        check_revision(revision)?;
        if is_commit(revision) {
            return Ok(revision.to_owned());
        }
        if self.options.offline {
            let offline = || Error::Offline(format!("the commit of {revision} of {repo}"));
            return self.store.reference(repo, revision).ok_or_else(offline);
        }
        let commit = self.calls(repo).commit(revision)?.filter(|sha| is_commit(sha));
        let commit = commit.ok_or_else(|| Error::Hub {
            doing: "look up",
            repo: repo.to_string(),
            reason: format!("it names no commit for {revision}"),
        })?;
        self.store.set_reference(repo, revision, &commit)?;
        Ok(commit)
    }

    /// Paths of the files of a commit that the lock knows, sorted; without a request.
    pub fn known(&self, repo: &Repo, commit: &str) -> Vec<String> {
        self.locks().under(repo, commit, "").into_keys().collect()
    }

    /// Paths of all files of a repository at a commit, sorted; offline those that the lock knows.
    ///
    /// # Errors
    /// When it cannot be listed; offline, when the lock knows none.
    pub fn files(&self, repo: &Repo, commit: &str) -> Result<Vec<String>> {
        if self.options.offline {
            let known = self.known(repo, commit);
            let offline = || Error::Offline(format!("the list of files of {repo}"));
            return (!known.is_empty()).then_some(known).ok_or_else(offline);
        }
        let mut paths = self.calls(repo).files(commit)?;
        paths.sort();
        Ok(paths)
    }

    /// What fetching these files would take. Asks the hub only for files that no lock knows.
    ///
    /// # Errors
    /// No such file; a file that the hub gives no hash of; anything wrong with the cache; offline, a file that is not
    /// there.
    pub fn plan(&self, repo: &Repo, commit: &str, files: &[String]) -> Result<Plan> {
        let mut planned = Vec::new();
        for path in files {
            check_path(path)?;
            let locked = self.locked(repo, commit, path);
            let known = match locked.or_else(|| self.store.linked(repo, commit, path)) {
                Some(known) => known,
                None => self.ask(repo, commit, path)?,
            };
            let is_cached = self.store.state(repo, &known)? == State::Good;
            if self.options.offline && !is_cached {
                return Err(Error::Offline(format!("{path} of {repo}")));
            }
            planned.push(Planned { path: path.clone(), known, is_cached });
        }
        planned.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Plan { repo: repo.clone(), commit: commit.to_owned(), files: planned })
    }

    /// The folder of a commit, without a request, if all files of at least one of `parts` lie in it, verified. A part
    /// is what the paths of its files begin with, and its files are those that the lock knows. Parts of which no file
    /// is there do not count; `None` when there is no other.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when some files of a part are there and some are missing or wrong.
    pub fn local(&self, repo: &Repo, commit: &str, parts: &[String]) -> Result<Option<PathBuf>> {
        let (mut any, snapshot) = (false, self.store.snapshot(repo, commit));
        for part in parts {
            let (missing, of) = self.lacking(repo, commit, part, |path, known| {
                let is_linked = self.store.is_linked(repo, commit, path, known);
                Ok(!is_linked || self.store.state(repo, known)? != State::Good)
            })?;
            if missing.len() < of {
                complete(repo, &missing, of)?;
            }
            any |= missing.is_empty() && of > 0;
        }
        Ok(any.then_some(snapshot))
    }

    /// Computes the hashes of the files of [`local`](Hub::local) that are there anew: a disk may alter what it keeps, and leave
    /// the time as it was. What is found so is fetched anew by the next [`fetch`](Hub::fetch).
    ///
    /// # Errors
    /// [`Error::Incomplete`] when a file is not what it should be.
    pub fn verify(&self, repo: &Repo, commit: &str, parts: &[String]) -> Result<()> {
        for part in parts {
            let is_bad = |_: &str, known: &Known| Ok(self.store.hashed(repo, known)? == State::Bad);
            let (bad, of) = self.lacking(repo, commit, part, is_bad)?;
            complete(repo, &bad, of)?;
        }
        Ok(())
    }

    /// The files of a part that are not as they should be, and how many files it has.
    fn lacking(
        &self,
        repo: &Repo,
        commit: &str,
        part: &str,
        is_lacking: impl Fn(&str, &Known) -> Result<bool>,
    ) -> Result<(Vec<String>, usize)> {
        let (files, mut lacking) = (self.locks().under(repo, commit, part), Vec::new());
        for (path, known) in &files {
            if is_lacking(path, known)? {
                lacking.push(path.clone());
            }
        }
        Ok((lacking, files.len()))
    }

    /// Fetches what a plan lacks, verifies it, and returns the folder in which the files lie under their paths.
    ///
    /// What no lock knew of is written down first. Interrupted, it goes on where it was. Of several
    /// processes one fetches a file and the others wait for it.
    ///
    /// # Errors
    /// What the server does not deliver or the disk does not take; content that is wrong time and again.
    pub fn fetch(&self, plan: &Plan, watch: &mut dyn FnMut(Event<'_>)) -> Result<PathBuf> {
        let known = plan.files.iter().map(|file| (file.path.clone(), file.known.clone())).collect();
        self.locks().add(&plan.repo, &plan.commit, &known)?;
        let mut done = 0;
        for Planned { path, known, .. } in &plan.files {
            let url = self.url(&plan.repo, &plan.commit, path);
            self.verified(&plan.repo, &plan.commit, path, known, &url, watch, &|bytes| done + bytes)?;
            done += known.bytes;
            watch(Event::Progress { file: path, bytes: done });
        }
        Ok(self.store.snapshot(&plan.repo, &plan.commit))
    }

    /// Fetches one file by its address and SHA-256, which must be known, and returns its path.
    ///
    /// # Errors
    /// As for [`fetch`](Hub::fetch).
    pub fn fetch_url(
        &self,
        url: &str,
        name: &str,
        known: &Known,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<PathBuf> {
        check_path(name)?;
        let repo = Repo { kind: Kind::Model, owner: "multigrid".to_owned(), name: "files".to_owned() };
        self.verified(&repo, "by-hash", name, known, url, watch, &|bytes| bytes)?;
        Ok(self.store.snapshot(&repo, "by-hash").join(name))
    }

    /// Lets a snapshot's file lead to verified content, which is fetched from `url` unless it is there; `arrived` turns
    /// the bytes of this file into those that progress reports.
    #[allow(clippy::too_many_arguments, reason = "a file is a place, a content and an address")]
    fn verified(
        &self,
        repo: &Repo,
        commit: &str,
        file: &str,
        known: &Known,
        url: &str,
        watch: &mut dyn FnMut(Event<'_>),
        arrived: &dyn Fn(u64) -> u64,
    ) -> Result<()> {
        let _lock = self.store.lock(repo, known, || watch(Event::Waiting { file }))?;
        let state = self.store.state(repo, known)?;
        if state == State::Bad {
            watch(Event::Wrong { file });
            self.store.remove(repo, known)?;
        }
        if state != State::Good {
            let (http, options, target) = (&self.http, &self.options, self.store.blob(repo, known));
            Transfer { http, options, url, file, target: &target, known }.run(watch, arrived)?;
            self.store.set_good(repo, known)?;
        }
        self.store.link(repo, commit, file, known)
    }

    /// What the hub says of a file that no lock knows.
    fn ask(&self, repo: &Repo, commit: &str, path: &str) -> Result<Known> {
        if self.options.offline {
            return Err(Error::Offline(format!("{path} of {repo}")));
        }
        let url = self.url(repo, commit, path);
        let patience = Patience::new(&self.options, &url, path);
        let head = patience.until(&mut |_| {}, || self.http.head(&url))?;
        let known = head.digest.zip(head.bytes).map(|(digest, bytes)| Known { bytes, digest });
        known.ok_or(Error::Unverifiable(url))
    }

    fn locked(&self, repo: &Repo, commit: &str, path: &str) -> Option<Known> {
        self.locks().get(repo, commit, path).cloned()
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, Lock> {
        self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn url(&self, repo: &Repo, commit: &str, path: &str) -> String {
        let path = path.replace(' ', "%20");
        format!("{}/{}/resolve/{commit}/{path}", self.options.endpoint, repo.route())
    }

    fn calls<'a>(&'a self, repo: &'a Repo) -> Calls<'a> {
        Calls { http: &self.http, options: &self.options, repo }
    }
}

/// Fails when files of a set are missing or damaged.
fn complete(repo: &Repo, lacking: &[String], of: usize) -> Result<()> {
    let Some(file) = lacking.first() else { return Ok(()) };
    Err(Error::Incomplete { repo: repo.to_string(), missing: lacking.len(), of, file: file.clone() })
}
