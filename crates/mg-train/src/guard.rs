//! Notices when learning has diverged.

use crate::Report;
use crate::config::GuardConfig;

/// What a value of a report must keep to.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// Name of the value.
    pub value: String,
    /// What it must not exceed.
    pub bound: Bound,
}

/// What a value must not exceed.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A size: |value| <= this.
    Size(f64),
    /// Another value so many times: value <= times max(other, least).
    Times {
        /// How many times.
        times: f64,
        /// Name of the other value.
        of: String,
        /// What the other value counts for at least.
        least: f64,
    },
    /// Another value by so much: value - other <= this.
    Above {
        /// By how much.
        by: f64,
        /// Name of the other value.
        of: String,
    },
}

impl Limit {
    /// Why a report does not keep to this limit; `None` when it does, or does not have the value.
    pub fn broken(&self, report: &Report) -> Option<String> {
        let name = &self.value;
        let value = *report.values.get(name)?;
        match &self.bound {
            Bound::Size(max) => {
                (value.abs() > *max).then(|| format!("{name} is {value:.3e}, beyond {max:.3e}"))
            }
            Bound::Times { times, of, least } => {
                let other = *report.values.get(of)?;
                (value > times * other.max(*least))
                    .then(|| format!("{name} is {value:.3}, beyond {times} times {of}, {other:.3}"))
            }
            Bound::Above { by, of } => {
                let other = *report.values.get(of)?;
                (value - other > *by)
                    .then(|| format!("{name} is {value:.3}, more than {by} above {of}, {other:.3}"))
            }
        }
    }
}

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
    /// A guard that has seen nothing yet.
    pub fn new(config: &GuardConfig, limits: Vec<Limit>) -> Self {
        Guard { limits, patience: config.patience, bad: 0 }
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

    /// Whether the last iteration was good, so that the state may be saved.
    pub fn is_calm(&self) -> bool {
        self.bad == 0
    }

    /// Forgets what it has seen: the run went back.
    pub fn forget(&mut self) {
        self.bad = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        Guard::new(&GuardConfig { patience, rollbacks: 3, rate_factor: 0.5 }, limits)
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
                assert!(matches!(guard.judge(&report), Verdict::Suspicious(_)) && !guard.is_calm());
            }
            let mut forgiving = guard.clone();
            assert!(matches!(guard.judge(&report), Verdict::Diverged(what) if what.contains(name)));
            assert_eq!(forgiving.judge(&calm()), Verdict::Good);
            assert!(forgiving.is_calm());
            assert!(matches!(forgiving.judge(&report), Verdict::Suspicious(_)));
        }
    }
}
