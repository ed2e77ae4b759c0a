//! A run on disk: what it writes, and what is read of it.

pub mod checkpoint;
mod dir;
mod files;
mod lines;
mod model;
mod newest;
mod record;
mod times;

pub use checkpoint::Checkpoint;
pub use dir::RunDir;
pub use files::MODEL;
pub(crate) use lines::{LineFile, write_atomically};
pub use model::{MAX_MODEL, model_file, open_model, read_model};
pub use newest::{newest, runs};
pub(crate) use record::ROLLED_BACK;
pub use record::{RunRecord, Session};
pub use times::{Times, seconds};
