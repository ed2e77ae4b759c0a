use crate::{Error, Result};

/// A rectangle moved over a square map in equal steps: what one output of a convolution or a pooling reads.
///
/// Output `(y, x)` reads rows `stride * y - before[0] ..` and columns `stride * x - before[1] ..`, `kernel` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns.
    pub kernel: [usize; 2],
    /// Step between neighbouring outputs.
    pub stride: usize,
    /// Rows above and columns to the left of the map.
    pub before: [usize; 2],
    /// Rows below and columns to the right of the map.
    pub after: [usize; 2],
}

impl Window {
    /// A square window with the same padding on all sides.
    pub fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 2], stride, before: [padding; 2], after: [padding; 2] }
    }

    /// A window with stride 1 and an odd number of rows and columns, padded so that the side stays.
    pub fn same(rows: usize, columns: usize) -> Self {
        let padding = [rows / 2, columns / 2];
        Self { kernel: [rows, columns], stride: 1, before: padding, after: padding }
    }

    /// Side of the output for a map of `side`: `(side + before + after - kernel) / stride + 1`.
    ///
    /// # Errors
    /// [`Error::DoesNotFit`] when that is not at least one, [`Error::NotSquare`] when rows and columns differ in it.
    pub fn out_side(&self, side: usize) -> Result<usize> {
        let length = |d: usize| {
            let (kernel, pad_before, pad_after) = (self.kernel[d], self.before[d], self.after[d]);
            let geometry =
                ConvGeometry { c_in: 1, c_out: 1, kernel, stride: self.stride, pad_before, pad_after };
            geometry.out_side(side)
        };
        match (length(0)?, length(1)?) {
            (rows, columns) if rows == columns => Ok(rows),
            (rows, columns) => Err(Error::NotSquare { window: format!("{self:?}"), side, rows, columns }),
        }
    }

    /// Places in the window.
    pub(crate) fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Rows and columns of the window, in order.
    pub(crate) fn taps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [rows, columns] = self.kernel;
        (0..rows).flat_map(move |ky| (0..columns).map(move |kx| (ky, kx)))
    }
}

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

    /// What an output reads.
    pub(crate) fn window(&self) -> Window {
        let (before, after) = ([self.pad_before; 2], [self.pad_after; 2]);
        Window { kernel: [self.kernel; 2], stride: self.stride, before, after }
    }

    /// Channels of the input and the output.
    pub(crate) fn channels(&self) -> (usize, usize) {
        (self.c_in, self.c_out)
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
