//! A hub on the loopback address: real HTTP, the hub's routes and headers, its redirects to a storage of large files, and
//! whatever can go wrong.
#![allow(dead_code, reason = "every test takes what it needs")]

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use self::encoding::{from_base64, git, hex};
use self::http::{Request, head, read, reply};

#[path = "server/encoding.rs"]
pub(crate) mod encoding;
#[path = "server/http.rs"]
mod http;

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// An answer of this status, with a page.
    Status(u16),
    /// The same, with a wish to wait.
    Later(u16, u64),
    /// The connection closes without an answer.
    Refused,
    /// The connection closes within the headers.
    HalfHeader,
    /// The body ends after so many bytes, though more were announced.
    Cut(usize),
    /// This byte of the body arrives with a bit flipped.
    Flip(usize),
    /// So many bytes are missing, and the length says so.
    Shorter(usize),
    /// So many bytes are added, and the length says so.
    Longer(usize),
    /// The body comes in pieces with pauses of so many milliseconds.
    Slow(u64),
    /// Nothing comes for so many milliseconds, and then the end.
    Silent(u64),
    /// Ranges are ignored: the whole is sent.
    NoRange,
    /// Another range than the one asked for.
    OtherRange,
    /// One redirect more.
    Redirect,
    /// Redirects without end.
    Circle,
    /// A page instead of the content.
    Page,
    /// A list of whose pages each leads to itself.
    Endless,
    /// A list whose next page is at another host.
    Foreign,
    /// An answer that comes byte by byte, with pauses of so many milliseconds.
    Drip(u64),
    /// An answer of JSON without end.
    Huge,
}

/// A file under a path.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) bytes: Arc<Vec<u8>>,
    /// Whether it lies in the storage of large files.
    pub(crate) is_large: bool,
}

#[derive(Default)]
pub(crate) struct State {
    /// Route and commit to files.
    pub(crate) trees: BTreeMap<(String, String), BTreeMap<String, Stored>>,
    /// Route and branch to commit.
    pub(crate) branches: BTreeMap<(String, String), String>,
    /// For the next requests of content, one each.
    pub(crate) of_content: VecDeque<Fault>,
    /// For the next questions about files, one each.
    pub(crate) of_heads: VecDeque<Fault>,
    /// For the next calls of the interface, one each.
    pub(crate) of_calls: VecDeque<Fault>,
    /// All requests so far: method and path.
    pub(crate) requests: Vec<String>,
    /// How many of them named the one who asks.
    pub(crate) authorized: usize,
    /// Where answers to requests for a rest began.
    pub(crate) ranges: Vec<usize>,
    /// What files are said to be, in place of what they are.
    pub(crate) lie: Option<String>,
    /// How many bytes large files are said to have, in place of what they have.
    pub(crate) said_size: Option<u64>,
    /// Whether no hash is given.
    pub(crate) is_silent_of_hashes: bool,
    /// A path that this route leads to: the repository was renamed.
    pub(crate) renamed: Option<(String, String)>,
}

/// A running hub; it ends with its process.
#[derive(Clone)]
pub(crate) struct Loopback {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Loopback {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let hub = Loopback { endpoint, state: Arc::default() };
        let serving = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hub = serving.clone();
                std::thread::spawn(move || hub.serve(stream));
            }
        });
        hub
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts a file into `datasets/OWNER/NAME` or `OWNER/NAME` at a commit, to which `main` then leads.
    pub(crate) fn put(&self, route: &str, commit: &str, path: &str, bytes: Vec<u8>, is_large: bool) {
        let mut state = self.state();
        let tree = state.trees.entry((route.to_owned(), commit.to_owned())).or_default();
        tree.insert(path.to_owned(), Stored { bytes: Arc::new(bytes), is_large });
        state.branches.insert((route.to_owned(), "main".to_owned()), commit.to_owned());
    }

    fn serve(&self, stream: TcpStream) {
        let Some(request) = read(&stream) else { return };
        self.state().requests.push(format!("{} {}", request.method, request.path));
        self.state().authorized += usize::from(request.authorized);
        let _ = self.answer(&request, stream);
    }

    fn answer(&self, request: &Request, mut out: TcpStream) -> std::io::Result<()> {
        let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
        if let Some(call) = path.strip_prefix("api/") {
            let fault = self.state().of_calls.pop_front().unwrap_or(Fault::None);
            return match fault {
                Fault::None => self.call(call, request, &mut out),
                Fault::Endless | Fault::Foreign => {
                    let to = if fault == Fault::Endless { &self.endpoint } else { "http://127.0.0.1:9" };
                    let next = format!("<{to}{}>; rel=\"next\"", request.path);
                    head(&mut out, 200, &[("Link", &next)], 2)?;
                    out.write_all(b"[]")
                }
                fault => fail(fault, &mut out),
            };
        }
        if request.method == "HEAD" {
            let fault = self.state().of_heads.pop_front().unwrap_or(Fault::None);
            return match fault {
                Fault::None => self.head(&path, &mut out),
                fault => fail(fault, &mut out),
            };
        }
        // A large file is behind a redirect, which is no trouble by itself.
        if let Some(hash) = path.strip_prefix("storage/") {
            let found = self.state().trees.values().flat_map(BTreeMap::values).find_map(|file| {
                (hex(&Sha256::digest(file.bytes.as_slice())) == hash).then(|| file.bytes.clone())
            });
            return match found {
                Some(bytes) => self.content(&bytes, request, &mut out),
                None => head(&mut out, 404, &[], 0),
            };
        }
        match self.find(&path) {
            Some(file) if file.is_large => {
                let to = format!("{}/storage/{}", self.endpoint, hex(&Sha256::digest(file.bytes.as_slice())));
                head(&mut out, 302, &[("Location", &to)], 0)
            }
            Some(file) => self.content(&file.bytes, request, &mut out),
            None => head(&mut out, 404, &[], 0),
        }
    }

    /// `ROUTE/resolve/COMMIT/PATH`.
    fn find(&self, path: &str) -> Option<Stored> {
        let (route, rest) = path.split_once("/resolve/")?;
        let (commit, file) = rest.split_once('/')?;
        self.state().trees.get(&(route.to_owned(), commit.to_owned()))?.get(file).cloned()
    }

    fn head(&self, path: &str, out: &mut TcpStream) -> std::io::Result<()> {
        let renamed = self.state().renamed.clone();
        if let Some((old, new)) = renamed
            && path.starts_with(&old)
        {
            return head(out, 307, &[("Location", &format!("/{}", path.replacen(&old, &new, 1)))], 0);
        }
        let Some(file) = self.find(path) else { return head(out, 404, &[], 0) };
        let bytes = file.bytes.len();
        let state = self.state();
        let (lie, silent) = (state.lie.clone(), state.is_silent_of_hashes);
        let size = state.said_size.unwrap_or(bytes as u64).to_string();
        drop(state);
        if silent {
            return head(out, 200, &[], bytes);
        }
        if !file.is_large {
            let etag = format!("\"{}\"", lie.unwrap_or_else(|| git(&file.bytes)));
            return head(out, 200, &[("ETag", &etag)], bytes);
        }
        let hash = hex(&Sha256::digest(file.bytes.as_slice()));
        let (etag, to) =
            (format!("\"{}\"", lie.unwrap_or(hash.clone())), format!("{}/storage/{hash}", self.endpoint));
        let linked = [
            ("X-Linked-ETag", etag.as_str()),
            ("X-Linked-Size", &size),
            ("X-Repo-Commit", "-"),
            ("Location", &to),
        ];
        head(out, 302, &linked, 0)
    }

    fn content(&self, bytes: &[u8], request: &Request, out: &mut TcpStream) -> std::io::Result<()> {
        let fault = self.state().of_content.pop_front().unwrap_or(Fault::None);
        let from = match (request.range, fault) {
            (Some(from), fault) if fault != Fault::NoRange && from < bytes.len() => from,
            (Some(from), Fault::None) if from >= bytes.len() => return head(out, 416, &[], 0),
            _ => 0,
        };
        if from > 0 {
            self.state().ranges.push(from);
        }
        let mut body = bytes[from..].to_vec();
        match fault {
            Fault::Flip(at) => {
                let at = at % body.len();
                body[at] ^= 1 << (at % 8);
            }
            Fault::Shorter(n) => body.truncate(body.len() - n.min(body.len())),
            Fault::Longer(n) => body.extend(std::iter::repeat_n(7, n)),
            Fault::Redirect | Fault::Circle => {
                if fault == Fault::Circle {
                    self.state().of_content.push_front(Fault::Circle);
                }
                return head(out, 302, &[("Location", &format!("{}{}", self.endpoint, request.path))], 0);
            }
            Fault::None
            | Fault::NoRange
            | Fault::OtherRange
            | Fault::Cut(_)
            | Fault::Slow(_)
            | Fault::Silent(_) => {}
            fault => return fail(fault, out),
        }
        let first = from + usize::from(fault == Fault::OtherRange);
        let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
        match from {
            0 => head(out, 200, &[], body.len())?,
            _ => head(out, 206, &[("Content-Range", &range)], body.len())?,
        }
        match fault {
            Fault::Cut(at) => out.write_all(&body[..at.min(body.len() - 1)]),
            Fault::Slow(pause) => body.chunks(body.len() / 8 + 1).try_for_each(|piece| {
                std::thread::sleep(Duration::from_millis(pause));
                out.write_all(piece)
            }),
            Fault::Silent(pause) => {
                out.write_all(&body[..body.len() / 2])?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(pause));
                Ok(())
            }
            _ => out.write_all(&body),
        }
    }

    /// The interface: revisions, trees, creating, committing.
    fn call(&self, call: &str, request: &Request, out: &mut TcpStream) -> std::io::Result<()> {
        let route = |rest: &str| rest.strip_prefix("models/").unwrap_or(rest).to_owned();
        if request.method == "GET" {
            if let Some((of, revision)) = call.split_once("/revision/") {
                let commit = self.commit_of(&route(of), revision);
                return match commit {
                    Some(sha) => reply(out, 200, &json!({ "id": of, "sha": sha })),
                    None => reply(out, 404, &json!({ "error": "no such revision" })),
                };
            }
            if let Some((of, revision)) = call.split_once("/tree/") {
                let commit = self.commit_of(&route(of), revision).unwrap_or_default();
                let tree = self.state().trees.get(&(route(of), commit)).cloned();
                let entry = |(path, file): (&String, &Stored)| json!({ "type": "file", "oid": git(&file.bytes), "size": file.bytes.len(), "path": path });
                return match tree {
                    Some(tree) => reply(out, 200, &Value::Array(tree.iter().map(entry).collect())),
                    None => reply(out, 404, &json!({ "error": "no such tree" })),
                };
            }
        }
        if !request.authorized {
            return reply(out, 401, &json!({ "error": "who are you?" }));
        }
        if call == "repos/create" {
            let wish: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let id = format!(
                "{}/{}",
                wish["organization"].as_str().unwrap_or("me"),
                wish["name"].as_str().unwrap_or("")
            );
            let mut state = self.state();
            let branch = (id.clone(), "main".to_owned());
            if state.branches.contains_key(&branch) {
                drop(state);
                return reply(out, 409, &json!({ "error": "it exists" }));
            }
            state.branches.insert(branch, "0".repeat(40));
            state.trees.insert((id.clone(), "0".repeat(40)), BTreeMap::new());
            drop(state);
            return reply(out, 200, &json!({ "url": format!("{}/{id}", self.endpoint) }));
        }
        if call.contains("/preupload/") {
            let wish: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let files = wish["files"].as_array().cloned().unwrap_or_default();
            let regular = |file: &Value| json!({ "path": file["path"], "uploadMode": "regular" });
            return reply(out, 200, &json!({ "files": files.iter().map(regular).collect::<Vec<_>>() }));
        }
        match call.split_once("/commit/") {
            Some((of, branch)) => self.commit(&route(of), branch, &request.body, out),
            None => reply(out, 404, &json!({ "error": "no such call" })),
        }
    }

    fn commit_of(&self, route: &str, revision: &str) -> Option<String> {
        let state = self.state();
        let named = state.branches.get(&(route.to_owned(), revision.to_owned())).cloned();
        named.or_else(|| {
            state.trees.contains_key(&(route.to_owned(), revision.to_owned())).then(|| revision.to_owned())
        })
    }

    fn commit(&self, route: &str, branch: &str, body: &[u8], out: &mut TcpStream) -> std::io::Result<()> {
        let mut state = self.state();
        let branch = (route.to_owned(), branch.to_owned());
        let Some(parent) = state.branches.get(&branch).cloned() else {
            drop(state);
            return reply(out, 404, &json!({ "error": "no such repository" }));
        };
        let mut tree = state.trees.get(&(route.to_owned(), parent)).cloned().unwrap_or_default();
        for line in body.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).unwrap();
            if line["key"] == "file" {
                let (path, content) = (line["value"]["path"].as_str(), line["value"]["content"].as_str());
                let bytes = from_base64(content.unwrap_or_default());
                // Weights are large files once they are there, as on the hub.
                let is_large = path.is_some_and(|path| path.ends_with(".safetensors"));
                tree.insert(path.unwrap_or_default().to_owned(), Stored { bytes: Arc::new(bytes), is_large });
            }
        }
        let oid = hex(&Sha1::digest(body));
        state.trees.insert((route.to_owned(), oid.clone()), tree);
        state.branches.insert(branch, oid.clone());
        drop(state);
        reply(out, 200, &json!({ "commitUrl": "-", "commitOid": oid, "success": true }))
    }
}

/// The faults that are the same for every request.
fn fail(fault: Fault, out: &mut TcpStream) -> std::io::Result<()> {
    let page = b"<html>something is wrong</html>";
    match fault {
        Fault::Status(status) => {
            head(out, status, &[], page.len())?;
            out.write_all(page)
        }
        Fault::Later(status, seconds) => {
            head(out, status, &[("Retry-After", &seconds.to_string())], page.len())?;
            out.write_all(page)
        }
        Fault::Page => {
            head(out, 200, &[], page.len())?;
            out.write_all(page)
        }
        Fault::HalfHeader => out.write_all(b"HTTP/1.1 200 OK\r\nContent-Le"),
        Fault::Silent(pause) => {
            std::thread::sleep(Duration::from_millis(pause));
            Ok(())
        }
        Fault::Drip(pause) => {
            head(out, 200, &[], 1 << 20)?;
            loop {
                out.write_all(b" ")?;
                out.flush()?;
                std::thread::sleep(Duration::from_millis(pause));
            }
        }
        Fault::Huge => {
            head(out, 200, &[], 1 << 40)?;
            loop {
                out.write_all(&[b' '; 1 << 16])?;
            }
        }
        _ => Ok(()),
    }
}
