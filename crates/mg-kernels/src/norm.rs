/// Normalisation of a layer: `(z - mean) / sqrt(variance + eps) * gamma + beta`, with biased variances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// No normalisation, no affine part.
    None,
    /// Mean and variance of each channel over the batch and the map (Ioffe & Szegedy 2015). Gradients flow through
    /// both; the images of a batch are coupled.
    Batch {
        /// Added to the variance.
        eps: f64,
    },
    /// Mean and variance of each image's groups of channels (Wu & He 2018).
    Group {
        /// Number of groups; divides the channels.
        groups: usize,
        /// Added to the variance.
        eps: f64,
    },
    /// Mean and variance of each channel are given with the weights and constant.
    Fixed {
        /// Added to the variance.
        eps: f64,
    },
}
