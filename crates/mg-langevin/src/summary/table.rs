use std::fmt;

use super::{Coordinate, Diagnosis, Summary};

/// Rows that are printed, at most.
const MAX_ROWS: usize = 24;
/// Above, chains are best not trusted (Vehtari et al. 2021).
const MAX_R_HAT: f64 = 1.01;
/// Below, for each chain, neither are sizes and quantiles.
const MIN_SIZE: f64 = 100.0;

const COLUMNS: [&str; 7] = ["mean", "deviation", "5 %", "95 %", "bulk ESS", "tail ESS", "R-hat"];

impl fmt::Display for Summary {
    /// A line for every coordinate, of many the first ones; then what was sampled, and what to mistrust.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.coordinates[..self.coordinates.len().min(MAX_ROWS)];
        let names: Vec<String> = shown.iter().map(Coordinate::name).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        write!(f, "{:width$}", "")?;
        COLUMNS.iter().try_for_each(|column| write!(f, "{column:>11}"))?;
        writeln!(f)?;
        for (coordinate, name) in shown.iter().zip(names) {
            write!(f, "{name:width$}")?;
            coordinate.cells().iter().try_for_each(|cell| write!(f, "{cell:>11}"))?;
            writeln!(f)?;
        }
        if let left @ 1.. = self.coordinates.len() - shown.len() {
            writeln!(f, "and {left} coordinates more")?;
        }
        write!(f, "{} chains of {} draws", self.n_chains, self.n_draws)?;
        if let Some(acceptance) = self.acceptance {
            write!(f, ", mean acceptance {acceptance:.2}")?;
        }
        self.warnings().iter().try_for_each(|warning| write!(f, "\n{warning}"))
    }
}

impl Summary {
    /// What to mistrust, and what to do about it; nothing when all is well.
    pub fn warnings(&self) -> Vec<String> {
        let of_all = || self.coordinates.iter().filter_map(|coordinate| coordinate.diagnosis);
        let r_hat = of_all().map(|diagnosis| diagnosis.r_hat).fold(0.0, f64::max);
        let size = of_all().map(|Diagnosis { bulk, tail, .. }| bulk.min(tail)).fold(f64::INFINITY, f64::min);
        let mut warnings = Vec::new();
        if let Some(n @ 1..) = self.divergences {
            warnings.push(format!(
                "{n} trajectories diverged: the law is narrower somewhere than steps are; warm up to a higher acceptance"
            ));
        }
        if r_hat > MAX_R_HAT {
            warnings.push(format!(
                "R-hat is up to {r_hat:.3}, above {MAX_R_HAT}: the chains do not agree; warm up or draw longer"
            ));
        }
        if size < MIN_SIZE * self.n_chains as f64 {
            warnings.push(format!(
                "the least effective sample size is {size:.0}, below {MIN_SIZE} for each chain: draw longer"
            ));
        }
        warnings
    }
}

impl Coordinate {
    /// Such as `x[2,7,7]`.
    fn name(&self) -> String {
        let index: Vec<String> = self.index.iter().map(usize::to_string).collect();
        format!("x[{}]", index.join(","))
    }

    fn cells(&self) -> [String; 7] {
        let of = |number: fn(&Diagnosis) -> String| self.diagnosis.as_ref().map_or("-".to_string(), number);
        [
            number(self.mean),
            number(self.deviation),
            number(self.interval.0),
            number(self.interval.1),
            of(|diagnosis| format!("{:.0}", diagnosis.bulk)),
            of(|diagnosis| format!("{:.0}", diagnosis.tail)),
            of(|diagnosis| format!("{:.3}", diagnosis.r_hat)),
        ]
    }
}

/// A number in at most ten characters.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_string(),
        1e-3..1e4 => format!("{x:.4}"),
        _ => format!("{x:.3e}"),
    }
}
