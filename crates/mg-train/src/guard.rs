//! Notices when learning has diverged.

use crate::config::GuardConfig;
use crate::report::{GridReport, Report};

/// Watches a run for divergence.
#[derive(Clone, Debug)]
pub struct Guard {
    config: GuardConfig,
    /// Bad iterations in a row.
    pub bad: u32,
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
    /// A guard that has seen `bad` bad iterations in a row.
    pub fn new(config: &GuardConfig, bad: u32) -> Self {
        Guard { config: config.clone(), bad }
    }

    /// Looks at an iteration.
    pub fn judge(&mut self, report: &Report) -> Verdict {
        if let Some(what) = report.not_finite() {
            return Verdict::Diverged(what);
        }
        let Some(what) = report.grids.iter().find_map(|grid| self.fault(grid)) else {
            self.bad = 0;
            return Verdict::Good;
        };
        self.bad += 1;
        match self.bad < self.config.patience {
            true => Verdict::Suspicious(what),
            false => Verdict::Diverged(format!("{what}, for {} iterations in a row", self.bad)),
        }
    }

    fn fault(&self, grid: &GridReport) -> Option<String> {
        let GuardConfig { max_gap, max_deviation_ratio, max_saturation, .. } = self.config;
        let side = grid.side;
        if grid.gap.abs() > max_gap {
            return Some(format!("the gap of grid {side}x{side} is {:.3e}, beyond {max_gap:.3e}", grid.gap));
        }
        let (ours, data) = (grid.deviation, grid.data_deviation);
        if ours > max_deviation_ratio * data.max(1e-2) {
            return Some(format!(
                "chains of grid {side}x{side} deviate {ours:.3} where the data do {data:.3}, beyond {max_deviation_ratio} times"
            ));
        }
        let (ours, data) = (grid.saturation, grid.data_saturation);
        if ours - data > max_saturation {
            return Some(format!(
                "{:.0} % of the pixels of grid {side}x{side}'s chains are saturated, {:.0} % of the data's",
                100.0 * ours,
                100.0 * data
            ));
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::resolve;

    pub(crate) fn calm() -> Report {
        let grid = GridReport {
            side: 16,
            gap: 0.1,
            score: 1.0,
            difference: 20.0,
            deviation: 0.5,
            data_deviation: 0.5,
            saturation: 0.1,
            data_saturation: 0.1,
            energy: [1.0, 0.0],
            gradient_norm: 0.1,
            acceptance: None,
            rate: 1e-3,
        };
        Report { iteration: 1, passes: 0.1, class: None, grids: vec![grid] }
    }

    type Spoil = fn(&mut GridReport);

    fn guard() -> Guard {
        Guard::new(&resolve(&[]).unwrap().guard, 0)
    }

    #[test]
    fn calm_iterations_are_good() {
        assert_eq!(guard().judge(&calm()), Verdict::Good);
    }

    #[test]
    fn what_is_not_finite_has_diverged_at_once() {
        let spoils: [Spoil; 3] =
            [|g| g.gap = f64::NAN, |g| g.score = f64::INFINITY, |g| g.energy[1] = f64::NAN];
        for spoil in spoils {
            let mut report = calm();
            spoil(&mut report.grids[0]);
            assert!(matches!(guard().judge(&report), Verdict::Diverged(_)));
        }
    }

    #[test]
    fn faults_must_last_and_are_forgiven_when_they_pass() {
        let spoils: [Spoil; 3] = [|g| g.gap = -1e3, |g| g.deviation = 0.9, |g| g.saturation = 0.8];
        for spoil in spoils {
            let mut report = calm();
            spoil(&mut report.grids[0]);
            let mut guard = guard();
            let patience = guard.config.patience;
            for _ in 1..patience {
                assert!(matches!(guard.judge(&report), Verdict::Suspicious(_)));
            }
            let mut forgiving = guard.clone();
            assert!(matches!(guard.judge(&report), Verdict::Diverged(_)));
            assert_eq!(forgiving.judge(&calm()), Verdict::Good);
            assert!(matches!(forgiving.judge(&report), Verdict::Suspicious(_)));
        }
    }
}
