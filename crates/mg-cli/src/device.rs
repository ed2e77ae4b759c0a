use anyhow::{Context, Result, bail};
use candle_core::Device;
use candle_core::utils::{cuda_is_available, metal_is_available};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use mg_energy::PrecisionKind;
use mg_model::Model;
use mg_train::config::Layer;

/// Where to compute.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// Where to compute; `auto` takes the best there is
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    device: Kind,
    /// Threads on the CPU; all cores unless given
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// What nets multiply; as configured (model.precision) unless given
    #[arg(long, value_parser = precisions())]
    precision: Option<PrecisionKind>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Auto,
    Cpu,
    Cuda,
    Metal,
}

/// The words of precisions.
fn precisions() -> impl TypedValueParser<Value = PrecisionKind> {
    let words = PrecisionKind::ALL.map(PrecisionKind::name);
    PossibleValuesParser::new(words).try_map(|word| word.parse::<PrecisionKind>())
}

impl DeviceArgs {
    /// The precision that was asked for.
    pub(crate) fn precision(&self) -> Option<PrecisionKind> {
        self.precision
    }

    /// `model` in the precision that was asked for; as it was learned if none was.
    pub(crate) fn adjust(&self, mut model: Box<dyn Model>, device: &Device) -> Box<dyn Model> {
        if let Some(precision) = self.precision() {
            model.set_precision(precision.on(device));
        }
        model
    }

    /// The precision that was asked for, as a layer over a configuration.
    pub(crate) fn layer(&self) -> mg_train::Result<Option<Layer>> {
        let layer =
            |precision: PrecisionKind| Layer::assignment(&format!("model.precision={}", precision.name()));
        self.precision.map(layer).transpose()
    }

    /// Opens the device and sets the number of threads.
    pub(crate) fn open(&self) -> Result<Device> {
        if let Some(threads) = self.threads {
            if threads == 0 {
                bail!("--threads is 0; it must be at least 1");
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build_global().context("cannot start the threads")?;
        }
        match self.device {
            Kind::Cpu => Ok(Device::Cpu),
            Kind::Cuda => cuda(),
            Kind::Metal => metal(),
            Kind::Auto => Ok(best()),
        }
    }
}

/// CUDA if this program has it and the machine does, then Metal, then the CPU. A missing driver is no error here.
fn best() -> Device {
    let gpu = match (cuda_is_available(), metal_is_available()) {
        (true, _) => cuda(),
        (_, true) => metal(),
        _ => return Device::Cpu,
    };
    gpu.unwrap_or_else(|error| {
        tracing::warn!("no GPU, so the CPU: {error:#}");
        Device::Cpu
    })
}

fn cuda() -> Result<Device> {
    if !cuda_is_available() {
        bail!(
            "this mg was built without CUDA; build it with --features cuda (or cudnn), or use --device cpu"
        );
    }
    Device::new_cuda(0)
        .context("no CUDA device answers; check the driver with nvidia-smi, or use --device cpu")
}

fn metal() -> Result<Device> {
    if !metal_is_available() {
        bail!(
            "this mg was built without Metal; build it with --features metal on a Mac, or use --device cpu"
        );
    }
    Device::new_metal(0).context("no Metal device answers; use --device cpu")
}

/// The device and what is multiplied on it, in words.
pub(crate) fn describe(device: &Device, precision: &str) -> String {
    let device = match device {
        Device::Cpu => format!("CPU, {} threads", rayon::current_num_threads()),
        Device::Cuda(_) => "CUDA".into(),
        Device::Metal(_) => "Metal".into(),
    };
    format!("{device}, {precision}")
}
