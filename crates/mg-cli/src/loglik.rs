use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use mg_data::Split;
use mg_eval::BitsPerDim;
use mg_model::{Annealing, Density, NormalizerEstimate};
use mg_random::Key;
use mg_train::{Methods, Selection, SetImages};
use serde_json::{Value, json};

use crate::device::DeviceArgs;
use crate::grid::Grid;
use crate::output::JsonArgs;
use crate::set::{self, SetArgs};
use crate::{hub, progress};

/// Estimate the log likelihood of images under the model of one grid, p(x) = exp(f(x)) p0(x) / Z: log Z by annealed
/// importance sampling with Hamiltonian Monte Carlo, with an interval, and bits per dimension of the images, rounded
/// to 256 grey levels on that grid and dequantised.
///
/// The estimate of log Z is a lower bound in expectation: bits per dimension come out too low rather than too high
/// where few weights count. They mean something where the model is a density of dequantised pixels: learned with
/// chains at temperature 1 (chains.noise_scale = sqrt(2 chains.step_size)) and with data.noise of a grey level or more.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run directory or model.safetensors
    run: PathBuf,
    /// Images; the test split of a set with splits
    #[arg(long, value_name = "SET")]
    data: String,
    /// Another split of them: train, test, validation or extra
    #[arg(long)]
    split: Option<Split>,
    /// Most images
    #[arg(short, default_value_t = 1000)]
    n: usize,
    /// Chains, each of which makes a weight
    #[arg(long, value_name = "N", default_value_t = 32)]
    chains: usize,
    /// Temperatures above that of the reference distribution
    #[arg(long, value_name = "N", default_value_t = 500)]
    temperatures: usize,
    /// Leapfrog steps at each
    #[arg(long, value_name = "N", default_value_t = 10)]
    leapfrog: usize,
    /// Steps at the model's own temperature after that, to see whether chains mix; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100)]
    mixing: usize,
    /// Side of the grid; the finest unless given
    #[arg(long, value_name = "S")]
    grid: Option<usize>,
    /// Class of a conditional model
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Seed of chains, of the choice of images and of dequantisation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Level of the interval.
const LEVEL: f64 = 0.95;

pub(crate) fn run(args: &Args, methods: Methods) -> Result<()> {
    ensure!(args.n > 0, "-n is 0; ask for at least one image");
    args.json.check()?;
    ensure!(args.chains > 1, "--chains is {}; an interval needs at least 2", args.chains);
    ensure!(args.temperatures > 0, "--temperatures is 0; 1 is plain importance sampling");
    ensure!(args.leapfrog > 0, "--leapfrog is 0; chains need at least one step");
    let device = args.device.open()?;
    let model = args.device.adjust(hub::model(&args.run, None, methods, &device)?, &device);
    let energies = model.must_have_score_nets()?;
    let grid = Grid::of(args.grid.map(Grid::Side), energies)?;
    let level = grid.level(energies).context("the model has no such grid")?;
    let density = Density::of(energies, args.class.as_deref(), level)?;
    let key = Key::new(args.seed).named("loglik");
    let images = args.set.for_testing(&Selection::of_model(&*model)?, &args.data, args.split)?;
    let images = set::at_most(images, args.n, key)?;

    let annealed = anneal(args, &density, key.named("annealing"), &device)?;
    let bar = progress::bar(images.len(), "images");
    let set = SetImages { set: &images, device: &device };
    let log_densities = density.log_unnormalized(&set, key, &mut |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    let log_z = annealed.log_z;
    let bits = BitsPerDim::of(&log_densities, log_z.estimate, log_z.interval, density.dimension(), 256)?;
    doubts(&annealed, energies.temperature(level));
    report(args, grid, &density, &annealed, &bits)
}

/// Estimates log Z, with a bar.
fn anneal(args: &Args, density: &Density, key: Key, device: &Device) -> Result<NormalizerEstimate> {
    let how = Annealing {
        n_chains: args.chains,
        n_temperatures: args.temperatures,
        n_leapfrog: args.leapfrog,
        level: LEVEL,
        n_mixing: args.mixing,
    };
    let bar = progress::bar(0, "temperatures");
    let annealed = density.log_z(&how, key, device, &mut |done, of| {
        progress::show(&bar, done as u64, of as u64);
    })?;
    bar.finish_and_clear();
    Ok(annealed)
}

/// What a reader of the numbers should know about them.
fn doubts(annealed: &NormalizerEstimate, temperature: f64) {
    let log_z = annealed.log_z;
    if log_z.ess < 0.25 * log_z.n as f64 {
        tracing::warn!(
            "few weights decide log Z: take it for a lower bound, and the bits per dimension too, whatever the \
             interval says; more --temperatures and --chains help"
        );
    }
    if annealed.mixing.and_then(|mixing| mixing.r_hat).is_some_and(|r_hat| r_hat > 1.1) {
        tracing::warn!("chains do not mix at the model's own temperature: weights may miss whole regions");
    }
    if (temperature.ln()).abs() > 0.1 {
        tracing::warn!(
            "this model was learned with chains at temperature {temperature:.1e} (noise_scale^2 / 2 step_size); its \
             density is that of temperature 1, which those chains have not sampled"
        );
    }
}

fn report(
    args: &Args,
    grid: Grid,
    density: &Density,
    annealed: &NormalizerEstimate,
    bits: &BitsPerDim,
) -> Result<()> {
    if annealed.acceptance.is_some_and(|acceptance| acceptance < 0.01) {
        tracing::warn!(
            "hardly a step is accepted, so chains stay where they begin; a smaller step size moves them"
        );
    }
    if !args.json.write(&as_json(args, grid, density, annealed, bits))? {
        return Ok(());
    }
    let NormalizerEstimate { log_z, acceptance, mixing } = annealed;
    let percent = 100.0 * log_z.level;
    let (low, high) = log_z.interval;
    say!("grid            {grid}, {} dimensions", density.dimension());
    say!("log Z           {:.3}, {percent:.0} % interval {low:.3} to {high:.3} (bootstrap)", log_z.estimate);
    say!("effective size  {:.1} of {} weights", log_z.ess, log_z.n);
    if let Some(acceptance) = acceptance {
        say!("acceptance      {acceptance:.3} over {} temperatures", args.temperatures);
    }
    if let Some(mixing) = mixing {
        let told = |value: Option<f64>, digits| value.map_or("-".to_string(), |v| format!("{v:.digits$}"));
        let (ess, r_hat) = (told(mixing.ess, 1), told(mixing.r_hat, 3));
        let draws = mixing.n_chains * mixing.n_steps;
        say!("mixing          effective size {ess} of {draws} energies, R-hat {r_hat}");
    }
    let error = bits.mean.std_error().map_or(String::new(), |error| format!(" (standard error {error:.4})"));
    let (low, high) = bits.interval;
    say!(
        "bits per dim    {:.4}{error}, {low:.4} to {high:.4} by log Z, {} images",
        bits.mean.mean,
        bits.mean.n
    );
    Ok(())
}

fn as_json(
    args: &Args,
    grid: Grid,
    density: &Density,
    annealed: &NormalizerEstimate,
    bits: &BitsPerDim,
) -> Value {
    let NormalizerEstimate { log_z, acceptance, mixing } = annealed;
    let mixing = mixing.map(|m| {
        json!({ "chains": m.n_chains, "steps": m.n_steps, "acceptance": m.acceptance,
                "effective_sample_size": m.ess, "r_hat": m.r_hat })
    });
    json!({
        "grid": grid.to_string(), "dimension": density.dimension(),
        "log_z": { "estimate": log_z.estimate, "interval": [log_z.interval.0, log_z.interval.1],
                   "level": log_z.level, "effective_sample_size": log_z.ess, "chains": log_z.n,
                   "temperatures": args.temperatures },
        "acceptance": acceptance, "mixing": mixing,
        "bits_per_dim": { "mean": bits.mean.mean, "std_error": bits.mean.std_error(),
                          "interval": [bits.interval.0, bits.interval.1], "images": bits.mean.n },
    })
}
