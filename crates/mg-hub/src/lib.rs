//! Data sets and weights from the Hugging Face hub, and back.
//!
//! ```no_run
//! use mg_hub::{Hub, Kind, Options, Repo};
//!
//! let hub = Hub::new(Options::from_env())?;
//! let repo = Repo::new(Kind::Dataset, "uoft-cs/cifar10")?;
//! let commit = hub.commit(&repo, Some("0b2714987fa478483af9968de7c934580d0bb9a2"))?;
//! let plan = hub.plan(&repo, &commit, &["plain_text/test-00000-of-00001.parquet".to_owned()])?;
//! println!("{} of {} bytes to fetch", plan.missing_bytes(), plan.bytes());
//! let folder = hub.fetch(&plan, &mut |event| println!("{event:?}"))?;
//! # Ok::<(), mg_hub::Error>(())
//! ```
//!
//! Listing, creating and committing are done by `hf-hub`. Content is fetched here, since it must be verified, resumed
//! after an interruption, and fetched by only one of several processes; none of that is in `hf-hub`. What can be relied
//! on:
//!
//! - A path that is returned leads to content whose length and hash are those of the lock. What no lock knows is
//!   trusted on first use and written down; from then on it is enforced.
//! - A wrong entry of the cache, whoever left it there, is found, deleted and fetched anew.
//! - Whatever the server does, a call ends: with verified content or an error that says what, where and what next. What
//!   has arrived is kept, and the next call goes on from there.
//! - Offline, nothing is sent; files of a commit that are there need no request online either.
//! - The cache is laid out as every program for the hub lays it out.
//!
//! Modules, in reading order: `repo`, `digest`, `options`, `catalog`, `event`; `lock`, `store`, `http`, `transfer`; `calls`, `hub`, `model`, `publish`.

mod catalog;
mod digest;
mod event;
mod options;
mod repo;

mod http;
mod lock;
mod store;
mod transfer;

mod calls;

mod hub;
mod model;
mod publish;

mod error;

pub use catalog::{Entry, Part, WEIGHTS, Weights, find, sets};
pub use digest::{Digest, Known};
pub use error::{Error, Result};
pub use event::Event;
pub use hub::{Hub, Plan, Planned};
pub use model::MODEL_FILE;
pub use options::Options;
pub use publish::Upload;
pub use repo::{Address, Kind, PREFIX, Repo, is_commit};
