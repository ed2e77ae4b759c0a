use candle_core::Device;

use crate::simd::Level;

/// The numbers that a [`ScoreNet`](crate::ScoreNet) multiplies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Those of the weights.
    #[default]
    Full,
    /// Weights, activations and their gradients rounded to bf16 where they enter a product; sums, norms and the head in
    /// f32. Weights, images, scores and gradients are f32 outside. About twice as fast where the processor multiplies
    /// bf16, and no faster elsewhere. [`Route::Tensor`](crate::Route::Tensor) stays in f32 on the CPU.
    Bf16,
}

impl Precision {
    /// bf16 on CPUs that multiply it faster than f32, full precision elsewhere.
    pub fn fastest(device: &Device) -> Self {
        if device.is_cpu() && Level::best().has_bf16() { Self::Bf16 } else { Self::Full }
    }
}
