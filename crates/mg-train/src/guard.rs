//! Notices when learning has diverged.

use crate::{Limit, Report};

/// Watches a run for divergence: for values that are not finite, and for limits that are broken again and again.
#[derive(Clone, Debug)]
pub struct Guard {
    limits: Vec<Limit>,
    patience: u32,
    /// Bad iterations in a row.
    bad: u32,
}

/// What the guard thinks of an iteration.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing is wrong: the state may be saved as good.
    Good,
    /// Something is wrong, but may pass.
    Suspicious(String),
    /// The run has diverged.
    Diverged(String),
}

impl Guard {
    /// A guard that has seen nothing yet. So many bad iterations in a row, `patience`, make a divergence.
    pub fn new(patience: u32, limits: Vec<Limit>) -> Self {
        Guard { limits, patience, bad: 0 }
    }

    /// Looks at an iteration.
    pub fn judge(&mut self, report: &Report) -> Verdict {
        if let Some(what) = report.not_finite() {
            return Verdict::Diverged(what);
        }
        let Some(what) = self.limits.iter().find_map(|limit| limit.broken(report)) else {
            self.bad = 0;
            return Verdict::Good;
        };
        self.bad += 1;
        if self.bad < self.patience {
            return Verdict::Suspicious(what);
        }
        Verdict::Diverged(format!("{what}, for {} iterations in a row", self.bad))
    }

    /// Forgets what it has seen: the run went back.
    pub fn forget(&mut self) {
        self.bad = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bound;

    fn report(values: &[(&str, f64)]) -> Report {
        let values = values.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        Report { iteration: 1, values, ..Report::default() }
    }

    fn calm() -> Report {
        report(&[("gap", 0.1), ("deviation", 0.5), ("data", 0.5), ("score", 3.0)])
    }

    fn guard(patience: u32) -> Guard {
        let limit = |value: &str, bound| Limit { value: value.into(), bound };
        let limits = vec![
            limit("gap", Bound::Size(200.0)),
            limit("deviation", Bound::Times { times: 1.7, of: "data".into(), least: 0.01 }),
            limit("deviation", Bound::Above { by: 0.8, of: "data".into() }),
            limit("nowhere", Bound::Size(0.0)),
        ];
        Guard::new(patience, limits)
    }

    #[test]
    fn calm_iterations_are_good() {
        assert_eq!(guard(8).judge(&calm()), Verdict::Good);
        let dark = report(&[("deviation", 0.016), ("data", 0.0)]);
        assert_eq!(guard(8).judge(&dark), Verdict::Good);
    }

    #[test]
    fn what_is_not_finite_has_diverged_at_once() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut report = calm();
            report.say("score", bad);
            assert!(matches!(guard(8).judge(&report), Verdict::Diverged(_)));
        }
    }

    #[test]
    fn faults_must_last_and_are_forgiven_when_they_pass() {
        for (name, value) in [("gap", -1e3), ("deviation", 0.9), ("deviation", 1.4)] {
            let mut report = calm();
            report.say(name, value);
            let mut guard = guard(4);
            for _ in 1..4 {
                assert!(matches!(guard.judge(&report), Verdict::Suspicious(_)));
            }
            let mut forgiving = guard.clone();
            assert!(matches!(guard.judge(&report), Verdict::Diverged(what) if what.contains(name)));
            assert_eq!(forgiving.judge(&calm()), Verdict::Good);
            assert!(matches!(forgiving.judge(&report), Verdict::Suspicious(_)));
        }
    }
}
