use std::fs::{self, File};
use std::path::{Path, PathBuf};

use candle_core::Device;

use super::Checkpoint;
use super::files::{CHECKPOINTS, CONFIG, LOCK, METRICS, MODEL, SHEETS};
use super::lines::write_atomically;
use crate::checksum::sealed_text;
use crate::config::{Config, Layer, resolve};
use crate::{Error, Methods, Result};

/// A run on disk: `config.toml` with every key, `metrics.jsonl`, `checkpoints/`, `sheets/`, `model.safetensors`. It is
/// self-sufficient, and one process at a time writes to it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Locked while this value lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl RunDir {
    /// A new run directory, locked, with its configuration written.
    ///
    /// # Errors
    /// When it already holds a run, is in use, or cannot be written.
    pub fn create(path: &Path, config: &Config) -> Result<Self> {
        for folder in [path.to_path_buf(), path.join(CHECKPOINTS), path.join(SHEETS)] {
            make_folder(&folder)?;
        }
        let run = RunDir { path: path.to_path_buf(), _lock: lock(path)? };
        if run.config_path().exists() {
            let reason =
                "it already holds a run; add --resume to go on with it, or choose another folder with --run";
            return Err(Error::Run { path: path.to_path_buf(), reason: reason.into() });
        }
        run.write_config(config)?;
        mg_files::sync_folder_of(path).map_err(|e| Error::io("flush the folder of", path, e))?;
        Ok(run)
    }

    /// Takes back what [`create`](Self::create) made, of a run that could not start.
    pub fn discard(self) {
        // What cannot be removed says so when the folder is used again.
        for file in [self.config_path(), self.path.join(LOCK)] {
            let _ = fs::remove_file(file);
        }
        for folder in [self.path.join(CHECKPOINTS), self.path.join(SHEETS), self.path] {
            let _ = fs::remove_dir(folder); // an empty one
        }
    }

    /// An existing run directory, locked.
    ///
    /// # Errors
    /// When it holds no run or is in use.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join(CONFIG).is_file() {
            let reason =
                "there is no config.toml in it, so no run to go on with; leave out --resume to start one";
            return Err(Error::Run { path: path.to_path_buf(), reason: reason.into() });
        }
        let run = RunDir { path: path.to_path_buf(), _lock: lock(path)? };
        for folder in [path.to_path_buf(), path.join(CHECKPOINTS), path.join(SHEETS)] {
            make_folder(&folder)?; // the power may have gone before it was on the disk
            mg_files::remove_abandoned(&folder);
        }
        Ok(run)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its resolved configuration.
    pub fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG)
    }

    /// A line of JSON per iteration.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// The model, ready to sample from.
    pub fn model_path(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// The sheet of one iteration.
    pub fn sheet_path(&self, iteration: u64) -> PathBuf {
        self.path.join(SHEETS).join(format!("{iteration:08}.png"))
    }

    /// The configuration in `config.toml`.
    ///
    /// # Errors
    /// When it cannot be read, or is not one of these methods.
    pub fn config(&self, methods: Methods) -> Result<Config> {
        resolve(methods, &[Layer::file(&self.config_path())?])
    }

    /// Replaces `config.toml`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        let text = config.to_toml();
        let text = format!(
            "# Every key of this run; `mg config explain` says what they mean.\n{}",
            sealed_text(&text)
        );
        write_atomically(&self.config_path(), text.as_bytes())
    }

    /// The checkpoint file of one iteration.
    pub fn checkpoint_path(&self, iteration: u64) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{iteration:08}.safetensors"))
    }

    /// The newest sound checkpoint, and what is wrong with newer ones.
    ///
    /// # Errors
    /// When there are checkpoints but none is sound, or when the system cannot read one: it may be as sound as any, so no older
    /// one is taken for it. `None` when there is none at all.
    pub fn newest_checkpoint(&self, device: &Device) -> Result<(Option<Checkpoint>, Vec<Error>)> {
        let mut faults = Vec::new();
        for iteration in self.checkpoints()?.into_iter().rev() {
            match Checkpoint::load(&self.checkpoint_path(iteration), device) {
                Ok(checkpoint) => return Ok((Some(checkpoint), faults)),
                Err(fault @ Error::Format { .. }) => faults.push(fault),
                Err(error) => return Err(error),
            }
        }
        match faults.is_empty() {
            true => Ok((None, faults)),
            false => Err(faults.swap_remove(0)),
        }
    }

    /// Refuses a run without a checkpoint that has got further: what it learned cannot be gone on from, and stays.
    pub(crate) fn check_unused(&self) -> Result<()> {
        let has = |path: PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
        if !has(self.metrics_path()) && !has(self.model_path()) {
            return Ok(());
        }
        let reason = "it has learned, but no checkpoint is left to go on from; put one back, or start a new run with --run \
                      and another folder (`mg sample` takes its model as it is)";
        Err(Error::Run { path: self.path.clone(), reason: reason.into() })
    }

    /// Deletes all but `keep` checkpoints, up to that of iteration `newest`, which was just written. Later ones, of a run that
    /// went back, stay as they are.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub fn prune_checkpoints(&self, newest: u64, keep: usize) -> Result<()> {
        let mut all = self.checkpoints()?;
        all.retain(|&iteration| iteration <= newest);
        for &iteration in &all[..all.len().saturating_sub(keep)] {
            let path = self.checkpoint_path(iteration);
            fs::remove_file(&path).map_err(|e| Error::io("delete", &path, e))?;
        }
        Ok(())
    }

    /// Iterations that have a checkpoint, in order.
    fn checkpoints(&self) -> Result<Vec<u64>> {
        let folder = self.path.join(CHECKPOINTS);
        let fail = |e| Error::io("list", &folder, e);
        let mut iterations = Vec::new();
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if path.extension().is_some_and(|e| e == "safetensors") {
                iterations.extend(stem.parse::<u64>());
            }
        }
        iterations.sort_unstable();
        Ok(iterations)
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    mg_files::create_dir_all(folder).map_err(|e| Error::io("create folder", folder, e))
}

fn lock(path: &Path) -> Result<File> {
    let name = path.join(LOCK);
    let file = File::create(&name).map_err(|e| Error::io("create", &name, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Run {
            path: path.to_path_buf(),
            reason:
                "another process is writing to it; wait for it, stop it, or choose another folder with --run"
                    .into(),
        }),
        Err(fs::TryLockError::Error(e)) => Err(Error::io("lock", &name, e)),
    }
}
