#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use rayon::prelude::*;

use crate::ConvGeometry;
use crate::aligned::{Aligned, Number};
use crate::element::Element;
use crate::format::Format;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::taps::runs;
use crate::tile::TILE_VECTORS;
use crate::tile::{MOST_ROWS, Segment};
use crate::weight_tile::WeightTile;

/// The weight adjoint of a convolution, summed over blocks of images in the layout
/// `[blocks of TILE_VECTORS vectors of output channels][tap, c_in][vectors of the block]`.
///
/// Where products take groups of values, the values are those of pixels side by side in a row: both maps are then
/// rewritten with each value followed by its neighbours'.
pub(crate) struct WeightGradient {
    geometry: ConvGeometry,
    lanes: usize,
    group: usize,
    input: Map,
    grad: Map,
    /// What a pixel reads, relative to its address in `input_at`.
    segments: Vec<Segment>,
    /// Taps times input channels.
    depth: usize,
    /// Vectors of output channels.
    vectors: usize,
    input_at: Vec<u32>,
    grad_at: Vec<u32>,
    per_image: usize,
    /// Groups of pixels that a tile takes at once.
    groups: usize,
}

/// Groups of pixels whose gradients stay in the first cache while all input values pass by.
const GROUPS: usize = 32;

impl WeightGradient {
    /// For inputs laid out as `input` and gradients as `grad`, up to `block` images at once, `group` values a product.
    pub(crate) fn new(
        (lanes, group): (usize, usize),
        geometry: &ConvGeometry,
        (input, grad): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let offsets: Vec<usize> = geometry
            .window()
            .taps()
            .map(|(ky, kx)| ky * input.row() + kx * input.pitch)
            .flat_map(|tap| tap..tap + c_in)
            .collect();
        let groups = || {
            let pixels = (0..block).flat_map(|n| grad.pixels().map(move |(y, x)| (n, y, x)));
            pixels.filter(|(_, _, x)| x % group == 0)
        };
        let (row, pitch) = (input.row() * stride, input.pitch * stride);
        Self {
            geometry: *geometry,
            lanes,
            group,
            input: *input,
            grad: *grad,
            segments: runs(&offsets, 1).0,
            depth: kernel * kernel * c_in,
            vectors: c_out.div_ceil(lanes),
            input_at: groups().map(|(n, y, x)| (n * input.image() + y * row + x * pitch) as u32).collect(),
            grad_at: groups().map(|(n, y, x)| grad.at(n, y, x) as u32).collect(),
            per_image: grad.side * grad.side.div_ceil(group),
            groups: usize::MAX,
        }
    }

    /// The same with sums that are added to after every few pixels, which is faster and rounds another way.
    pub(crate) fn in_short_sums(self) -> Self {
        Self { groups: GROUPS, ..self }
    }

    /// Elements of the sums' layout.
    pub(crate) fn len(&self) -> usize {
        self.depth * self.vectors * self.lanes
    }

    /// Adds the gradient of `images` images to `into`.
    pub(crate) fn add<P: Format>(
        &self,
        kernels: &Kernels<P>,
        images: usize,
        maps: (&[P::Stored], &[P::Stored]),
        into: &mut [P::Elem],
        room: &mut Neighbours<P::Stored>,
    ) {
        assert_eq!((into.len(), kernels.lanes), (self.len(), self.lanes));
        self.pair::<P>(images, maps, room);
        let maps = room.of::<P>(maps);
        let mut rest = into;
        for part in self.parts() {
            let (into, after) = rest.split_at_mut(self.part_len(part));
            self.add_part(kernels, images, maps, part, into);
            rest = after;
        }
    }

    /// Writes the maps of `images` images to `room` as products want them, where that is not how they lie.
    pub(crate) fn pair<P: Format>(
        &self,
        images: usize,
        (input, grad): (&[P::Stored], &[P::Stored]),
        room: &mut Neighbours<P::Stored>,
    ) {
        assert_eq!(P::GROUP, self.group);
        assert!(self.group <= 2, "products take one value or two");
        if P::GROUP > 1 {
            self.with_neighbours(images, input, &mut room.input);
            self.grads(images, grad, &mut room.grad);
        }
    }

    /// The parts of the sums' layout that can be added to by themselves, in their order: vectors of output channels from
    /// one on, and a segment of what pixels read.
    pub(crate) fn parts(&self) -> impl Iterator<Item = SumPart> + use<'_> {
        let channels = (0..self.vectors).step_by(TILE_VECTORS);
        channels.flat_map(|from| (0..self.segments.len()).map(move |segment| SumPart { from, segment }))
    }

    /// Elements of a part.
    pub(crate) fn part_len(&self, part: SumPart) -> usize {
        let vectors = TILE_VECTORS.min(self.vectors - part.from);
        self.segments[part.segment].len * vectors * self.lanes
    }

    /// Adds the gradient of `images` images to a part; the maps are as [`pair`](Self::pair) wrote them.
    pub(crate) fn add_part<P: Format>(
        &self,
        kernels: &Kernels<P>,
        images: usize,
        (input, grad): (&[P::Stored], &[P::Stored]),
        part: SumPart,
        into: &mut [P::Elem],
    ) {
        assert_eq!((into.len(), kernels.lanes, P::GROUP), (self.part_len(part), self.lanes, self.group));
        let groups = images * self.per_image;
        let (input_at, grad_at) = (&self.input_at[..groups], &self.grad_at[..groups]);
        let last = |places: &[u32]| places.iter().max().map_or(0, |place| *place as usize);
        let SumPart { from, segment } = part;
        let segment = &self.segments[segment];
        let reach = segment.offset + segment.len + MOST_ROWS;
        assert!(
            (last(input_at) + reach) * self.group <= input.len(),
            "a weight gradient would read past its input"
        );
        assert!(
            (last(grad_at) + self.vectors * self.lanes) * self.group <= grad.len(),
            "a weight gradient would read past dy"
        );
        let vectors = TILE_VECTORS.min(self.vectors - from);
        let grad = grad[from * self.lanes * self.group..].as_ptr();
        let size = kernels.weight_tile(segment.len);
        for (input_at, grad_at) in input_at.chunks(self.groups).zip(grad_at.chunks(self.groups)) {
            let mut into = into.as_mut_ptr();
            for first in (0..segment.len).step_by(size.rows) {
                let rows = size.rows.min(segment.len - first);
                let input = input[(segment.offset + first) * self.group..].as_ptr();
                let tile = WeightTile { input, input_at, grad, grad_at, into, rows };
                // SAFETY: the kernels fit the processor; the assertions above bound the reads (a tile reads at most
                // `MOST_ROWS` values from its first) and say that `into` holds `segment.len` rows of `vectors` vectors.
                unsafe {
                    (size.weight_gradient[vectors - 1])(&tile);
                    into = into.add(rows * vectors * self.lanes);
                }
            }
        }
    }

    /// Every input value beside the one that its pixel's right neighbour in the output reads, `[.., 2]`.
    fn with_neighbours<T: Number>(&self, images: usize, input: &[T], room: &mut Aligned<T>) {
        let len = self.input.len(images);
        room.grow(2 * len);
        let ahead = &input[self.input.pitch * self.geometry.stride..len];
        let (pairs, rest) = room[..2 * len].split_at_mut(2 * ahead.len());
        interleave(input, ahead, pairs);
        rest.fill(T::ZERO);
    }

    /// The gradient of every pixel of even column beside its right neighbour's, `[.., 2]`; beyond the row there is none.
    fn grads<T: Number>(&self, images: usize, grad: &[T], room: &mut Aligned<T>) {
        let (map, none) = (&self.grad, vec![T::ZERO; self.grad.pitch]);
        room.grow(2 * map.len(images));
        for (n, (y, x)) in (0..images).flat_map(|n| map.pixels().map(move |at| (n, at))) {
            if x % 2 == 0 {
                let at = map.at(n, y, x);
                let right = if x + 1 < map.side { &grad[at + map.pitch..][..map.pitch] } else { &none };
                interleave(&grad[at..], right, &mut room[2 * at..][..2 * map.pitch]);
            }
        }
    }

    /// From the sums' layout to `[c_out, c_in, k, k]`.
    pub(crate) fn unpack<E: Element>(&self, sums: &[E]) -> Vec<E> {
        let mut weight = vec![E::ZERO; self.geometry.c_out * self.depth];
        self.unpack_into(sums, &mut weight);
        weight
    }

    /// The same, to where the weight lies.
    pub(crate) fn unpack_into<E: Element>(&self, sums: &[E], weight: &mut [E]) {
        let ConvGeometry { c_in, kernel, .. } = self.geometry;
        let width = TILE_VECTORS * self.lanes;
        let blocks = weight.par_chunks_mut(width * self.depth).zip(sums.par_chunks(width * self.depth));
        blocks.for_each(|(weight, sums)| {
            let width = sums.len() / self.depth;
            for (o, weight) in weight.chunks_exact_mut(self.depth).enumerate() {
                for (d, sum) in sums.iter().skip(o).step_by(width).enumerate() {
                    let (tap, i) = (d / c_in, d % c_in);
                    weight[i * kernel * kernel + tap] = *sum;
                }
            }
        });
    }
}

fn interleave<T: Copy>(a: &[T], b: &[T], to: &mut [T]) {
    for (to, (a, b)) in to.chunks_exact_mut(2).zip(a.iter().zip(b)) {
        to[0] = *a;
        to[1] = *b;
    }
}

/// A part of the sums' layout.
#[derive(Clone, Copy)]
pub(crate) struct SumPart {
    /// The first vector of output channels.
    from: usize,
    /// Number of the segment.
    segment: usize,
}

/// Memory for maps whose values stand beside their neighbours'.
pub(crate) struct Neighbours<T> {
    input: Aligned<T>,
    grad: Aligned<T>,
}

impl<T: Number> Neighbours<T> {
    pub(crate) fn empty() -> Self {
        Self { input: Aligned::zeroed(0), grad: Aligned::zeroed(0) }
    }

    /// What [`WeightGradient::pair`] made of these maps.
    pub(crate) fn of<'a, P: Format<Stored = T>>(&'a self, maps: (&'a [T], &'a [T])) -> (&'a [T], &'a [T]) {
        if P::GROUP > 1 { (&self.input, &self.grad) } else { maps }
    }
}
