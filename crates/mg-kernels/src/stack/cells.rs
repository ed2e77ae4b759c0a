use rayon::prelude::*;

use crate::compiled::Compiled;
use crate::element::Element;
use crate::kernels::Kernels;
use crate::winograd_convolution::Winograd;
use crate::{ConvGeometry, MapLayer};

/// Side of outputs from which on convolutions by cells pay.
const SMALLEST: usize = 8;

/// A convolution with stride 2 as one with stride 1 and 3x3 windows of cells: 2 x 2 pixels are a pixel with four times the
/// channels. It multiplies by zeros where a window of cells is wider than the kernel, but Winograd's transforms spare more.
pub(super) struct Cells {
    /// The convolution of cells.
    pub(super) conv: ConvGeometry,
}

impl Cells {
    pub(super) fn of<P: Compiled>(
        shape: &MapLayer,
        (side, out): (usize, usize),
        kernels: &Kernels<P>,
    ) -> Option<Self> {
        let ConvGeometry { c_in, c_out, kernel, stride, pad_before, .. } = shape.conv;
        let windows_fit = (1..=2).contains(&pad_before) && kernel <= pad_before + 4;
        let fits = stride == 2 && side == 2 * out && windows_fit && c_in.is_multiple_of(kernels.lanes);
        // On small maps more time goes into reading weights, of which there are more than before.
        if !fits || out < SMALLEST {
            return None;
        }
        let conv = ConvGeometry { c_in: 4 * c_in, c_out, kernel: 3, stride: 1, pad_before: 1, pad_after: 1 };
        let depth = kernel * kernel * c_in;
        Winograd::<P>::pays_for(depth, out, conv.channels(), kernels).then_some(Cells { conv })
    }

    /// The weight `[c_out, 4 c_in, 3, 3]` that does to cells what `weight` of `conv` does to pixels.
    pub(super) fn weight<E: Element>(&self, conv: &ConvGeometry, weight: &[E]) -> Vec<E> {
        let ConvGeometry { c_in, kernel, pad_before, .. } = *conv;
        let mut cells = vec![E::ZERO; conv.c_out * 4 * c_in * 9];
        cells.par_chunks_exact_mut(4 * c_in * 9).enumerate().for_each(|(o, cells)| {
            for (i, entries) in
                weight[o * c_in * kernel * kernel..].chunks_exact(kernel * kernel).take(c_in).enumerate()
            {
                for (at, entry) in entries.iter().enumerate() {
                    let (y, x) = (at / kernel + 2 - pad_before, at % kernel + 2 - pad_before);
                    let channel = (2 * (y % 2) + x % 2) * c_in + i;
                    cells[channel * 9 + y / 2 * 3 + x / 2] = *entry;
                }
            }
        });
        cells
    }

    /// The gradient of the weight of `conv`, from that of the convolution of cells.
    pub(super) fn gradient<E: Element>(&self, conv: &ConvGeometry, cells: &[E], weight: &mut [E]) {
        let ConvGeometry { c_in, kernel, pad_before, .. } = *conv;
        let each = c_in * kernel * kernel;
        let outputs = weight.par_chunks_exact_mut(each).zip(cells.par_chunks_exact(4 * c_in * 9));
        outputs.for_each(|(weight, cells)| {
            for (at, entry) in weight.iter_mut().enumerate() {
                let (i, tap) = (at / (kernel * kernel), at % (kernel * kernel));
                let (y, x) = (tap / kernel + 2 - pad_before, tap % kernel + 2 - pad_before);
                let channel = (2 * (y % 2) + x % 2) * c_in + i;
                *entry = cells[channel * 9 + y / 2 * 3 + x / 2];
            }
        });
    }
}
