use crate::{Address, Error, Hub, Plan, Result};

/// File of the weights in a repository of a model, unless its address names another.
pub const MODEL_FILE: &str = "model.safetensors";

impl Hub {
    /// What fetching the file of a model would take, and its path in the repository: the file that the address names, or
    /// [`MODEL_FILE`], of the address's revision or of `main`.
    ///
    /// # Errors
    /// As [`commit`](Hub::commit) and [`plan`](Hub::plan), and when it is said to have more than `most` bytes.
    pub fn plan_model(&self, address: &Address, most: u64) -> Result<(Plan, String)> {
        let file = address.file.clone().unwrap_or_else(|| MODEL_FILE.to_owned());
        let commit = self.commit(&address.repo, address.revision.as_deref())?;
        let plan = self.plan(&address.repo, &commit, std::slice::from_ref(&file))?;
        match plan.bytes() > most {
            true => Err(Error::TooLarge { file, repo: address.repo.to_string(), bytes: plan.bytes(), most }),
            false => Ok((plan, file)),
        }
    }
}
