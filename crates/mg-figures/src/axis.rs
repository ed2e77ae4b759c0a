use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// One axis of a plot: the interval shown, linear or logarithmic, and its ticks.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// The axis that shows all values that can be shown: finite ones, and positive ones on a logarithmic axis.
    /// Ticks stand at 1, 2 or 5 times a power of ten, or at powers of ten; about `n_ticks` at most.
    pub(crate) fn of(values: impl Iterator<Item = f64>, log: bool, n_ticks: usize) -> Self {
        let shown = values.filter(|&v| v.is_finite() && (!log || v > 0.0)).map(|v| position(v, log));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = match high - low {
            span if span.is_infinite() || span < 0.0 => (0.0, 1.0),
            span if span <= 1e-9 * low.abs().max(1e-30) => (low - 0.5 * unit(low), low + 0.5 * unit(low)),
            span => (low - 0.03 * span, high + 0.03 * span),
        };
        Axis { low, high, log, ticks: ticks(low, high, log, n_ticks as f64) }
    }

    /// Where a value lies, 0 at the low and 1 at the high end; None when it cannot be shown.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        let at = (position(value, self.log) - self.low) / (self.high - self.low);
        at.is_finite().then_some(at)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.place(*value).unwrap_or(0.0) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(tick, _)| *tick).collect()
    }

    fn range(&self) -> Range<f64> {
        let value = |at: f64| if self.log { 10f64.powf(at) } else { at };
        value(self.low)..value(self.high)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == value);
        tick.map_or_else(|| value.to_string(), |(_, label)| label.clone())
    }
}

/// (value, label) between two positions.
fn ticks(low: f64, high: f64, log: bool, most: f64) -> Vec<(f64, String)> {
    match high - low {
        _ if !log => linear_ticks(low, high, most),
        // Less than a decade: the ticks of a linear axis.
        span if span < 1.0 => linear_ticks(10f64.powf(low), 10f64.powf(high), most),
        span if 3.0 * span <= most => {
            let decades = low.floor() as i32..=high.floor() as i32;
            let all = decades.flat_map(|e| [1.0, 2.0, 5.0].map(|m| (m * 10f64.powi(e), power_label(m, e))));
            all.filter(|(tick, _)| (low..=high).contains(&tick.log10())).collect()
        }
        span => {
            let exponents = multiples((span / most).ceil(), low, high).map(|e| e as i32);
            exponents.map(|e| (10f64.powi(e), power_label(1.0, e))).collect()
        }
    }
}

/// (value, label) between two values.
fn linear_ticks(low: f64, high: f64, most: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / most;
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

/// A digit times a power of ten.
fn power_label(digit: f64, exponent: i32) -> String {
    match exponent {
        -4..=4 => format!("{:.*}", (-exponent).max(0) as usize, digit * 10f64.powi(exponent)),
        _ => format!("{digit}e{exponent}"),
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

    fn labels(values: &[f64], log: bool, n_ticks: usize) -> Vec<String> {
        let ticks = Axis::of(values.iter().copied(), log, n_ticks).ticks;
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&[0.0, 1.0], false, 10), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            labels(&[-50.0, 130.0], false, 10),
            ["-40", "-20", "0", "20", "40", "60", "80", "100", "120"]
        );
        assert_eq!(labels(&[0.0, 2e7], false, 10), ["0", "5e6", "1.0e7", "1.5e7", "2.0e7"]);
        assert_eq!(labels(&[1e-9, 2e-9], false, 10)[0], "1.0e-9");
        assert_eq!(labels(&[0.0, 1.0], false, 3), ["0", "0.5", "1.0"]);
        assert_eq!(labels(&[0.01, 1000.0], true, 10), ["0.01", "0.1", "1", "10", "100", "1000"]);
        assert_eq!(labels(&[1.0, 200.0], true, 10), ["1", "2", "5", "10", "20", "50", "100", "200"]);
        assert_eq!(labels(&[0.01, 0.3], true, 6), ["0.01", "0.02", "0.05", "0.1", "0.2"]);
        assert_eq!(labels(&[2.0, 4.0], true, 10), ["2.0", "2.5", "3.0", "3.5", "4.0"]);
        assert_eq!(labels(&[1e-30, 1.0], true, 10)[0], "1e-28");
    }

    #[test]
    fn ticks_are_few_and_lie_where_their_labels_say() {
        for (values, log) in [
            ([-3.0, 8.0], false),
            ([1e-3, 1e5], true),
            ([7.0, 7.0], false),
            ([0.0, 0.0], false),
            ([7.0, 7.0], true),
            ([3.0, 50.0], true),
            ([1e-5, 1e-3], true),
        ] {
            for n_ticks in [5, 10] {
                let axis = Axis::of(values.into_iter(), log, n_ticks);
                assert!((2..=n_ticks + 2).contains(&axis.ticks.len()), "{values:?}: {:?}", axis.ticks);
                for (tick, label) in &axis.ticks {
                    let place = axis.place(*tick).unwrap();
                    assert!((0.0..=1.0).contains(&place), "{label} at {place}");
                    assert!(
                        (axis.place(label.parse().unwrap()).unwrap() - place).abs() < 1e-6,
                        "{label} at {place}"
                    );
                    assert_eq!(axis.format_ext(tick), *label);
                }
            }
        }
    }

    #[test]
    fn values_that_cannot_be_shown_are_left_out() {
        let axis = Axis::of([f64::NAN, 1.0, f64::INFINITY, 3.0].into_iter(), false, 10);
        assert!(axis.place(1.0).unwrap() < 0.1 && axis.place(3.0).unwrap() > 0.9);
        assert!(axis.place(f64::NAN).is_none() && axis.place(f64::INFINITY).is_none());
        let log = Axis::of([-1.0, 0.0, 10.0, 100.0].into_iter(), true, 10);
        assert!(log.place(-1.0).is_none() && log.place(0.0).is_none() && log.place(50.0).is_some());
        assert!(Axis::of([f64::NAN].into_iter(), false, 10).ticks.len() > 2);
    }
}
