use std::path::PathBuf;
use std::time::Duration;

/// Where the hub is, where files are kept, and how patient to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// The access token, which says who asks; sent to the endpoint only.
    pub token: Option<String>,
    /// The cache folder, which other programs for the hub may share.
    pub cache: PathBuf,
    /// Send no request at all.
    pub offline: bool,
    /// Tries without progress before a file is given up.
    pub attempts: u32,
    /// The first wait between tries; doubled after each.
    pub backoff: Duration,
    /// The longest wait, even where the server asks for a longer one.
    pub longest_wait: Duration,
    /// Silence after which a connection is given up.
    pub timeout: Duration,
}

const ENDPOINT: &str = "https://huggingface.co";

impl Options {
    /// Options from the environment variables that all programs for the hub know: `HF_ENDPOINT`, `HF_TOKEN`,
    /// `HF_HUB_CACHE`, `HF_HOME` and `HF_HUB_OFFLINE`; five tries, beginning with a wait of a second.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let user = var("HOME").or_else(|| var("USERPROFILE")).map(PathBuf::from).unwrap_or_default();
        let base = var("XDG_CACHE_HOME").map_or_else(|| user.join(".cache"), PathBuf::from);
        let home = var("HF_HOME").map_or_else(|| base.join("huggingface"), PathBuf::from);
        let token = var("HF_TOKEN").or_else(|| std::fs::read_to_string(home.join("token")).ok());
        let offline = var("HF_HUB_OFFLINE")
            .is_some_and(|value| ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str()));
        Options {
            endpoint: var("HF_ENDPOINT")
                .unwrap_or_else(|| ENDPOINT.to_owned())
                .trim_end_matches('/')
                .to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            cache: var("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            offline,
            attempts: 5,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
        }
    }
}
