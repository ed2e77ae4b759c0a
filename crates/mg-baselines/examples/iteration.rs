//! Times iterations of a compared system on the embedded portraits. Prints one JSON line; `cargo xtask bench baselines` runs
//! it in turns with its peer.
//!
//! ```text
//! cargo run --release -p mg-baselines --example iteration -- [--method dcgan] [--precision f32|bf16] [--batch 128]
//!     [--threads 2] [--repeats 10]
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::Device;
use mg_baselines::METHODS;
use mg_train::config::{Layer, resolve};
use mg_train::{Learning, open_data};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    method: String,
    precision: String,
    batch: usize,
    threads: usize,
    repeats: usize,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let (method, precision) = ("dcgan".to_owned(), "f32".to_owned());
        let mut options = Self { method, precision, batch: 128, threads: 2, repeats: 10 };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = || match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{option} {value}: not a whole number of at least 1")),
            };
            match option.as_str() {
                "--method" => options.method.clone_from(&value),
                "--precision" => options.precision.clone_from(&value),
                "--batch" => options.batch = number()?,
                "--threads" => options.threads = number()?,
                "--repeats" => options.repeats = number()?,
                _ => {
                    return Err(
                        format!("{option}: --method, --precision, --batch, --threads or --repeats").into()
                    );
                }
            }
        }
        Ok(options)
    }
}

/// Iterations before the clock starts.
const WARM_UP: u64 = 2;

/// Seconds of an iteration: the median, or the mean of a method whose iterations differ.
fn seconds(options: &Options) -> Outcome<f64> {
    let set = |text: String| Layer::assignment(&text);
    let mut layers = vec![
        Layer::preset(METHODS, &options.method)?,
        set(format!("learn.batch={}", options.batch))?,
        set(format!("model.precision={}", options.precision))?,
    ];
    let uneven = options.method == "wgan";
    if uneven {
        // As it is for all but the first iterations: every fifth one moves the generator too.
        layers.extend([set("learn.warm_updates=0".into())?, set("learn.warm_every=0".into())?]);
    }
    let config = resolve(METHODS, &layers)?;
    let data = open_data(&config, None)?;
    let mut learning = Learning::new(&config, &data, &Device::Cpu)?;
    let mut times = vec![];
    for iteration in 0..WARM_UP + options.repeats as u64 {
        let start = Instant::now();
        learning.step(iteration, &mut |_| {})?;
        if iteration >= WARM_UP {
            times.push(start.elapsed().as_secs_f64());
        }
    }
    if uneven {
        return Ok(times.iter().sum::<f64>() / times.len() as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The most memory the process has had, MiB, where the system tells.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

fn run() -> Outcome<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
    let iteration = pool.install(|| seconds(&options).map_err(|error| error.to_string()))?;
    let line = serde_json::json!({
        "method": options.method, "precision": options.precision, "batch": options.batch, "threads": options.threads,
        "repeats": options.repeats, "iteration_s": iteration, "peak_mib": peak_mib(),
    });
    println!("{line}");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
