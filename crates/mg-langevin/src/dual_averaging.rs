/// A step size on its way to a wanted acceptance probability (Hoffman and Gelman, JMLR 15, 2014, section 3.2.1:
/// Nesterov's dual averaging on the logarithm).
///
/// State in, state out: after step t of a kernel, with acceptance probability a,
///
/// h = (1 - 1 / (t + 10)) h + (target - a) / (t + 10),
/// log step = log(10 first step) - sqrt(t) h / 0.05,
///
/// and the step to keep is the average of these logarithms in which the latest weighs t^-0.75. It tries large steps
/// first, whose failure is cheap.
///
/// ```
/// use mg_langevin::DualAveraging;
///
/// // A kernel that accepts with probability exp(-step): a half is accepted at log 2.
/// let mut state = DualAveraging::new(1e-3, 0.5);
/// for _ in 0..400 {
///     state = state.after((-state.step_size()).exp());
/// }
/// assert!((state.averaged() - 2f64.ln()).abs() < 0.05);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DualAveraging {
    target: f64,
    /// Where the logarithm is drawn to.
    centre: f64,
    steps: u32,
    /// Mean shortfall of the acceptance.
    shortfall: f64,
    log_step: f64,
    log_average: f64,
}

/// gamma, t0 and kappa of the paper.
const SHRINKAGE: f64 = 0.05;
const OFFSET: f64 = 10.0;
const FORGETTING: f64 = 0.75;

impl DualAveraging {
    /// From a first guess, positive, towards a mean acceptance probability between 0 and 1.
    pub fn new(step_size: f64, target: f64) -> Self {
        let log_step = step_size.ln();
        let centre = log_step + 10_f64.ln();
        DualAveraging { target, centre, steps: 0, shortfall: 0.0, log_step, log_average: log_step }
    }

    /// The state after a step that was accepted with this probability; one that is no number counts as 0.
    #[must_use]
    pub fn after(self, acceptance: f64) -> Self {
        let acceptance = if acceptance.is_nan() { 0.0 } else { acceptance };
        let steps = self.steps + 1;
        let t = f64::from(steps);
        let weight = 1.0 / (t + OFFSET);
        let shortfall = (1.0 - weight) * self.shortfall + weight * (self.target - acceptance);
        let log_step = self.centre - t.sqrt() * shortfall / SHRINKAGE;
        let latest = t.powf(-FORGETTING);
        let log_average = latest * log_step + (1.0 - latest) * self.log_average;
        DualAveraging { steps, shortfall, log_step, log_average, ..self }
    }

    /// The step size to take next.
    pub fn step_size(&self) -> f64 {
        self.log_step.exp()
    }

    /// The step size to keep.
    pub fn averaged(&self) -> f64 {
        self.log_average.exp()
    }
}
