#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use crate::ConvGeometry;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::{TILE_VECTORS, merge, taps};
use crate::simd::Element;
use crate::tile::{MOST_ROWS, Segment, WeightTile};

/// The weight adjoint of a convolution, summed over blocks of images in the layout
/// `[blocks of TILE_VECTORS vectors of output channels][tap, c_in][vectors of the block]`.
pub(crate) struct WeightGradient {
    geometry: ConvGeometry,
    lanes: usize,
    /// What a pixel reads, relative to its address in `input_at`.
    segments: Vec<Segment>,
    /// Taps times input channels.
    depth: usize,
    /// Vectors of output channels.
    vectors: usize,
    input_at: Vec<u32>,
    grad_at: Vec<u32>,
    per_image: usize,
}

impl WeightGradient {
    /// For inputs laid out as `input` and gradients as `grad`, up to `block` images at once.
    pub(crate) fn new(
        lanes: usize,
        geometry: &ConvGeometry,
        (input, grad): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let segment = |(ky, kx)| Segment { offset: ky * input.row() + kx * input.pitch, len: c_in };
        let segments = merge(taps(kernel).map(segment).collect());
        let pixels = || (0..block).flat_map(|n| grad.pixels().map(move |(y, x)| (n, y, x)));
        let (row, pitch) = (input.row() * stride, input.pitch * stride);
        Self {
            geometry: *geometry,
            lanes,
            segments,
            depth: kernel * kernel * c_in,
            vectors: c_out.div_ceil(lanes),
            input_at: pixels().map(|(n, y, x)| (n * input.image() + y * row + x * pitch) as u32).collect(),
            grad_at: pixels().map(|(n, y, x)| grad.at(n, y, x) as u32).collect(),
            per_image: grad.side * grad.side,
        }
    }

    /// Elements of the sums' layout.
    pub(crate) fn len(&self) -> usize {
        self.depth * self.vectors * self.lanes
    }

    /// Adds the gradient of `images` images to `into`.
    pub(crate) fn add<E: Element>(
        &self,
        kernels: &Kernels<E>,
        images: usize,
        input: &[E],
        grad: &[E],
        into: &mut [E],
    ) {
        let pixels = images * self.per_image;
        let (input_at, grad_at) = (&self.input_at[..pixels], &self.grad_at[..pixels]);
        let last = |places: &[u32]| places.iter().max().map_or(0, |place| *place as usize);
        let reach = self.segments.iter().map(|s| s.offset + s.len).max().unwrap_or(0) + MOST_ROWS;
        assert!(last(input_at) + reach <= input.len(), "a weight gradient would read past its input");
        assert!(
            last(grad_at) + self.vectors * self.lanes <= grad.len(),
            "a weight gradient would read past dy"
        );
        assert_eq!((into.len(), kernels.lanes), (self.len(), self.lanes));
        for from in (0..self.vectors).step_by(TILE_VECTORS) {
            let vectors = TILE_VECTORS.min(self.vectors - from);
            let grad = grad[from * self.lanes..].as_ptr();
            // SAFETY: `into` holds `depth` rows of `vectors` vectors from here, by the assertion above.
            let mut into = unsafe { into.as_mut_ptr().add(from * self.lanes * self.depth) };
            for segment in &self.segments {
                let size = kernels.weight_tile(segment.len);
                for first in (0..segment.len).step_by(size.rows) {
                    let rows = size.rows.min(segment.len - first);
                    let input = input[segment.offset + first..].as_ptr();
                    let tile = WeightTile { input, input_at, grad, grad_at, into, rows };
                    // SAFETY: the kernels fit the processor; the assertions above bound the reads (a tile reads at
                    // most `MOST_ROWS` values from its first); `into` has at least `rows` rows left.
                    unsafe {
                        (size.weight_gradient[vectors - 1])(&tile);
                        into = into.add(rows * vectors * self.lanes);
                    }
                }
            }
        }
    }

    /// From the sums' layout to `[c_out, c_in, k, k]`.
    pub(crate) fn unpack<E: Element>(&self, sums: &[E]) -> Vec<E> {
        let ConvGeometry { c_in, c_out, kernel, .. } = self.geometry;
        let mut weight = vec![E::ZERO; c_out * self.depth];
        for from in (0..self.vectors).step_by(TILE_VECTORS) {
            let width = TILE_VECTORS.min(self.vectors - from) * self.lanes;
            let start = from * self.lanes * self.depth;
            for (d, row) in sums[start..start + self.depth * width].chunks_exact(width).enumerate() {
                let (tap, i) = (d / c_in, d % c_in);
                let channels = (from * self.lanes..c_out).zip(row);
                channels.for_each(|(o, v)| weight[(o * c_in + i) * kernel * kernel + tap] = *v);
            }
        }
        weight
    }
}
