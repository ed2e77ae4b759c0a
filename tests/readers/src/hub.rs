use std::cell::OnceCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mg_hub::{Hub, Kind, Options, Repo};

use crate::scratch::Scratch;
use crate::watch::watched;

/// The repository and commit that [`lock`] asks a list for.
pub const LOCKED: &str = "datasets/some-body/some-set@0123456789abcdef0123456789abcdef01234567";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The list of a cache.
const LOCK: &str = "multigrid-lock.json";
/// Files of a list that are asked for.
const ASKED: usize = 2;

/// What a hub answers when it is asked for a commit and for a list of files.
pub fn hub(bytes: &[u8]) {
    watched(|| SCENE.with(|scene| scene.get_or_init(Scene::new).ask(bytes)));
}

/// A cache's list of what its files are.
pub fn lock(bytes: &[u8]) {
    watched(|| {
        let cache = Scratch::new();
        cache.file(LOCK, bytes);
        let options = Options { offline: true, ..options("http://localhost".to_owned(), &cache) };
        let Ok(hub) = Hub::new(options) else { return };
        let files = hub.known(&repo(), COMMIT);
        let _ = hub.local(&repo(), COMMIT, &[String::new()]);
        let _ = hub.plan(&repo(), COMMIT, &files);
    });
}

thread_local! {
    static SCENE: OnceCell<Scene> = const { OnceCell::new() };
}

/// A hub that answers everything alike, and who asks it.
struct Scene {
    hub: Hub,
    answer: Arc<Mutex<Vec<u8>>>,
    /// The hub's cache.
    _cache: Scratch,
}

impl Scene {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("no port to listen at");
        let address = listener.local_addr().expect("a port has a number");
        let answer = Arc::<Mutex<Vec<u8>>>::default();
        let given = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let body = locked(&given).clone();
                let _ = stream.and_then(|stream| reply(stream, &body));
            }
        });
        let cache = Scratch::new();
        let hub = Hub::new(options(format!("http://{address}"), &cache)).expect("an empty cache is sound");
        Scene { hub, answer, _cache: cache }
    }

    fn ask(&self, bytes: &[u8]) {
        *locked(&self.answer) = bytes.to_vec();
        let _ = self.hub.commit(&repo(), Some("main"));
        if let Ok(mut files) = self.hub.files(&repo(), COMMIT) {
            files.truncate(ASKED);
            let _ = self.hub.plan(&repo(), COMMIT, &files);
        }
    }
}

fn repo() -> Repo {
    Repo::new(Kind::Dataset, "some-body/some-set").expect("the name of a repository")
}

/// One try, and no waiting.
fn options(endpoint: String, cache: &Scratch) -> Options {
    Options {
        endpoint,
        token: None,
        cache: cache.path().to_owned(),
        offline: false,
        attempts: 1,
        backoff: Duration::ZERO,
        longest_wait: Duration::ZERO,
        timeout: Duration::from_secs(10),
    }
}

fn locked(answer: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request without a body and answers it.
fn reply(mut stream: TcpStream, body: &[u8]) -> std::io::Result<()> {
    let (mut request, mut piece) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => request.extend_from_slice(&piece[..read]),
        }
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    if request.starts_with(b"HEAD") { Ok(()) } else { stream.write_all(body) }
}
