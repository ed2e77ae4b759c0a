//! Times a backbone on images of its own input's side. Prints one JSON line; `cargo xtask bench backbone` runs it in turns
//! with its peer.
//!
//! ```text
//! cargo run --release -p mg-backbone --example features -- [--network lite0|inception] [--batch 50] [--threads 2]
//!     [--repeats 5]
//! ```
//!
//! The Inception graph's weights are zeros: time does not depend on them.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use mg_backbone::{Backbone, Convention, Weights};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    network: String,
    batch: usize,
    threads: usize,
    repeats: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self { network: "lite0".to_owned(), batch: 50, threads: 2, repeats: 5 };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = || match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{option} {value}: not a whole number of at least 1")),
            };
            match option.as_str() {
                "--network" => options.network.clone_from(&value),
                "--batch" => options.batch = number()?,
                "--threads" => options.threads = number()?,
                "--repeats" => options.repeats = number()?,
                _ => return Err(format!("{option}: --network, --batch, --threads or --repeats").into()),
            }
        }
        Ok(options)
    }
}

fn backbone(network: &str) -> Outcome<(Backbone, usize)> {
    match network {
        "lite0" => Ok((Backbone::lite0(&Device::Cpu)?, 224)),
        "inception" => {
            let shapes: std::collections::BTreeMap<String, Vec<usize>> =
                serde_json::from_str(include_str!("../tests/golden/inception-shapes.json"))?;
            let zeros = |(name, shape): (String, Vec<usize>)| -> Outcome<_> {
                Ok((name, Tensor::zeros(shape, DType::F32, &Device::Cpu)?))
            };
            let tensors = shapes.into_iter().map(zeros).collect::<Outcome<_>>()?;
            let weights = Weights { tensors, sha256: "zeros".to_owned() };
            Ok((Backbone::inception(&weights, Convention::TensorFlow1, &Device::Cpu)?, 299))
        }
        other => Err(format!("--network {other}: lite0 or inception").into()),
    }
}

fn measure(options: &Options) -> Outcome<()> {
    let (backbone, side) = backbone(&options.network)?;
    let images = Tensor::zeros((options.batch, 3, side, side), DType::F32, &Device::Cpu)?;
    backbone.features(&images)?; // once, to fill workspaces
    let mut seconds: Vec<f64> = vec![];
    for _ in 0..options.repeats {
        let start = Instant::now();
        backbone.logits(&backbone.features(&images)?)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let Options { network, batch, threads, repeats } = options;
    let line = serde_json::json!({
        "network": network,
        "batch": batch,
        "threads": threads,
        "repeats": repeats,
        "image_s": median / *batch as f64,
        "peak_mib": peak_mib(),
    });
    println!("{line}");
    Ok(())
}

/// Peak resident memory, where the system tells it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(0.0, |kib| (kib / 1024.0).round())
}

fn main() -> ExitCode {
    let done = Options::parse(std::env::args().skip(1)).and_then(|options| {
        rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
        measure(&options)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("features: {error}");
            ExitCode::FAILURE
        }
    }
}
