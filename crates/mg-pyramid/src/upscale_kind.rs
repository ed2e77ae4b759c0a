/// How a coarser sample becomes the start of a grid's chains, as configurations say it: `blocks`, `smooth`,
/// `gaussian` or `stationary`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum UpscaleKind {
    /// Every pixel becomes a constant block (the paper).
    Blocks,
    /// The smoothest image with these means.
    Smooth,
    /// A draw from the Gaussian of observed images given these means; on grids too large for one, as `Smooth`.
    Gaussian,
    /// A draw from the Gaussian of observed images given these means, with detail that is alike everywhere: on grids of any
    /// size.
    Stationary,
}

impl UpscaleKind {
    /// The covariance of the Gaussian that images of so many numbers are drawn from, if they are.
    pub fn covariance(self, numbers: usize) -> Option<crate::Covariance> {
        match self {
            UpscaleKind::Blocks | UpscaleKind::Smooth => None,
            UpscaleKind::Gaussian => (numbers <= crate::MAX_GAUSSIAN).then_some(crate::Covariance::Full),
            UpscaleKind::Stationary => Some(crate::Covariance::Stationary),
        }
    }

    /// The way that needs nothing learned: what it names, or what stands in for a Gaussian that is not there.
    pub fn plain(self) -> crate::Upscale {
        match self {
            UpscaleKind::Blocks => crate::Upscale::Blocks,
            UpscaleKind::Smooth | UpscaleKind::Gaussian | UpscaleKind::Stationary => crate::Upscale::Smooth,
        }
    }
}
