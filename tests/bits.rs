//! Every method, sampler and normalisation still gives the bits that it gave when `golden/bits.json` was made.
//!
//! Bits depend on the processor's instructions, so numbers are kept for several kinds of processors; the test is ignored on
//! others. Numbers that change on purpose are recorded anew on every kind:
//! `MG_RECORD_BITS=1 cargo test -p mg-cli bits` writes those of this one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{files, ok, read};

/// Learns 16x16 images in about a second.
const TINY: &str = "
seed = 3
[model]
grids = [1, 4, 16]
width = 0.08
[chains]
steps = 4
[learn]
batch = 16
iterations = 20
[output]
checkpoint_every = 10
sheet_every = 20
sheet_images = 9
[guard]
max_gap = 1e9
max_deviation_ratio = 100.0
max_saturation = 2.0
";

/// What is learned, by name; the words after `train`.
const CASES: [(&str, &str); 15] = [
    ("default", ""),
    ("paper", "--preset paper"),
    ("single-grid", "--preset single-grid --set model.grids=[1,16]"),
    ("cd1", "--preset cd1 --set model.grids=[1,16] --set chains.steps=1"),
    ("persistent-cd", "--preset persistent-cd --set model.grids=[1,16] --set chains.start=persistent"),
    ("recovery", "--preset recovery --set chains.hidden_square=8"),
    ("conditional", "--set data.class=each"),
    ("group", "--set model.norm=group --set learn.rate=1e-4"),
    ("observed", "--set model.norm=observed --set data.noise=0.05"),
    ("frozen", "--set model.norm=frozen --set learn.energy_regularization=0.01"),
    ("mala", "--set chains.sampler=mala --set chains.step_size=0.001 --set model.reference=gaussian"),
    (
        "hmc",
        "--set chains.sampler=hmc --set chains.step_size=0.001 --set chains.leapfrog=3 --set model.activation=silu",
    ),
    (
        "ladder",
        "--set model.grids=[1,4,6,9] --set chains.steps=[1,2,3] --set chains.upscale=smooth --set chains.start_noise=0.1 --set chains.step_decay=0.1",
    ),
    (
        "schedule",
        "--set learn.optimizer=sgd --set learn.rate=0.01 --set learn.decay=log --set learn.decay_passes=4.0 --set learn.decay_every=1.0 --set model.initial=pooled --set learn.ema=0",
    ),
    ("held-out", "--set data.limit=200 --set data.hold_out=50 --set data.flip=false --set model.padding=two"),
];

/// Hashes of what one run leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bits {
    metrics: String,
    tensors: String,
    samples: String,
    recovered: String,
}

/// By kind of processor, then by case and precision.
type Golden = BTreeMap<String, BTreeMap<String, Bits>>;

fn golden_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/bits.json")
}

/// The instructions that nets are computed with here; `None` where no numbers are kept for them.
fn processor() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let avx2 = has!("avx2") && has!("fma");
        let bf16 = has!("avx512bf16") && has!("avx512bw") && has!("avx512vnni");
        return match (avx2, avx2 && has!("avx512f"), bf16) {
            (true, true, true) => Some("avx512-bf16"),
            (true, true, false) => Some("avx512"),
            (true, false, _) => Some("avx2"),
            _ => None,
        };
    }
    #[allow(unreachable_code)]
    None
}

/// Whether products of bf16 go through tiles here, which round otherwise.
fn has_tiles() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| info.contains("amx_bf16"))
}

/// Learns a case, draws from it and fills in with it.
fn run(dir: &Path, name: &str, words: &str, precision: &str, threads: usize) -> Bits {
    let on = format!("--precision {precision} --threads {threads}");
    let run = format!("{name}-{precision}-{threads}");
    ok(dir, &format!("train bits.toml {words} {on} --run {run}"));
    ok(dir, &format!("sample {run} -n 5 --out {run}-s --threads {threads}"));
    let class = if name == "conditional" { "--class smiley" } else { "" };
    ok(
        dir,
        &format!(
            "inpaint {run} --input portraits --mask doodle -n 3 {class} --out {run}-i --threads {threads}"
        ),
    );
    Bits {
        metrics: metrics(&read(dir.join(&run).join("metrics.jsonl"))),
        tensors: tensors(&read(dir.join(&run).join("model.safetensors"))),
        samples: contents(&dir.join(format!("{run}-s"))),
        recovered: contents(&dir.join(format!("{run}-i"))),
    }
}

/// Of every value of every iteration, whatever the form of the lines.
fn metrics(lines: &[u8]) -> String {
    let mut hash = Sha256::new();
    for line in String::from_utf8_lossy(lines).lines() {
        let report: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        let iteration = report["iteration"].as_u64().unwrap();
        for (name, value) in &report {
            if let (false, Some(value)) = (name == "iteration", value.as_f64()) {
                hash.update(format!("{iteration} {name} {:016x}\n", value.to_bits()));
            }
        }
    }
    hex(hash)
}

/// Of every tensor, whatever the description beside them.
fn tensors(file: &[u8]) -> String {
    let mut hash = Sha256::new();
    let tensors = SafeTensors::deserialize(file).unwrap();
    for (name, view) in tensors.tensors().into_iter().collect::<BTreeMap<_, _>>() {
        hash.update(format!("{name} {:?}\n", view.shape()));
        hash.update(view.data());
    }
    hex(hash)
}

/// Of all files of a folder.
fn contents(folder: &Path) -> String {
    let mut hash = Sha256::new();
    files(folder).iter().for_each(|file| hash.update(read(file)));
    hex(hash)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
#[cfg_attr(not(knows_bits), ignore = "no bits are kept for processors like this one")]
fn bits_are_those_that_were_recorded() {
    let processor = processor().expect("instructions that have a name");
    let recording = std::env::var_os("MG_RECORD_BITS").is_some();
    let mut golden: Golden = serde_json::from_slice(&read(golden_path())).unwrap();
    let expected = golden.get(processor).cloned().unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("bits.toml"), TINY).unwrap();
    let mut found = BTreeMap::new();
    for (name, words) in CASES {
        for precision in ["f32", "bf16"] {
            if precision == "bf16" && has_tiles() {
                continue;
            }
            let case = format!("{name}-{precision}");
            let bits = run(dir.path(), name, words, precision, 2);
            assert_eq!(bits, run(dir.path(), name, words, precision, 1), "{case}: threads");
            if !recording {
                assert_eq!(Some(&bits), expected.get(&case), "{case} on {processor}");
            }
            found.insert(case, bits);
        }
    }
    if recording {
        golden.insert(processor.to_owned(), found);
        std::fs::write(golden_path(), serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
    }
}
