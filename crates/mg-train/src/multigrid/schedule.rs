use super::{Decay, LearnKeys};

/// Factor on the learning rate after `passes` passes over the data.
///
/// `log` goes down in floor(decay_passes / decay_every) steps, evenly in the logarithm, from 1 to `decay_to`, and
/// stays there. With 800, 10 and 0.01 this is the paper's: 10^(-2 floor(passes / 10) / 79).
pub fn rate_factor(learn: &LearnKeys, passes: f64) -> f64 {
    match learn.decay {
        Decay::None => 1.0,
        Decay::Log => {
            let last = ((learn.decay_passes / learn.decay_every).floor() - 1.0).max(1.0);
            let step = (passes / learn.decay_every).floor().min(last);
            learn.decay_to.powf(step / last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::METHODS;
    use crate::config::{Layer, resolve};
    use crate::multigrid::MultigridConfig;

    #[test]
    fn the_paper_s_rate_goes_from_0_3_to_0_003_in_800_passes() {
        let config = resolve(METHODS, &[Layer::preset(METHODS, "paper").unwrap()]).unwrap();
        let learn = MultigridConfig::of(&config.values()).unwrap().learn;
        let rate = |passes: f64| 0.3 * rate_factor(&learn, passes);
        assert_eq!(rate(9.99), 0.3);
        assert!((rate(10.0) - 0.3 * 10f64.powf(-2.0 / 79.0)).abs() < 1e-12);
        assert!((rate(799.0) - 0.003).abs() < 1e-12);
        assert!((rate(5000.0) - 0.003).abs() < 1e-12);
    }
}
