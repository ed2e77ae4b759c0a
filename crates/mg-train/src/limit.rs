use crate::Report;

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
