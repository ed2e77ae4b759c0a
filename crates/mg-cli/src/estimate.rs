use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use mg_energy::Energy;
use mg_train::{Contrastive, Result};

/// Images that the measurement takes; an iteration takes a batch.
const IMAGES: usize = 8;

/// How long an iteration will take, from one evaluation of every grid's gradient on a few images.
pub(crate) fn iteration(learner: &Contrastive, device: &Device) -> Result<Duration> {
    let config = learner.config();
    let mut seconds = 0.0;
    for (level, grid) in learner.classes()[0].grids.iter().enumerate() {
        let n = IMAGES.min(config.learn.batch).max(2);
        let side = grid.spec.side;
        let x = Tensor::zeros((n, grid.spec.channels, side, side), DType::F32, device)?;
        let energy = grid.energy(config.reference(), &x)?;
        energy.value_and_grad(&x)?;
        let start = Instant::now();
        device_done(&energy.value_and_grad(&x)?.energy)?;
        let step = start.elapsed().as_secs_f64() * config.learn.batch as f64 / n as f64;
        // An update costs about as much as four steps.
        seconds += step * (config.chains.steps.at(level) + 4) as f64;
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reading a number waits for the device.
fn device_done(x: &Tensor) -> Result<()> {
    x.sum_all()?.to_scalar::<f32>()?;
    Ok(())
}

/// Seconds, minutes or hours, as a person would say it.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let told = |s| human(Duration::from_secs_f64(s));
        assert_eq!(told(0.25), "250 ms");
        assert_eq!(told(12.34), "12.3 s");
        assert_eq!(told(600.0), "10 min");
        assert_eq!(told(7200.0), "2.0 h");
        assert_eq!(told(4.0 * 86400.0), "4.0 days");
    }
}
