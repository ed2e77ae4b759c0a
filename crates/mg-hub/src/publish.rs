use hf_hub::RepoTypeModel;
use hf_hub::repository::CommitOperation;

use crate::hub::failed;
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
        let client = self.client(repo)?;
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
}
