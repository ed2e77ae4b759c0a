//! Damaged models, checkpoints and configurations: bytes flipped, cut, repeated, overwritten, and damage whose checksum
//! is right. Whatever they hold, they are read or an error names the file, and nothing panics or takes much memory.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use mg_model::Artefact;
use mg_model::multigrid::MultigridModel;
use mg_random::{Key, Stream};
use mg_train::{Checkpoint, Error, Learning, METHODS, RunDir, Training};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{CPU, data, tiny};

/// Damages of every file; MG_MUTATIONS takes another number.
const MUTATIONS: u64 = 2000;

fn mutations() -> Range<u64> {
    0..std::env::var("MG_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(MUTATIONS)
}

fn random(name: &str, mutation: u64) -> Stream {
    Key::new(2).named(name).fold(mutation).stream()
}

/// One to four damages of bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Stream) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len() as u64) as usize;
        let end = (at + 1 + random.below(16) as usize).min(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next_u32() as u8,
            2 if random.below(4) == 0 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => bytes[at..end].fill(b"0\xff9\""[random.below(4) as usize]),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => replace_number(bytes, at, random),
        }
    }
}

/// Puts a number that few expect in place of the first one from `at` on.
fn replace_number(text: &mut Vec<u8>, at: usize, random: &mut Stream) {
    const NUMBERS: [&str; 12] = [
        "0",
        "-1",
        "1",
        "0.5",
        "1e308",
        "-1e-320",
        "4294967296",
        "9223372036854775807",
        "18446744073709551615",
        "65537",
        "nan",
        "[1, 1000000000, 2]",
    ];
    let number = |byte: &u8| byte.is_ascii_digit() || b".-".contains(byte);
    let Some(start) = text[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip) else { return };
    let length = text[start..].iter().position(|byte| !number(byte)).unwrap_or(text.len() - start);
    let other = NUMBERS[random.below(NUMBERS.len() as u64) as usize];
    text.splice(start..start + length, other.bytes());
}

/// A file of tensors in its parts.
#[derive(Clone)]
struct Parts {
    header: String,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(file: &[u8]) -> Self {
        let metadata = SafeTensors::read_metadata(file).unwrap().1.metadata().clone().unwrap();
        let envelope: Value = serde_json::from_str(&metadata["multigrid"]).unwrap();
        let views = SafeTensors::deserialize(file).unwrap();
        let part = |(name, view): (String, TensorView<'_>)| {
            (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Parts {
            header: envelope["header"].as_str().unwrap().to_owned(),
            tensors: views.tensors().into_iter().map(part).collect(),
        }
    }

    /// Damages the description or a tensor.
    fn damage(&mut self, random: &mut Stream) {
        if random.below(2) == 0 {
            let mut header = std::mem::take(&mut self.header).into_bytes();
            match random.below(2) {
                0 => damage(&mut header, random),
                _ => {
                    let at = random.below(header.len() as u64) as usize;
                    replace_number(&mut header, at, random);
                }
            }
            self.header = String::from_utf8_lossy(&header).into_owned();
            return;
        }
        let name = self.tensors.keys().nth(random.below(self.tensors.len() as u64) as usize).unwrap().clone();
        let Some((mut dtype, mut shape, mut bytes)) = self.tensors.remove(&name) else { return };
        match random.below(6) {
            0 => return,
            1 => return drop(self.tensors.insert(format!("{name}x"), (dtype, shape, bytes))),
            2 => shape = vec![shape.iter().product()],
            3 => shape.insert(0, 1),
            4 if bytes.len() % 8 == 0 => {
                (dtype, shape) = match dtype {
                    Dtype::I64 => (Dtype::F32, vec![bytes.len() / 4]),
                    _ => (Dtype::I64, vec![bytes.len() / 8]),
                }
            }
            4 => (shape, bytes) = (vec![0], Vec::new()),
            _ => {
                let at = random.below(bytes.len() as u64) as usize;
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill(if random.below(2) == 0 { 0xff } else { 0x7f });
            }
        }
        self.tensors.insert(name, (dtype, shape, bytes));
    }

    /// The file, with its checksum.
    fn file(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{}", self.header.len(), self.header));
        for (name, (_, shape, bytes)) in &self.tensors {
            hash.update(format!("{name} {shape:?} {}\n", bytes.len()));
            hash.update(bytes);
        }
        let sha256: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let envelope = serde_json::json!({ "sha256": sha256, "header": self.header }).to_string();
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, Some([("multigrid".to_owned(), envelope)].into_iter().collect()))
            .unwrap()
    }
}

/// A finished run of a net that holds everything a file can hold.
fn run(path: &Path) {
    let config = tiny(&[
        "model.grids=[1, 8]",
        "model.nets=[[[8, 3, 2], [8, 3, 1]]]",
        "model.width=1.0",
        "model.norm=frozen",
        "chains.start=persistent",
        "learn.iterations=2",
    ]);
    let run_dir = RunDir::create(path, &config).unwrap();
    Training::start(run_dir, &config, &data(&config), CPU).unwrap().run(&mut ()).unwrap();
}

/// Writes damaged copies of the file at `path` and reads them; counts those that could be read.
fn survives(
    path: &Path,
    name: &str,
    damaged: impl Fn(&mut Stream) -> Vec<u8>,
    read: impl Fn() -> mg_train::Result<()>,
) {
    let mut good = 0;
    for mutation in mutations() {
        fs::write(path, damaged(&mut random(name, mutation))).unwrap();
        match read() {
            Ok(()) => good += 1,
            Err(error) => {
                let (message, file) = (error.to_string(), path.to_str().unwrap());
                assert!(message.contains(file), "{name}, mutation {mutation}: {message}");
            }
        }
    }
    println!("{name}: {good} of {:?} could be read", mutations());
}

fn damaged_bytes(whole: Vec<u8>) -> impl Fn(&mut Stream) -> Vec<u8> {
    move |random| {
        let mut bytes = whole.clone();
        damage(&mut bytes, random);
        bytes
    }
}

fn damaged_parts(whole: &[u8]) -> impl Fn(&mut Stream) -> Vec<u8> + use<> {
    let whole = Parts::of(whole);
    move |random| {
        let mut parts = whole.clone();
        (0..=random.below(2)).for_each(|_| parts.damage(random));
        parts.file()
    }
}

#[test]
fn damaged_models_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path());
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let read = || {
        // Whoever reads the file names it.
        let unusable = |error: mg_model::Error| Error::Format {
            path: path.clone(),
            what: "model",
            reason: error.to_string(),
        };
        let artefact = Artefact::from_bytes(&fs::read(&path).unwrap(), CPU).map_err(unusable)?;
        let model = MultigridModel::of(artefact, CPU).map_err(unusable)?;
        // What is well-formed but of no use may fail later, not panic.
        for grid in model.classes.iter().flat_map(|class| &class.grids) {
            let _ = (grid.net(true), grid.net(false));
        }
        Ok(())
    };
    fs::write(&path, Parts::of(&whole).file()).unwrap();
    read().unwrap();
    survives(&path, "model", damaged_bytes(whole.clone()), read);
    survives(&path, "signed model", damaged_parts(&whole), read);
}

#[test]
fn damaged_checkpoints_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path());
    let path = dir.path().join("checkpoints/00000002.safetensors");
    let whole = fs::read(&path).unwrap();
    let config = RunDir::open(dir.path()).unwrap().config(METHODS).unwrap();
    let learner = std::cell::RefCell::new(Learning::new(&config, &data(&config), CPU).unwrap());
    let read = || {
        let Checkpoint { header, state } = Checkpoint::load(&path, CPU)?;
        let mut learner = learner.borrow_mut();
        if learner.restore(&state).is_ok() {
            let _ = learner.step(header.iteration, &mut |_| {});
        }
        Ok(())
    };
    fs::write(&path, Parts::of(&whole).file()).unwrap();
    read().unwrap();
    survives(&path, "checkpoint", damaged_bytes(whole.clone()), read);
    survives(&path, "signed checkpoint", damaged_parts(&whole), read);
}

#[test]
fn a_checkpoint_that_does_not_fit_its_run_is_named() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path());
    let path = dir.path().join("checkpoints/00000002.safetensors");
    let mut parts = Parts::of(&fs::read(&path).unwrap());
    parts.tensors.pop_last();
    fs::write(&path, parts.file()).unwrap();
    let run_dir = RunDir::open(dir.path()).unwrap();
    let config = run_dir.config(METHODS).unwrap();
    let error = Training::resume(run_dir, &config, &data(&config), CPU).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn damaged_configurations_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let run_dir =
        RunDir::create(dir.path(), &tiny(&["model.nets=[[[8, 3, 2]], [[16, 5, 1], [8, 3, 1]]]"])).unwrap();
    let path = run_dir.config_path();
    // Without its checksum, which would refuse them all.
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("# Checksum"));
    let whole = lines.collect::<Vec<_>>().join("\n").into_bytes();
    let read = || run_dir.config(METHODS).map(drop);
    survives(&path, "config", damaged_bytes(whole.clone()), read);
    let numbers = move |random: &mut Stream| {
        let mut text = whole.clone();
        for _ in 0..=random.below(2) {
            let at = random.below(text.len() as u64) as usize;
            replace_number(&mut text, at, random);
        }
        text
    };
    survives(&path, "numbers of a config", numbers, read);
}
