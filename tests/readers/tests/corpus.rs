//! What is committed in `fuzz/corpus` goes through the readers: in time, in bounded memory, without a panic.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use readers::READERS;

/// Time for one input, on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
/// Memory that one input may ask the system for, bytes: what pictures are decoded in, and room for threads.
const MOST_MEMORY: u64 = 3 << 30;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Names of what lies in a folder, without these endings.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.trim_end_matches(ending).to_owned()).collect()
}

#[test]
fn every_input_is_read_or_refused() {
    for (name, reader) in READERS {
        let inputs = names(&fuzz().join("corpus").join(name), "");
        assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
        for input in inputs {
            let bytes = fs::read(fuzz().join("corpus").join(name).join(&input)).unwrap();
            let before = address_space();
            in_time(&format!("fuzz/corpus/{name}/{input}"), move || reader(&bytes));
            let taken = address_space().saturating_sub(before);
            assert!(taken < MOST_MEMORY, "fuzz/corpus/{name}/{input} took {taken} bytes");
        }
    }
}

#[test]
fn every_reader_has_a_target_and_a_corpus() {
    let readers: BTreeSet<String> = READERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(READERS.is_sorted_by_key(|(name, _)| name));
    assert_eq!(names(&fuzz().join("corpus"), ""), readers);
    assert_eq!(names(&fuzz().join("fuzz_targets"), ".rs"), readers);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let nightly = fs::read_to_string(fuzz().join("../.github/workflows/nightly.yml")).unwrap();
    for name in &readers {
        let target = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&target), "fuzz/Cargo.toml lacks {name}");
        let word = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == name);
        assert!(word(&nightly), "nightly.yml lacks {name}");
        let source = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("readers::{name}(")), "the target {name} reads something else");
    }
}

/// Runs a reader to its end.
fn in_time(input: &str, read: impl FnOnce() + Send + 'static) {
    let (done, end) = channel();
    let thread = thread::spawn(move || {
        read();
        let _ = done.send(());
    });
    match end.recv_timeout(LONGEST) {
        Err(RecvTimeoutError::Timeout) => panic!("{input}: no end within {} s", LONGEST.as_secs()),
        _ => assert!(thread.join().is_ok(), "{input}: panicked, see above"),
    }
}

/// The most bytes of addresses that this process has had; 0 where the system does not say.
fn address_space() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
