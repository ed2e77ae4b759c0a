//! A disk that fails on purpose. Loaded before a program (`LD_PRELOAD`), this library takes the calls by which the program
//! reads and writes files, and lets one of them fail, lets the space end, or writes all of them down. `cargo xtask faults` is
//! what uses it; it works on Linux, for programs that reach the system through the C library, as those in Rust do.
//!
//! Only files below one folder are touched. What is to happen stands in the environment:
//!
//! | variable | what it says |
//! |---|---|
//! | `FAULTY_DISK_ROOT` | the folder, as an absolute path without links; without it nothing happens |
//! | `FAULTY_DISK_FAIL` | `CALL ERROR`: the call of this number, from 1, fails with this number of an error |
//! | `FAULTY_DISK_ROOM` | bytes that files may grow by, all together; more fails for lack of space |
//! | `FAULTY_DISK_LOG` | a file outside the folder, to which the calls are written; `src/log.rs` says in which form |
//!
//! Calls that count are open, read, write, fsync and fdatasync, ftruncate, close, rename, unlink, mkdir, rmdir and symlink. A
//! call that fails does nothing, but for close, which closes and then fails, as it does on Linux.

#[cfg(target_os = "linux")]
pub mod calls;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod log;
#[cfg(target_os = "linux")]
mod paths;
#[cfg(target_os = "linux")]
mod real;
#[cfg(target_os = "linux")]
mod settings;
