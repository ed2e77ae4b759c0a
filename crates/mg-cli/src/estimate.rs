use std::time::{Duration, Instant};

use mg_train::{Learning, Result};

/// How long an iteration will take, from parts of its work that are done once each; `None` when there are none.
pub(crate) fn iteration(learning: &Learning) -> Result<Option<Duration>> {
    let rehearsals = learning.rehearsals();
    if rehearsals.is_empty() {
        return Ok(None);
    }
    let mut seconds = 0.0;
    for rehearsal in rehearsals {
        (rehearsal.work)()?; // the first time costs more
        let start = Instant::now();
        (rehearsal.work)()?;
        seconds += start.elapsed().as_secs_f64() * rehearsal.times;
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

/// Seconds, minutes or hours, as a person would say it.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let told = |s| human(Duration::from_secs_f64(s));
        assert_eq!(told(0.25), "250 ms");
        assert_eq!(told(12.34), "12.3 s");
        assert_eq!(told(600.0), "10 min");
        assert_eq!(told(7200.0), "2.0 h");
        assert_eq!(told(4.0 * 86400.0), "4.0 days");
    }
}
