/// What a network is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Scores, and their gradients by images and by weights.
    Scores,
    /// Derivatives of scores along directions, and their gradients by weights: what activations are made of is kept, and
    /// convolutions have no bias.
    Directions,
    /// The mean and variance of what convolutions make: every output is kept.
    Statistics,
}
