//! Times Radford's protocol (table 2) on synthetic features: ReLUs of random mixtures of 64 hidden numbers, whose means
//! differ between ten classes. Prints one JSON line, all times in seconds; `cargo xtask bench svm` runs it in turns with
//! its peer.
//!
//! ```text
//! cargo run --release -p mg-eval --example svm -- [--labels 1000] [--width 15360] [--pool 10000] [--held 2000]
//!     [--draws 1] [--threads 2]
//! ```
//!
//! Per draw: fits of all seven C with their accuracies on `--held` validation rows (`choice_s`), and a fit of one C with
//! its error on as many test rows (`test_s`). `grid_s` is table 2's work for this number of labels: ten of the former
//! and a hundred of the latter.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::{Device, Tensor};
use mg_eval::svm::{LabelledFeatures, RadfordProtocol};
use mg_random::Key;

type Outcome<T> = Result<T, Box<dyn Error>>;

const CLASSES: usize = 10;
const HIDDEN: usize = 64;
/// Deviation of the class means, and of the noise on every feature.
const SHIFT: f64 = 0.25;
const NOISE: f64 = 0.5;

#[derive(Debug)]
struct Options {
    labels: usize,
    width: usize,
    pool: usize,
    held: usize,
    draws: usize,
    threads: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options =
            Options { labels: 1000, width: 15_360, pool: 10_000, held: 2000, draws: 1, threads: 2 };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = match value.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(format!("{option} {value}: not a whole number of at least 1").into()),
            };
            match option.as_str() {
                "--labels" => options.labels = number,
                "--width" => options.width = number,
                "--pool" => options.pool = number,
                "--held" => options.held = number,
                "--draws" => options.draws = number,
                "--threads" => options.threads = number,
                _ => {
                    let known = "--labels, --width, --pool, --held, --draws and --threads";
                    return Err(format!("{option} is unknown; there are {known}").into());
                }
            }
        }
        Ok(options)
    }
}

fn normals(key: Key, rows: usize, width: usize) -> Outcome<Tensor> {
    let mut values = vec![0f32; rows * width];
    key.fill_normal(&mut values);
    Ok(Tensor::from_vec(values, (rows, width), &Device::Cpu)?)
}

/// Rows of all classes in turn.
fn rows(what: &'static str, n: usize, width: usize) -> Outcome<LabelledFeatures> {
    let key = Key::new(1);
    let mixture = (normals(key.named("mixture"), HIDDEN, width)? / (HIDDEN as f64).sqrt())?;
    let means = (normals(key.named("means"), CLASSES, HIDDEN)? * SHIFT)?;
    let labels: Vec<u32> = (0..n).map(|i| (i % CLASSES) as u32).collect();
    let means = means.index_select(&Tensor::new(&labels[..], &Device::Cpu)?, 0)?;
    let hidden = (means + normals(key.named(what).named("hidden"), n, HIDDEN)?)?;
    let noise = (normals(key.named(what).named("noise"), n, width)? * NOISE)?;
    let features = (hidden.matmul(&mixture)? + noise)?.relu()?;
    Ok(LabelledFeatures::new(what, &features, &labels, CLASSES)?)
}

/// Peak resident memory; 0 where the system does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn measure(options: &Options) -> Outcome<String> {
    let Options { labels, width, pool, held, draws, threads } = *options;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let train = rows("training", pool, width)?;
    let (validation, test) = (rows("validation", held, width)?, rows("test", held, width)?);
    let protocol = RadfordProtocol {
        labels_per_class: labels / CLASSES,
        draws_per_c: draws,
        final_draws: draws,
        ..RadfordProtocol::default()
    };
    let (begin, chosen) = (Instant::now(), draws * protocol.c_grid.len());
    let mut choice = 0.0;
    let score = protocol.run(&train, &validation, &test, Key::new(2), &mut |done, _| {
        if done == chosen {
            choice = begin.elapsed().as_secs_f64();
        }
    })?;
    let total = begin.elapsed().as_secs_f64();
    let (choice, test) = (choice / draws as f64, (total - choice) / draws as f64);
    Ok(format!(
        "{{\"ours\": \"mg-eval {}\", \"labels\": {labels}, \"width\": {width}, \"pool\": {pool}, \"held\": {held}, \
         \"draws\": {draws}, \"threads\": {threads}, \"choice_s\": {choice:.4}, \"test_s\": {test:.4}, \
         \"grid_s\": {:.3}, \"c\": {}, \"error\": {:.3}, \"peak_mib\": {}}}",
        env!("CARGO_PKG_VERSION"),
        10.0 * choice + 100.0 * test,
        score.c,
        score.test_error.mean,
        peak_mib()
    ))
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| measure(&options)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
