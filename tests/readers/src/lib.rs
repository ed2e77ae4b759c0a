//! Every reader of files and answers as a function of bytes, which comes back or panics.
//!
//! A fuzz target of `fuzz/` calls one of these functions with bytes that nobody wrote, and `tests/corpus.rs` calls all of them
//! with what is committed in `fuzz/corpus`. Whatever the bytes, a reader gives images, a model or a configuration, or an
//! error; these functions look at what it gives, and panic where a reader has not kept its promise. A panic of our own
//! code counts even where it is caught, as around the decoders of pictures, see [`watch`].
//!
//! Readers are called by what they show to everybody, so no crate has an entry for fuzzing alone: those that take a path get a
//! file in a folder of the system's memory, and the hub's answers come from a server on this machine's loopback address.
//! Where a checksum stands before the reader proper, the bytes are tried as they are and once more with a right checksum.
//!
//! ```
//! readers::png(b"\x89PNG\r\n\x1a\n, and then something else");
//! assert!(readers::READERS.iter().any(|(name, _)| *name == "png"));
//! ```

mod described;
mod hub;
mod models;
mod pictures;
mod scratch;
mod sets;
mod settings;
pub mod watch;

pub use described::Described;
pub use hub::{LOCKED, hub, lock};
pub use models::{checkpoint, model, settings_of_checkpoints};
pub use pictures::{MASK_SIDE, jpeg, mask, png, webp};
pub use sets::{idx, lmdb, mat, npy, npz, packed, parquet, pickle, tar, zip};
pub use settings::{assignment, config};

/// A reader of bytes.
pub type Reader = fn(&[u8]);

/// All readers by the names of their fuzz targets, sorted.
pub const READERS: &[(&str, Reader)] = &[
    ("assignment", assignment),
    ("checkpoint", checkpoint),
    ("config", config),
    ("hub", hub),
    ("idx", idx),
    ("jpeg", jpeg),
    ("lmdb", lmdb),
    ("lock", lock),
    ("mask", mask),
    ("mat", mat),
    ("model", model),
    ("npy", npy),
    ("npz", npz),
    ("packed", packed),
    ("parquet", parquet),
    ("pickle", pickle),
    ("png", png),
    ("tar", tar),
    ("webp", webp),
    ("zip", zip),
];
