use crate::{Error, Result};

/// The geometry of a square convolution: `y[o, q] = sum_{i, k} w[o, i, k] x[i, stride * q + k - pad_before]`
/// (in both directions), with zeros outside the image.
///
/// `pad_before` and `pad_after` may differ: TensorFlow's SAME padding of a 5x5 kernel with stride 2 on an even
/// side is (1, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between neighbouring outputs.
    pub stride: usize,
    /// Zero rows and columns before the image.
    pub pad_before: usize,
    /// Zero rows and columns after the image.
    pub pad_after: usize,
}

impl ConvGeometry {
    /// Side of the output for an input of `side`: `(side + pad_before + pad_after - kernel) / stride + 1`.
    ///
    /// # Errors
    /// [`Error::DoesNotFit`] when that is not at least one, or when a size is zero.
    pub fn out_side(&self, side: usize) -> Result<usize> {
        let padded = side + self.pad_before + self.pad_after;
        let positive = self.kernel > 0 && self.stride > 0 && side > 0 && self.c_in > 0 && self.c_out > 0;
        if !positive || padded < self.kernel {
            let Self { kernel, stride, pad_before, pad_after, .. } = *self;
            return Err(Error::DoesNotFit { kernel, stride, side, pad_before, pad_after });
        }
        Ok((padded - self.kernel) / self.stride + 1)
    }

    /// Shape of the weight, `[c_out, c_in, kernel, kernel]`.
    pub fn weight_dims(&self) -> [usize; 4] {
        [self.c_out, self.c_in, self.kernel, self.kernel]
    }

    /// Input row `stride * q + phase` meets kernel row `k` at output row `q + offset`: that offset, or `None` when
    /// this phase never meets `k`. One such list per phase turns the adjoint into stride-1 convolutions.
    pub(crate) fn adjoint_offset(&self, phase: usize, k: usize) -> Option<isize> {
        let reach = (phase + self.pad_before) as isize - k as isize;
        let stride = self.stride as isize;
        (reach.rem_euclid(stride) == 0).then(|| reach.div_euclid(stride))
    }

    /// Smallest and largest [`adjoint_offset`](Self::adjoint_offset) over all phases and kernel rows.
    pub(crate) fn adjoint_reach(&self) -> (isize, isize) {
        let offsets =
            (0..self.stride).flat_map(|r| (0..self.kernel).filter_map(move |k| self.adjoint_offset(r, k)));
        offsets.fold((isize::MAX, isize::MIN), |(low, high), d| (low.min(d), high.max(d)))
    }
}
