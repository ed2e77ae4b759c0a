use rayon::prelude::*;

use super::{A, B, FREQUENCIES, IN};
use crate::aligned::Aligned;
use crate::packed::TILE_VECTORS;
use crate::simd::Element;

/// `G g G^T` of every pair of channels, in the order of [`Winograd::weights`].
pub(super) fn transform_weights<E: Element>(
    lanes: usize,
    (c_in, c_out): (usize, usize),
    kernel: impl Fn(usize, usize) -> [f64; 9] + Sync,
) -> Aligned<E> {
    let mut weights = Aligned::zeroed(FREQUENCIES * c_in * c_out.next_multiple_of(lanes));
    let full = FREQUENCIES * c_in * TILE_VECTORS * lanes;
    weights.par_chunks_mut(full).enumerate().for_each(|(block, to)| {
        let width = to.len() / (FREQUENCIES * c_in);
        let from = block * TILE_VECTORS * lanes;
        for i in 0..c_in {
            for o in from..c_out.min(from + width) {
                let transformed = transform_kernel(kernel(i, o));
                for (frequency, value) in transformed.into_iter().enumerate() {
                    to[(frequency * c_in + i) * width + o - from] = E::of(value);
                }
            }
        }
    });
    weights
}

fn transform_kernel(g: [f64; 9]) -> [f64; FREQUENCIES] {
    let rows: [[f64; IN]; 3] = std::array::from_fn(|x| transform_taps(g[x], g[3 + x], g[6 + x]));
    let mut out = [0.0; FREQUENCIES];
    for y in 0..IN {
        out[y * IN..][..IN].copy_from_slice(&transform_taps(rows[0][y], rows[1][y], rows[2][y]));
    }
    out
}

/// The kernel's polynomial at the points, divided by the products of their distances.
fn transform_taps(g0: f64, g1: f64, g2: f64) -> [f64; IN] {
    let (a2, b2) = (A * A, B * B);
    let at = |p: f64| g0 + p * (g1 + p * g2);
    let (near, far) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    [g0 / (a2 * b2), near * at(A), near * at(-A), far * at(B), far * at(-B), g2]
}
