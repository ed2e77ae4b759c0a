//! Requests for files. What is worth another try is told from what is not.

use std::io::Read;
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;

use crate::{Digest, Error, Options, Result};

/// The two ways of asking.
pub(crate) struct Http {
    /// Answers with the hub's own headers, which a redirect to its storage would replace.
    direct: Client,
    /// Follows to where the bytes are.
    following: Client,
    /// Whose addresses are asked with the token.
    endpoint: String,
    token: Option<String>,
    offline: bool,
}

/// How a request failed.
pub(crate) enum Failure {
    /// It may succeed later, not before this time, where the server gives one.
    Passing { reason: String, wait: Option<Duration> },
    /// It would fail again.
    Final(Error),
}

/// What the hub says of a file before it is sent.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) digest: Option<Digest>,
    pub(crate) bytes: Option<u64>,
}

/// A file's bytes, from some offset to its end.
pub(crate) struct Body {
    pub(crate) from: u64,
    pub(crate) reader: Box<dyn Read>,
}

/// What every request says of the program that makes it.
pub(crate) const AGENT: &str = concat!("multigrid/", env!("CARGO_PKG_VERSION"));
/// Redirects within the hub (of renamed repositories) that are followed.
const MAX_REDIRECTS: usize = 5;

impl Http {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let client = |policy| {
            let builder = Client::builder().user_agent(AGENT).redirect(policy);
            let builder = builder.connect_timeout(options.timeout).timeout(options.timeout);
            builder.build().map_err(|e| Error::Hub {
                doing: "prepare requests to",
                repo: options.endpoint.clone(),
                reason: told(&e),
            })
        };
        Ok(Http {
            direct: client(Policy::none())?,
            following: client(Policy::limited(MAX_REDIRECTS))?,
            endpoint: options.endpoint.clone(),
            token: options.token.clone(),
            offline: options.offline,
        })
    }

    /// Size and hash of the file at `url`.
    pub(crate) fn head(&self, url: &str) -> Result<Head, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(self.direct.head(&url), &url)?;
            let headers = response.headers();
            let moved = headers.get(LOCATION).and_then(|to| to.to_str().ok());
            match moved {
                // A path of the same host: the repository has another name now. Elsewhere are only the bytes.
                Some(path) if joins_within(response.url(), path) => {
                    url = response.url().join(path).map_or(url, String::from);
                }
                _ => return Ok(described(headers, response.status().is_redirection())),
            }
        }
        Err(passing(format!("{url}: more than {MAX_REDIRECTS} redirects")))
    }

    /// What the interface says at `url`; of a repository that has another name now, at that one's.
    pub(crate) fn interface(&self, url: &str) -> Result<Response, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(self.direct.get(&url).header(ACCEPT_ENCODING, "identity"), &url)?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let moved = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            match moved.and_then(|to| response.url().join(to).ok()).filter(|to| same_host(to.as_str(), &url))
            {
                Some(to) => url = to.into(),
                None => return Err(passing(format!("{url}: a redirect to another host"))),
            }
        }
        Err(passing(format!("{url}: more than {MAX_REDIRECTS} redirects")))
    }

    /// The bytes at `url`, from `from` on if the server can, else from the start.
    pub(crate) fn get(&self, url: &str, from: u64) -> Result<Body, Failure> {
        let mut request = self.following.get(url).header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = self.send(request, url)?;
        let from = match (response.status().as_u16(), from) {
            (206, from) if range_start(response.headers()) == Some(from) => from,
            (206, _) => return Err(passing("the server sent a range that was not asked for".to_owned())),
            _ => 0,
        };
        Ok(Body { from, reader: Box::new(response) })
    }

    fn send(&self, mut request: RequestBuilder, url: &str) -> Result<Response, Failure> {
        if self.offline {
            return Err(Failure::Final(Error::Offline(url.to_owned())));
        }
        if let Some(token) = self.token.as_ref().filter(|_| same_host(url, &self.endpoint)) {
            request = request.bearer_auth(token);
        }
        let response = request.send().map_err(|error| passing(told(&error)))?;
        let status = response.status();
        match status.as_u16() {
            _ if status.is_success() || status.is_redirection() => Ok(response),
            // Too early, too late, too much at once, and a range past the end: a new start may do.
            408 | 416 | 425 | 429 | 500..=599 => {
                let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let wait = wait.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
                Err(Failure::Passing { reason: format!("the server answers {status}"), wait })
            }
            status => Err(Failure::Final(Error::Refused { url: url.to_owned(), status })),
        }
    }
}

/// Whether a redirect is a path that stays at the same scheme, host and port, whatever it is written like: a browser's rules make
/// another host of `/\\host` and of a tab between two slashes.
fn joins_within(at: &Url, path: &str) -> bool {
    path.starts_with('/') && at.join(path).is_ok_and(|to| to.origin() == at.origin())
}

/// Whether two addresses have the same scheme, host and port.
pub(crate) fn same_host(a: &str, b: &str) -> bool {
    Url::parse(a).is_ok_and(|a| Url::parse(b).is_ok_and(|b| a.origin() == b.origin()))
}

pub(crate) fn passing(reason: String) -> Failure {
    Failure::Passing { reason, wait: None }
}

/// An error of the transport with all its causes, of which the last is the telling one.
fn told(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// The hub's headers: those with `X-Linked-` are of a large file's content, the others of what is sent now.
fn described(headers: &HeaderMap, is_redirect: bool) -> Head {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let etag = text("x-linked-etag").or_else(|| text(ETAG.as_str()).filter(|_| !is_redirect));
    let hex = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
    let bytes = text("x-linked-size").or_else(|| text(CONTENT_LENGTH.as_str()).filter(|_| !is_redirect));
    Head { digest: hex.and_then(Digest::of_hex), bytes: bytes.and_then(|bytes| bytes.parse().ok()) }
}

/// Where a partial answer begins: `bytes 100-199/200`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_within_the_host_is_one_however_it_is_written() {
        let at = Url::parse("https://hub.example:8443/a/b").unwrap();
        for (path, within) in [
            ("/c/d", true),
            ("//other.example/c", false),
            ("/\\other.example/c", false),
            ("/\t/other.example/c", false),
            ("\\\\other.example/c", false),
            ("https://other.example/c", false),
            ("//hub.example:8443/c", true),
        ] {
            assert_eq!(joins_within(&at, path), within, "{path:?}");
        }
    }
}
