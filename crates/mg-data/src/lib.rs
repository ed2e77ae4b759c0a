//! Image data sets: from files on disk to batches of tensors.
//!
//! ```
//! use mg_data::{DataSet, Order};
//! use mg_random::Key;
//!
//! let set = DataSet::portraits()?; // or DataSet::open(&Spec::new(ImageSource::find("path/to/photographs")?))
//! let order = Order::new(Key::new(0).named("data"), set.len(), 100)?;
//!
//! let iteration = 7; // any, in any order: there is no state
//! let batch = set.batch(&order.batch_indices(iteration), &order.flips(iteration), &candle_core::Device::Cpu)?;
//! assert_eq!(batch.dims(), [100, 3, 64, 64]); // values in [-1, 1]
//! # Ok::<(), mg_data::Error>(())
//! ```
//!
//! An [`ImageSource`] is a folder of png, jpeg and webp images, whose sub-folders give labels, one such image, or a tar or zip archive
//! of them; a parquet file or a folder of them, laid out as on the Hugging Face hub; SVHN's MATLAB files, MNIST's IDX files, numpy's arrays, CIFAR's batches, LSUN's
//! LMDB environments; the embedded set `portraits`; or a file made by [`pack`]. A
//! [`Spec`] adds how images become squares ([`Resize`]), what happens to a bad one ([`OnBadImage`]) and where packed
//! copies are kept. A [`DataSet`] is what comes out, in memory or memory-mapped, so that sets larger than memory work;
//! [`Order`] shuffles it, and a [`Loader`] has the batches of an order ready before they are asked for.
//!
//! Four things can be relied on:
//!
//! - The order of a set, and its [`content_hash`](DataSet::content_hash), depend on the files alone, not on the
//!   number of threads or the order in which a folder is listed.
//! - A file of many images that is damaged is an error that names it and the row.
//! - A damaged, cut, tiny or absurdly large image is named, with what is wrong with it ([`Defect`]), and is left
//!   out or refused, as the spec says; whatever the bytes, nothing panics and no file is left half written.
//! - Whatever can fail without decoding an image fails before the first one is decoded.
//!
//! The feature `serde` writes and reads [`Split`], [`OnBadImage`], [`ResizeKind`] and [`Resize`] as the words of configurations.
//!
//! Modules, from the bottom up: `limits`, `budget`, `readable`, `defect`, `resample`, `resize`, `jpeg`, `decode`, `record`; `split`, `tree`, which says what folders mean, `listing`; the readers `folder`,
//! `archive` (tar, zip), `table` and `tables` (parquet), `mat`, `idx`, `numpy`, `cifar` on `pickle`, `lmdb`, `portraits` and `packed`, the file format; `input`,
//! which is what one of them opened, `source`, which finds what to open, and `spec`; `pack`; `dataset`, `order`, `loader`,
//! `description`.

mod budget;
mod check;
mod decode;
mod defect;
mod hex;
mod jpeg;
mod limits;
mod listing;
mod readable;
mod resample;
mod resize;
mod resize_kind;
mod skipped;
mod split;
mod tree;

mod archive;
mod cifar;
mod folder;
mod idx;
mod lmdb;
mod mat;
mod numpy;
mod packed;
mod pickle;
mod portraits;
mod record;
mod table;
mod tables;

mod input;
mod source;
mod spec;

mod pack;

mod dataset;
mod description;
mod labelled;
mod loader;
mod order;

mod error;

pub use check::Check;
pub use dataset::DataSet;
pub use decode::decode;
pub use defect::Defect;
pub use description::Description;
pub use error::{Error, Result};
pub use labelled::{Draw, Labelled};
pub use limits::{MAX_FILE, MAX_PIXELS, MAX_SIDE, MIN_SIDE};
pub use loader::{Loader, Request};
pub use order::Order;
pub use pack::{Progress, pack};
pub use resize::Resize;
pub use resize_kind::ResizeKind;
pub use skipped::Skipped;
pub use source::ImageSource;
pub use spec::{MAX_IN_MEMORY, OnBadImage, Spec};
pub use split::Split;

// What signatures of this crate need.
pub use {candle_core, mg_random};
