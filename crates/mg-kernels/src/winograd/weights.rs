use rayon::prelude::*;

use super::filter::{A, B, FREQUENCIES, IN};
use crate::aligned::Aligned;
use crate::element::Element;
use crate::tile::TILE_VECTORS;

/// Output channels transformed together.
const TOGETHER: usize = 16;

/// `G g G^T` of every pair of channels, as `[blocks of TILE_VECTORS vectors][frequency][c_in][vectors of the block]`. `kernel(i, o)` is entry
/// (i, o)'s, row by row.
pub(crate) fn transform_weights<E: Element>(
    lanes: usize,
    (c_in, c_out): (usize, usize),
    kernel: impl Fn(usize, usize) -> [f64; 9] + Sync,
) -> Aligned<E> {
    let mut weights = Aligned::zeroed(FREQUENCIES * c_in * c_out.next_multiple_of(lanes));
    let full = FREQUENCIES * c_in * TILE_VECTORS * lanes;
    weights.par_chunks_mut(full).enumerate().for_each(|(block, to)| {
        let width = to.len() / (FREQUENCIES * c_in);
        let from = block * TILE_VECTORS * lanes;
        for (i, part) in (0..c_in).flat_map(|i| (0..width).step_by(TOGETHER).map(move |part| (i, part))) {
            let count = TOGETHER.min(width - part).min(c_out.saturating_sub(from + part));
            let mut kernels = [[0.0; TOGETHER]; 9];
            for o in 0..count {
                let entries = kernel(i, from + part + o);
                kernels.iter_mut().zip(entries).for_each(|(row, entry)| row[o] = entry);
            }
            for (frequency, values) in transform_kernels(&kernels).iter().enumerate() {
                let to = &mut to[(frequency * c_in + i) * width + part..][..count];
                to.iter_mut().zip(values).for_each(|(to, value)| *to = E::of(*value));
            }
        }
    });
    weights
}

type Channels = [f64; TOGETHER];

fn transform_kernels(g: &[Channels; 9]) -> [Channels; FREQUENCIES] {
    let columns: [[Channels; IN]; 3] = std::array::from_fn(|x| transform_taps(&g[x], &g[3 + x], &g[6 + x]));
    let mut out = [[0.0; TOGETHER]; FREQUENCIES];
    for y in 0..IN {
        let row = transform_taps(&columns[0][y], &columns[1][y], &columns[2][y]);
        out[y * IN..][..IN].copy_from_slice(&row);
    }
    out
}

/// The kernel's polynomial at the points, divided by the products of their distances.
fn transform_taps(g0: &Channels, g1: &Channels, g2: &Channels) -> [Channels; IN] {
    let (a2, b2) = (A * A, B * B);
    let (near, far) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    let mut out = [[0.0; TOGETHER]; IN];
    for o in 0..TOGETHER {
        let (g0, g1, g2) = (g0[o], g1[o], g2[o]);
        let at = |p: f64| g0 + p * (g1 + p * g2);
        out[0][o] = g0 / (a2 * b2);
        out[1][o] = near * at(A);
        out[2][o] = near * at(-A);
        out[3][o] = far * at(B);
        out[4][o] = far * at(-B);
        out[5][o] = g2;
    }
    out
}
