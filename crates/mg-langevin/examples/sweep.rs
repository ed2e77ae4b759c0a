//! Times the work of one learning iteration on the paper's nets, grid by grid: steps of equation (6), clamped, and one
//! update. Prints one JSON line, all times in seconds; `cargo xtask bench` runs it in turns with its peer.
//!
//! ```text
//! cargo run --release -p mg-langevin --example sweep -- [--norm none|batch] [--precision f32|bf16] [--batch 100]
//!     [--threads 2] [--repeats 5] [--side 64] [--steps 1] [--device cpu|cuda|metal]
//! ```
//!
//! GPUs need the features `cuda`, `cudnn` or `metal`. A repeat is a run of `--steps` steps, a step's time that of the median repeat divided by them. `--side` takes the
//! net of one grid in place of the grids 4, 16 and 64.

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use mg_energy::{ConvNet, EnergyNet, NetSpec, Norm, Params, Precision, Reference};
use mg_langevin::{Clamped, Langevin, run, unobserved};
use mg_random::Key;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SIDES: [usize; 3] = [4, 16, 64];
/// Steps of every grid in a sweep (section 6.1).
const SWEEP: f64 = 30.0;
/// Equation (6)'s step and the reference's standard deviation, 0.3 and 50 grey levels, of images in [-1, 1].
const DELTA: f64 = 0.3 / 127.5;
const REFERENCE: Reference = Reference::Gaussian { sigma: 50.0 / 127.5 };
const RATE: f64 = 1e-3;
const MOMENTUM: f64 = 0.9;

#[derive(Debug)]
struct Options {
    norm: Norm,
    precision: Precision,
    batch: usize,
    threads: usize,
    repeats: usize,
    side: Option<usize>,
    steps: usize,
    device: Device,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let (norm, precision) = (Norm::None, Precision::Full);
        let (side, device) = (None, Device::Cpu);
        let mut options =
            Options { norm, precision, batch: 100, threads: 2, repeats: 5, side, steps: 1, device };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = || match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{option} {value}: not a whole number of at least 1")),
            };
            match (option.as_str(), value.as_str()) {
                ("--norm", "none") => options.norm = Norm::None,
                ("--norm", "batch") => options.norm = Norm::Batch,
                ("--norm", _) => return Err(format!("--norm {value}: none or batch").into()),
                ("--precision", "f32") => options.precision = Precision::Full,
                ("--precision", "bf16") => options.precision = Precision::Bf16,
                ("--precision", _) => return Err(format!("--precision {value}: f32 or bf16").into()),
                ("--device", "cpu") => options.device = Device::Cpu,
                ("--device", "cuda") => options.device = Device::new_cuda(0)?,
                ("--device", "metal") => options.device = Device::new_metal(0)?,
                ("--device", _) => return Err(format!("--device {value}: cpu, cuda or metal").into()),
                ("--batch", _) => options.batch = number()?,
                ("--threads", _) => options.threads = number()?,
                ("--repeats", _) => options.repeats = number()?,
                ("--side", _) => options.side = Some(number()?),
                ("--steps", _) => options.steps = number()?,
                _ => {
                    let known =
                        "--norm, --precision, --batch, --threads, --repeats, --side, --steps and --device";
                    return Err(format!("{option} is unknown; there are {known}").into());
                }
            }
        }
        Ok(options)
    }
}

/// One grid's model, its chains and an observed batch.
struct Grid {
    spec: NetSpec,
    params: Params,
    velocity: Params,
    energy: EnergyNet,
    chains: Tensor,   // [n, 3, s, s]
    observed: Tensor, // [n, 3, s, s]
    runs: u64,
}

impl Grid {
    fn new(side: usize, options: &Options) -> Outcome<Self> {
        let (norm, precision) = (options.norm, options.precision);
        let spec = NetSpec { norm, precision, ..NetSpec::paper(side) };
        let key = Key::new(side as u64);
        let device = &options.device;
        let params = Params::init(&spec, key.named("params"), DType::F32, device)?;
        Ok(Grid {
            velocity: params.zeros_like()?,
            energy: EnergyNet::new(ConvNet::new(&spec, &params)?, REFERENCE),
            chains: images(key.named("chains"), options.batch, side, device)?,
            observed: images(key.named("observed"), options.batch, side, device)?,
            spec,
            params,
            runs: 0,
        })
    }

    fn sample(&mut self, n_steps: usize) -> Outcome<()> {
        let key = Key::new(self.runs).named("steps");
        self.runs += 1;
        let kernel = Clamped { inner: Langevin::from_delta(DELTA), min: -1.0, max: 1.0 };
        self.chains = run(&kernel, &self.energy, &self.chains, n_steps, key, &mut unobserved)?.x;
        Ok(())
    }

    /// Equation (7) and one step of SGD with momentum; then the net is packed anew.
    fn update(&mut self) -> Outcome<()> {
        let (net, share) = (&self.energy.net, 1.0 / self.observed.dim(0)? as f64);
        let lose = net.score_and_param_grads(&self.chains, &|_, _| share)?;
        let gain = net.score_and_param_grads(&self.observed, &|_, _| -share)?;
        let grads = lose.grads.zip(&gain.grads, |_, a, b| a + b)?;
        self.velocity = self.velocity.zip(&grads, |_, v, g| (v * MOMENTUM)? + g)?;
        self.params = self.params.zip(&self.velocity, |_, p, v| p - (v * RATE)?)?;
        self.energy.net = self.pack()?;
        self.finish()
    }

    /// Waits for the device. (A run of steps ends with reading its trace, which waits too.)
    fn finish(&self) -> Outcome<()> {
        Ok(self.chains.device().synchronize()?)
    }

    fn pack(&self) -> Outcome<ConvNet> {
        Ok(ConvNet::new(&self.spec, &self.params)?)
    }
}

/// Pixels uniform on [-1, 1]: [n, 3, s, s].
fn images(key: Key, n: usize, side: usize, device: &Device) -> Outcome<Tensor> {
    let mut values = vec![0f32; n * 3 * side * side];
    key.fill_uniform(&mut values);
    Ok(Tensor::from_vec(values, (n, 3, side, side), &Device::Cpu)?.affine(2.0, -1.0)?.to_device(device)?)
}

/// Median seconds of `repeats` calls.
fn seconds(repeats: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut times = vec![];
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(0.5 * (times[(repeats - 1) / 2] + times[repeats / 2]))
}

/// Peak resident memory; 0 where the system does not tell.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn measure(options: &Options) -> Outcome<String> {
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    let (mut steps, mut sweep, mut update, mut pack) = (vec![], 0.0, 0.0, 0.0);
    for side in options.side.map_or(SIDES.to_vec(), |side| vec![side]) {
        let mut grid = Grid::new(side, options)?;
        grid.sample(2)?;
        let step = seconds(options.repeats, || grid.sample(options.steps))? / options.steps as f64;
        grid.update()?;
        update += seconds(3, || grid.update())?;
        pack += seconds(3, || grid.pack().map(drop))?;
        sweep += SWEEP * step;
        steps.push(format!("\"{side}\": {step:.7}"));
    }
    let precision = if options.precision == Precision::Bf16 { "bf16" } else { "f32" };
    let (norm, steps) = (options.norm.name(), steps.join(", "));
    let side = options.side.map_or("null".to_string(), |side| side.to_string());
    let Options { batch, threads, repeats, steps: n_steps, .. } = options;
    let device = match options.device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    };
    Ok(format!(
        "{{\"ours\": \"mg-langevin {}\", \"precision\": \"{precision}\", \"norm\": \"{norm}\", \"device\": \"{device}\", \
         \"batch\": {batch}, \"threads\": {threads}, \"repeats\": {repeats}, \"side\": {side}, \"steps\": {n_steps}, \
         \"step_s\": {{{steps}}}, \"sweep_s\": {sweep:.5}, \"update_s\": {update:.5}, \
         \"iteration_s\": {:.5}, \"pack_s\": {pack:.5}, \"peak_mib\": {}}}",
        env!("CARGO_PKG_VERSION"),
        sweep + update,
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
