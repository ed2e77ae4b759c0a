/// The objective along a line u + t d, for one class: its derivative is continuous, increasing and piecewise linear.
pub(super) struct Line<'a> {
    /// Of every row the margin y f at t = 0, and how fast it grows.
    pub(super) margins: &'a [(f64, f64)],
    /// u . d.
    pub(super) drift: f64,
    /// d . d.
    pub(super) length: f64,
    /// C.
    pub(super) c: f64,
}

/// Halvings and Newton steps that exhaust the digits of t.
const MAX_STEPS: usize = 80;

impl Line<'_> {
    /// The t > 0 of the least value; 0 where the line does not descend.
    pub(super) fn minimum(&self) -> f64 {
        let (start, _) = self.derivatives(0.0);
        if start.is_nan() || start >= 0.0 {
            return 0.0;
        }
        let (mut low, mut high, mut t) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..MAX_STEPS {
            let (slope, curvature) = self.derivatives(t);
            if slope.abs() <= 1e-14 * start.abs() {
                break;
            }
            if slope < 0.0 {
                low = t
            } else {
                high = t
            }
            let newton = t - slope / curvature;
            t = match newton > low && newton < high {
                true => newton,
                false if high.is_finite() => 0.5 * (low + high),
                false => 2.0 * low,
            };
        }
        t
    }

    /// First and second derivative of |u + t d|^2 / 2 + C sum_i max(0, 1 - margin_i(t))^2.
    fn derivatives(&self, t: f64) -> (f64, f64) {
        let (mut slope, mut curvature) = (self.drift + t * self.length, self.length);
        for &(margin, growth) in self.margins {
            let slack = 1.0 - margin - t * growth;
            if slack > 0.0 {
                slope -= 2.0 * self.c * growth * slack;
                curvature += 2.0 * self.c * growth * growth;
            }
        }
        (slope, curvature)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_minimum_of_one_parabola_is_its_vertex() {
        // t^2 / 2 + (1 - t)^2 has its minimum at 2/3.
        let line = Line { margins: &[(0.0, 1.0)], drift: 0.0, length: 1.0, c: 1.0 };
        assert!((line.minimum() - 2.0 / 3.0).abs() < 1e-15);
        // Uphill, there is none.
        assert_eq!(Line { margins: &[(2.0, 1.0)], drift: 1.0, length: 1.0, c: 1.0 }.minimum(), 0.0);
    }

    proptest! {
        #[test]
        fn the_derivative_vanishes_at_the_minimum(
            margins in prop::collection::vec((-3f64..3.0, -2f64..2.0), 1..40),
            drift in -5f64..-0.1,
            length in 1e-3f64..10.0,
            c in 1e-4f64..100.0,
        ) {
            let line = Line { margins: &margins, drift, length, c };
            let (start, _) = line.derivatives(0.0);
            let t = line.minimum();
            let (slope, curvature) = line.derivatives(t);
            prop_assert!((start >= 0.0 && t == 0.0) || slope.abs() <= 1e-12 * (start.abs() + curvature * t));
        }
    }
}
