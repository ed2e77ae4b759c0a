use super::MultigridConfig;
use crate::{Bound, Limit};

/// More than the mean squared difference of two images with pixels in [-1, 1]: worse than a net that tells no velocity.
const NO_VELOCITY: f64 = 4.0;

/// What the values of every grid must keep to.
pub(super) fn limits(config: &MultigridConfig) -> Vec<Limit> {
    let guard = &config.guard;
    let of_grid = |side: &usize| {
        let name = |value: &str| format!("grid{side}.{value}");
        let deviation =
            Bound::Times { times: guard.max_deviation_ratio, of: name("data_deviation"), least: 1e-2 };
        let saturation = Bound::Above { by: guard.max_saturation, of: name("data_saturation") };
        [
            Limit { value: name("gap"), bound: Bound::Size(guard.max_gap) },
            Limit { value: name("deviation"), bound: deviation },
            Limit { value: name("saturation"), bound: saturation },
            Limit { value: name("error"), bound: Bound::Size(NO_VELOCITY) },
        ]
    };
    config.settings.sides().iter().flat_map(of_grid).collect()
}
