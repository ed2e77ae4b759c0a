//! Writes the corpus that fuzzing begins with: `cargo run -p readers --example corpus`, from anywhere.
//!
//! Everything is made here, or taken from the golden files of `mg-data`, which its own scripts made. What fuzzing has found
//! lies in the corpus too, under names that begin with `found-`, and is left alone.

use std::fs;
use std::path::{Path, PathBuf};

mod archives;
mod environment;
mod learned;
mod matrices;
mod pictures;
mod table;
mod texts;

/// A target, the name of an input, and its bytes.
type Input = (&'static str, String, Vec<u8>);

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let all = [
        pictures::all(),
        archives::all(),
        table::all(),
        matrices::all(),
        environment::all(),
        learned::all(),
        texts::all(),
    ];
    let mut bytes = 0;
    for (target, name, input) in all.into_iter().flatten() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder).expect("the corpus can be written");
        fs::write(folder.join(name), &input).expect("the corpus can be written");
        bytes += input.len();
    }
    println!("{bytes} bytes in {}", corpus.display());
}

/// A golden file of `mg-data`.
fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/mg-data/tests/golden").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder that is deleted when it is dropped, and a path in it.
fn place(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder to write to");
    let path = folder.path().join(name);
    (folder, path)
}
