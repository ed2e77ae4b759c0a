use candle_core::{DType, Device};

/// How a [`ScoreNet`](crate::ScoreNet) computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The crate's own engine: CPU, weights in f32 and f64.
    Fused,
    /// candle's tensor operations: any device, any float type.
    Tensor,
}

impl Route {
    /// The fastest route for these weights.
    pub fn best(dtype: DType, device: &Device) -> Self {
        if Self::fused_runs(dtype, device) { Self::Fused } else { Self::Tensor }
    }

    /// Whether the engine runs there.
    pub(crate) fn fused_runs(dtype: DType, device: &Device) -> bool {
        device.is_cpu() && matches!(dtype, DType::F32 | DType::F64)
    }
}
