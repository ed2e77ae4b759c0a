use std::time::Duration;

use hf_hub::repository::CommitOperation;
use hf_hub::{HFClientSync, HFError, RepoTypeModel};

use crate::calls::WHOLE;
use crate::http::AGENT;
use crate::repo::check_path;
use crate::{Error, Hub, Kind, Repo, Result};

/// A file to publish.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Path in the repository.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Bytes a second of the slowest line that publishing waits for.
const SLOWEST: u64 = 16 << 10;

impl Hub {
    /// Puts files into a repository of weights in one commit, all or none, and returns the commit. The repository is
    /// created if it does not exist, as a private one if `private`.
    ///
    /// # Errors
    /// Offline; without a token that may write; when the repository is not one of weights or the hub refuses.
    pub fn publish(&self, repo: &Repo, files: &[Upload], message: &str, private: bool) -> Result<String> {
        if self.options.offline {
            return Err(Error::Offline(format!("publishing to {repo}")));
        }
        if repo.kind != Kind::Model {
            return Err(Error::Name {
                name: repo.to_string(),
                reason: "is no repository of weights".to_owned(),
            });
        }
        files.iter().try_for_each(|file| check_path(&file.path))?;
        let client = self.client(repo, files.iter().map(|file| file.bytes.len() as u64).sum())?;
        let (id, model) = (repo.id(), client.model(&repo.owner, &repo.name));
        let made = client.create_repository().repo_id(&id).repo_type(RepoTypeModel);
        made.private(private).exist_ok(true).send().map_err(|e| failed("create", repo, &e))?;
        let add = |file: &Upload| CommitOperation::add_bytes(file.path.clone(), file.bytes.clone());
        let commit =
            model.create_commit().operations(files.iter().map(add).collect()).commit_message(message).send();
        let info = commit.map_err(|e| failed("commit to", repo, &e))?;
        match info.commit_oid.filter(|oid| crate::is_commit(oid)) {
            Some(oid) => Ok(oid),
            None => self.commit(repo, None),
        }
    }

    /// The hub's own interface, for publishing so many bytes.
    fn client(&self, repo: &Repo, bytes: u64) -> Result<HFClientSync> {
        let whole = self.options.timeout * WHOLE + Duration::from_secs(bytes / SLOWEST);
        let requests = reqwest::Client::builder().user_agent(AGENT).connect_timeout(self.options.timeout);
        let requests = requests.timeout(whole).build().map_err(|e| Error::Hub {
            doing: "prepare requests to",
            repo: repo.to_string(),
            reason: e.to_string(),
        })?;
        let mut builder = hf_hub::HFClient::builder()
            .client(requests)
            .endpoint(&self.options.endpoint)
            .cache_enabled(false)
            .retry_max_attempts(self.options.attempts as usize)
            .retry_base_delay(self.options.backoff);
        if let Some(token) = &self.options.token {
            builder = builder.token(token);
        }
        builder.build_sync().map_err(|e| failed("prepare requests to", repo, &e))
    }
}

fn failed(doing: &'static str, repo: &Repo, error: &HFError) -> Error {
    Error::Hub { doing, repo: repo.to_string(), reason: error.to_string() }
}
