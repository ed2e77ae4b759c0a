use mg_random::Stream;

/// What is known of a chain while its trajectory grows.
pub(super) struct State {
    stream: Stream,
    /// Logarithm of the sum of the weights exp((H(start) - H) / temperature) along the trajectory.
    pub(super) log_weight: f64,
    /// Sum of the acceptance probabilities of the places that were tried.
    acceptance: f64,
    /// How many were tried.
    tried: usize,
    /// Whether a place was left out because the integrator had lost the energy.
    pub(super) diverged: bool,
}

impl State {
    /// A trajectory of one place, its start.
    pub(super) fn new(stream: Stream) -> Self {
        State { stream, log_weight: 0.0, acceptance: 0.0, tried: 0, diverged: false }
    }

    /// Whether the trajectory doubles into the future.
    pub(super) fn forwards(&mut self) -> bool {
        self.stream.uniform() < 0.5
    }

    /// True with probability min(1, exp(`log_probability`)).
    pub(super) fn accepts(&mut self, log_probability: f64) -> bool {
        f64::from(self.stream.uniform()).ln() < log_probability
    }

    /// Notes a place of weight exp(`log_ratio`).
    pub(super) fn tried(&mut self, log_ratio: f64) {
        self.acceptance += if log_ratio.is_nan() { 0.0 } else { log_ratio.min(0.0).exp() };
        self.tried += 1;
    }

    /// Mean acceptance probability of the places that were tried.
    pub(super) fn mean_acceptance(&self) -> f64 {
        self.acceptance / self.tried.max(1) as f64
    }
}

/// log(exp(a) + exp(b)).
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
