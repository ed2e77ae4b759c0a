//! Tells the tests whether real sets lie beside the repository, so that those that need them are ignored where they do not.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(has_real_data)");
    println!("cargo::rerun-if-changed=build.rs");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if data.is_dir() {
        println!("cargo::rustc-cfg=has_real_data");
    }
}
