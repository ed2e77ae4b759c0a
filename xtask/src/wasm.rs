//! Models in browsers: `mg-model` and all that it needs compile for `wasm32-unknown-unknown`, where there are no files, no
//! network and no threads.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::spawn;

const TARGET: &str = "wasm32-unknown-unknown";
/// What is checked, by whichever compiler.
const CHECK: [&str; 6] = ["check", "--locked", "-p", "mg-model", "--target", TARGET];
/// Debian's compiler, for machines where rustup cannot add a target: it builds the standard library itself.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];

pub(crate) fn run(root: &Path) -> Result<()> {
    if has_target() || succeeds("rustup", &["target", "add", TARGET]) && has_target() {
        return spawn::run(root, "cargo", &CHECK, &[]).map(drop);
    }
    if !has_debian() {
        let install = [&["install", "-y", "-qq", "--no-install-recommends"], &DEBIAN[..]].concat();
        if !(succeeds("apt-get", &["update", "-qq"]) && succeeds("apt-get", &install) && has_debian()) {
            bail!("no compiler for {TARGET}; add one with: rustup target add {TARGET}");
        }
    }
    let target = spawn::target_dir(root)?.join("wasm");
    let target = target.to_str().context("the path of the target folder is no text")?;
    let path = format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default());
    let environment = [
        ("PATH", path.as_str()),
        ("RUSTC", "/usr/bin/rustc"),
        ("RUSTC_BOOTSTRAP", "1"),
        ("CARGO_TARGET_DIR", target),
    ];
    let check = [&CHECK[..], &["-Z", "build-std=std,panic_abort"]].concat();
    spawn::run(root, "/usr/bin/cargo", &check, &environment).map(drop)
}

/// Whether the usual compiler has the target's standard library.
fn has_target() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let Ok(output) = output else { return false };
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    folder.is_dir()
}

fn has_debian() -> bool {
    Path::new("/usr/bin/cargo").is_file() && Path::new("/usr/lib/rustlib/src/rust/library/std").is_dir()
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).status().is_ok_and(|status| status.success())
}
