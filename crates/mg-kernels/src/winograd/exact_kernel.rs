//! 3x3 kernels at all frequencies in f64: score nets are packed once for many steps, and what they have learned stays the same
//! to the bit on every instruction set.

use super::filter::{A, B, POINTS};

/// Output channels transformed together.
pub(crate) const TOGETHER: usize = 16;

type Channels = [f64; TOGETHER];

/// `G g G^T` of kernels whose entries are given row by row.
pub(crate) fn transform_kernels(g: &[Channels; 9]) -> [Channels; POINTS * POINTS] {
    let columns: [[Channels; POINTS]; 3] =
        std::array::from_fn(|x| transform_taps(&g[x], &g[3 + x], &g[6 + x]));
    let mut out = [[0.0; TOGETHER]; POINTS * POINTS];
    for y in 0..POINTS {
        let row = transform_taps(&columns[0][y], &columns[1][y], &columns[2][y]);
        out[y * POINTS..][..POINTS].copy_from_slice(&row);
    }
    out
}

/// The kernel's polynomial at the points, divided by the products of their distances.
fn transform_taps(g0: &Channels, g1: &Channels, g2: &Channels) -> [Channels; POINTS] {
    let (a2, b2) = (A * A, B * B);
    let (near, far) = (1.0 / (2.0 * a2 * (a2 - b2)), 1.0 / (2.0 * b2 * (b2 - a2)));
    let mut out = [[0.0; TOGETHER]; POINTS];
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
