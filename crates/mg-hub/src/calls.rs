//! The hub's interface as far as it is read: revisions, and lists of files. Whatever it answers, a call ends.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;

use crate::http::{Failure, Http, passing, same_host};
use crate::transfer::Patience;
use crate::{Error, Options, Repo, Result};

/// Bytes of an answer, at most.
const MAX_ANSWER: u64 = 64 << 20;
/// Pages of a list, at most; the hub's have a thousand files each.
const MAX_PAGES: usize = 1000;
/// An answer is whole within so many times the silence that is waited for.
pub(crate) const WHOLE: u32 = 4;

/// Asks the interface about a repository.
pub(crate) struct Calls<'a> {
    pub(crate) http: &'a Http,
    pub(crate) options: &'a Options,
    pub(crate) repo: &'a Repo,
}

impl Calls<'_> {
    /// The commit that a branch or tag names, as the hub says it.
    pub(crate) fn commit(&self, revision: &str) -> Result<Option<String>> {
        let (answer, _) = self.get(&self.address(&["revision", revision])?)?;
        Ok(answer["sha"].as_str().map(str::to_owned))
    }

    /// Paths of all files at a commit.
    pub(crate) fn files(&self, commit: &str) -> Result<Vec<String>> {
        let mut next = Some(format!("{}?recursive=true", self.address(&["tree", commit])?));
        let mut paths = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(paths) };
            let (answer, following) = self.get(&url)?;
            let entries =
                answer.as_array().ok_or_else(|| self.failed("list", "its answer is no list".to_owned()))?;
            let files = entries.iter().filter(|entry| entry["type"] == "file");
            paths.extend(files.filter_map(|file| file["path"].as_str().map(str::to_owned)));
            next = following;
        }
        Err(self.failed("list", format!("the list has more than {MAX_PAGES} pages")))
    }

    /// `ENDPOINT/api/models/OWNER/NAME/...`, every part encoded.
    fn address(&self, parts: &[&str]) -> Result<String> {
        let endpoint = &self.options.endpoint;
        let unusable =
            |reason: String| self.failed("ask", format!("{endpoint} is no address to ask: {reason}"));
        let mut url = Url::parse(endpoint).map_err(|error| unusable(error.to_string()))?;
        let kind = match self.repo.kind {
            crate::Kind::Dataset => "datasets",
            crate::Kind::Model => "models",
        };
        let own = ["api", kind, self.repo.owner.as_str(), self.repo.name.as_str()];
        let mut path = url.path_segments_mut().map_err(|()| unusable("it has no paths".to_owned()))?;
        path.pop_if_empty().extend(own.iter().chain(parts));
        drop(path);
        Ok(url.into())
    }

    /// The JSON at an address, and the address of the next page.
    fn get(&self, url: &str) -> Result<(Value, Option<String>)> {
        Patience::new(self.options, url, "the list").until(&mut |_| {}, || {
            let response = self.http.interface(url)?;
            let next = next_page(response.headers()).map(str::to_owned);
            let text = limited(response, self.options.timeout * WHOLE)?;
            let value =
                serde_json::from_slice(&text).map_err(|error| passing(format!("no JSON ({error})")))?;
            // The token goes with the next request: only to where this one went.
            let next = next.map(|next| match same_host(&next, url) {
                true => Ok(next),
                false => {
                    let reason = format!("its next page is at {next}, another host");
                    Err(Failure::Final(self.failed("list", reason)))
                }
            });
            Ok((value, next.transpose()?))
        })
    }

    fn failed(&self, doing: &'static str, reason: String) -> Error {
        Error::Hub { doing, repo: self.repo.to_string(), reason }
    }
}

/// The bytes of an answer that is not too long and does not take too long.
fn limited(from: impl Read, within: Duration) -> Result<Vec<u8>, Failure> {
    let (start, mut from) = (Instant::now(), from.take(MAX_ANSWER + 1));
    let (mut all, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = from.read(&mut piece).map_err(|error| passing(error.to_string()))?;
        if read == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&piece[..read]);
        if all.len() as u64 > MAX_ANSWER {
            return Err(passing(format!("an answer of more than {MAX_ANSWER} bytes")));
        }
        if start.elapsed() > within {
            return Err(passing(format!("no whole answer within {} s", within.as_secs_f64())));
        }
    }
}

/// `<ADDRESS>; rel="next"` among the links of an answer (RFC 8288).
fn next_page(headers: &HeaderMap) -> Option<&str> {
    let links = headers.get(LINK)?.to_str().ok()?.split(',');
    links.filter_map(|link| link.trim().strip_prefix('<')?.split_once('>')).find_map(|(address, rest)| {
        rest.split(';').any(|part| part.trim() == "rel=\"next\"").then_some(address)
    })
}
