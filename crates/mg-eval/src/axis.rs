/// One axis of a plot: the interval shown, linear or logarithmic, and its ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// The axis that shows all values that can be shown: finite ones, and positive ones on a logarithmic axis.
    pub(crate) fn of(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let shown = values.filter(|&v| v.is_finite() && (!log || v > 0.0)).map(|v| position(v, log));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match high - low {
            span if span.is_infinite() || span < 0.0 => (0.0, 1.0),
            span if span <= 1e-9 * low.abs().max(1e-30) => (low - 0.5 * unit(low), low + 0.5 * unit(low)),
            span => (low - 0.03 * span, high + 0.03 * span),
        };
        Axis { low, high, log }
    }

    /// Where a value lies, 0 at the low and 1 at the high end; None when it cannot be shown.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let at = (position(value, self.log) - self.low) / (self.high - self.low);
        at.is_finite().then_some(at)
    }

    /// At most eleven (place, label): at 1, 2 or 5 times a power of ten, or at powers of ten.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = (self.low, self.high);
        match high - low {
            // Less than two decades: the ticks of a linear axis, at their places on this one.
            span if self.log && span < 2.0 => {
                let ticks = linear_ticks(10f64.powf(low), 10f64.powf(high)).into_iter();
                ticks.filter_map(|(tick, label)| Some((self.place(tick)?, label))).collect()
            }
            span if self.log => {
                let step = (span / 10.0).ceil();
                let exponents = multiples(step, low, high);
                exponents.map(|e| ((e - low) / span, power_label(e))).collect()
            }
            span => linear_ticks(low, high).into_iter().map(|(t, label)| ((t - low) / span, label)).collect(),
        }
    }
}

/// (tick, label) between two values.
fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / 10.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|m| m * power).into_iter().find(|&s| s >= rough).unwrap_or(10.0 * power);
    multiples(step, low, high).map(|tick| (tick, label(tick, step))).collect()
}

/// The multiples of a step between two values.
fn multiples(step: f64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    (0..=(last - first) as i32).map(move |k| (first + f64::from(k)) * step)
}

fn position(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

fn unit(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() }
}

fn power_label(exponent: f64) -> String {
    if (-3.0..=4.0).contains(&exponent) {
        format!("{}", 10f64.powf(exponent))
    } else {
        format!("1e{exponent}")
    }
}

/// A tick of an axis with this step, with the digits that tell it from its neighbours.
fn label(tick: f64, step: f64) -> String {
    if tick.abs() < 0.5 * step {
        return "0".to_owned();
    }
    // The factor keeps the power of ten of a step such as 0.1 that is a bit less in binary.
    let power = |x: f64| (x.abs() * (1.0 + 1e-9)).log10().floor() as i32;
    let (of_tick, of_step) = (power(tick), power(step));
    if (-4..6).contains(&of_tick) {
        format!("{tick:.0$}", (-of_step).max(0) as usize)
    } else {
        format!("{tick:.0$e}", (of_tick - of_step).max(0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], log: bool) -> Vec<String> {
        Axis::of(values.iter().copied(), log).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&[0.0, 1.0], false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[-50.0, 130.0], false), ["-40", "-20", "0", "20", "40", "60", "80", "100", "120"]);
        assert_eq!(labels(&[0.0, 2e7], false), ["0", "5e6", "1.0e7", "1.5e7", "2.0e7"]);
        assert_eq!(labels(&[1e-9, 2e-9], false)[0], "1.0e-9");
        assert_eq!(labels(&[0.01, 1000.0], true), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(&[2.0, 4.0], true), ["2.0", "2.5", "3.0", "3.5", "4.0"]);
        assert_eq!(labels(&[1e-30, 1.0], true)[0], "1e-28");
    }

    #[test]
    fn ticks_lie_where_their_values_lie() {
        for (values, log) in [
            ([-3.0, 8.0], false),
            ([1e-3, 1e5], true),
            ([7.0, 7.0], false),
            ([0.0, 0.0], false),
            ([7.0, 7.0], true),
            ([3.0, 50.0], true),
        ] {
            let axis = Axis::of(values.into_iter(), log);
            let ticks = axis.ticks();
            assert!((2..=14).contains(&ticks.len()), "{values:?}: {ticks:?}");
            for (place, label) in ticks {
                assert!((0.0..=1.0).contains(&place));
                assert!(
                    (axis.place(label.parse().unwrap()).unwrap() - place).abs() < 1e-6,
                    "{label} at {place}"
                );
            }
        }
    }

    #[test]
    fn values_that_cannot_be_shown_are_left_out() {
        let axis = Axis::of([f64::NAN, 1.0, f64::INFINITY, 3.0].into_iter(), false);
        assert!(axis.place(1.0).unwrap() < 0.1 && axis.place(3.0).unwrap() > 0.9);
        assert!(axis.place(f64::NAN).is_none() && axis.place(f64::INFINITY).is_none());
        let log = Axis::of([-1.0, 0.0, 10.0, 100.0].into_iter(), true);
        assert!(log.place(-1.0).is_none() && log.place(0.0).is_none() && log.place(50.0).is_some());
        assert!(Axis::of([f64::NAN].into_iter(), false).ticks().len() > 2);
    }
}
