use candle_core::Tensor;

/// What a step reports of itself: small tensors, left on their device so that reporting never waits for it.
///
/// Read them through a [`Trace`](crate::Trace), once per run.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// U of every chain where the gradient was taken, that is before the step, `[n]`.
    pub energy: Tensor,
    /// Euclidean norm of every chain's gradient there, `[n]`.
    pub grad_norm: Tensor,
    /// Probability of accepting every chain's proposal, `[n]`, of NUTS the mean over its trajectory; `None` of a kernel that always moves.
    pub acceptance: Option<Tensor>,
    /// 1 for every chain whose trajectory diverged, 0 for the others, `[n]`; `None` of a kernel that does not look.
    pub diverged: Option<Tensor>,
}
