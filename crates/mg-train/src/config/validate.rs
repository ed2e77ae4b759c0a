use super::{Config, Nets, NormMode, SamplerKind};
use crate::{Error, Result};

/// The largest channel number, kernel or stride of a layer.
const MAX_LAYER: usize = 1 << 14;
/// The most images of a batch.
const MAX_BATCH: usize = 1 << 20;

impl Config {
    /// Checks what the types cannot: ranges, and that nets and lists fit the grids.
    ///
    /// # Errors
    /// Names the key, its value and what it may be.
    pub fn validate(&self) -> Result<()> {
        let grids = self.grids()?;
        let levels = grids.sides().len() - 1;
        self.check_ranges()?;
        self.check_layers()?;
        for number in 0..levels {
            self.net_spec(number)?.shape()?;
        }
        self.check_lists(levels)?;
        self.check_methods()
    }

    fn check_layers(&self) -> Result<()> {
        let Nets::Layers(grids) = &self.model.nets else { return Ok(()) };
        match grids.iter().flatten().find(|layer| layer.iter().any(|&number| number > MAX_LAYER)) {
            Some([channels, kernel, stride]) => Err(Error::value(
                "model.nets",
                format!("a layer [{channels}, {kernel}, {stride}]"),
                format!("of numbers up to {MAX_LAYER}"),
            )),
            None => Ok(()),
        }
    }

    fn check_lists(&self, levels: usize) -> Result<()> {
        let chains = &self.chains;
        chains.start.check_len("chains.start", levels)?;
        chains.upscale.check_len("chains.upscale", levels)?;
        chains.start_noise.check_len("chains.start_noise", levels)?;
        chains.steps.check_len("chains.steps", levels)?;
        chains.step_size.check_len("chains.step_size", levels)?;
        chains.step_decay.check_len("chains.step_decay", levels)?;
        chains.noise_scale.check_len("chains.noise_scale", levels)?;
        self.learn.rate.check_len("learn.rate", levels)
    }

    fn check_ranges(&self) -> Result<()> {
        let number = |key: &str, value: f64, ok: bool, may: &str| match ok && value.is_finite() {
            true => Ok(()),
            false => Err(Error::value(key, value.to_string(), may.to_string())),
        };
        let (model, learn, guard, output) = (&self.model, &self.learn, &self.guard, &self.output);
        number(
            "model.width",
            model.width,
            model.width > 0.0 && model.width <= 16.0,
            "above 0 and at most 16",
        )?;
        number("model.slope", model.slope, (0.0..1.0).contains(&model.slope), "in [0, 1)")?;
        number("model.sigma", model.sigma, model.sigma > 0.0, "above 0")?;
        number("model.groups", model.groups as f64, model.groups > 0, "at least 1")?;
        for &value in self.chains.step_size.values() {
            number("chains.step_size", value, value > 0.0, "above 0")?;
        }
        for &value in self.chains.step_decay.values() {
            number("chains.step_decay", value, value > 0.0 && value <= 1.0, "in (0, 1]")?;
        }
        for &value in self.chains.start_noise.values() {
            number("chains.start_noise", value, value >= 0.0, "at least 0")?;
        }
        for &value in self.chains.noise_scale.values() {
            number("chains.noise_scale", value, value >= 0.0, "at least 0")?;
        }
        for &value in learn.rate.values() {
            number("learn.rate", value, value >= 0.0, "at least 0")?;
        }
        number("chains.leapfrog", self.chains.leapfrog as f64, self.chains.leapfrog > 0, "at least 1")?;
        number(
            "learn.batch",
            learn.batch as f64,
            (1..=MAX_BATCH).contains(&learn.batch),
            &format!("in 1..={MAX_BATCH}"),
        )?;
        number("learn.momentum", learn.momentum, (0.0..1.0).contains(&learn.momentum), "in [0, 1)")?;
        number("learn.beta1", learn.beta1, (0.0..1.0).contains(&learn.beta1), "in [0, 1)")?;
        number("learn.beta2", learn.beta2, (0.0..1.0).contains(&learn.beta2), "in [0, 1)")?;
        number("learn.eps", learn.eps, learn.eps > 0.0, "above 0")?;
        number("learn.ema", learn.ema, (0.0..1.0).contains(&learn.ema), "in [0, 1); 0 switches it off")?;
        number("learn.decay_to", learn.decay_to, learn.decay_to > 0.0 && learn.decay_to <= 1.0, "in (0, 1]")?;
        number("learn.decay_every", learn.decay_every, learn.decay_every > 0.0, "above 0")?;
        number(
            "learn.decay_passes",
            learn.decay_passes,
            learn.decay_passes >= learn.decay_every,
            "at least learn.decay_every",
        )?;
        number(
            "learn.energy_regularization",
            learn.energy_regularization,
            learn.energy_regularization >= 0.0,
            "at least 0",
        )?;
        number("data.noise", self.data.noise, self.data.noise >= 0.0, "at least 0")?;
        number("guard.max_gap", guard.max_gap, guard.max_gap > 0.0, "above 0")?;
        number(
            "guard.max_deviation_ratio",
            guard.max_deviation_ratio,
            guard.max_deviation_ratio > 1.0,
            "above 1",
        )?;
        number("guard.max_saturation", guard.max_saturation, guard.max_saturation > 0.0, "above 0")?;
        number("guard.patience", f64::from(guard.patience), guard.patience > 0, "at least 1")?;
        number(
            "guard.rate_factor",
            guard.rate_factor,
            guard.rate_factor > 0.0 && guard.rate_factor < 1.0,
            "in (0, 1)",
        )?;
        number(
            "output.checkpoint_every",
            output.checkpoint_every as f64,
            output.checkpoint_every > 0,
            "at least 1",
        )?;
        number(
            "output.keep_checkpoints",
            output.keep_checkpoints as f64,
            output.keep_checkpoints > 0,
            "at least 1",
        )?;
        number("output.sheet_every", output.sheet_every as f64, output.sheet_every > 0, "at least 1")?;
        number(
            "output.sheet_images",
            output.sheet_images as f64,
            (1..=400).contains(&output.sheet_images),
            "in 1..=400",
        )
    }

    fn check_methods(&self) -> Result<()> {
        let finest = self.sides().last().copied().unwrap_or(0);
        let hidden = self.chains.hidden_square;
        if hidden > finest {
            return Err(Error::value(
                "chains.hidden_square",
                hidden.to_string(),
                format!("at most the finest grid's side, {finest}"),
            ));
        }
        let coupled = matches!(self.model.norm, NormMode::Batch);
        if coupled && self.learn.batch < 2 {
            return Err(Error::value(
                "learn.batch",
                self.learn.batch.to_string(),
                "at least 2 with model.norm = \"batch\"".into(),
            ));
        }
        if coupled && self.chains.sampler != SamplerKind::Langevin {
            return Err(Error::value(
                "chains.sampler",
                format!("{:?}", self.chains.sampler).to_lowercase(),
                "\"langevin\" with model.norm = \"batch\": batch statistics couple the chains, so none can be accepted alone".into(),
            ));
        }
        Ok(())
    }
}
