#![allow(unsafe_code, reason = "runs tiles on checked addresses")]

use crate::aligned::{Aligned, Number};
use crate::amx::{SIDE, TileUnit};
use crate::format::{Format, Stored};
use crate::kernels::Kernels;
use crate::map::Map;
use crate::panel::Panel;
use crate::share::{Block, Shared};
use crate::simd::Element;
use crate::taps::{Tap, adjoint_start, phase_taps, run_of, runs};
use crate::tile::{Finish, MOST_ROWS, Output, Segment, Tile};
use crate::{ConvGeometry, Window};

/// Vectors of output channels in a tile.
pub(crate) const TILE_VECTORS: usize = 2;

/// A convolution between two [`Map`]s with its weights in the order the tiles read them: a forward convolution, or
/// one phase of an input adjoint (every adjoint is a set of stride-1 convolutions of the gradient).
pub(crate) struct Packed<P: Format> {
    /// What a pixel reads, relative to its address in `places.input`.
    segments: Vec<Segment>,
    /// `[blocks of TILE_VECTORS vectors][depth in groups][vectors of the block][group]`.
    weights: Aligned<P::Stored>,
    bias: Aligned<P::Elem>,
    /// Sum of the segments' lengths, which are whole groups.
    depth: usize,
    /// Vectors of output channels.
    vectors: usize,
    places: Places,
    /// In place of segments and weights, where there is a tile unit.
    panel: Option<(Panel<P>, &'static TileUnit<P>)>,
}

/// Addresses of all pixels of the largest block of images.
pub(crate) struct Places {
    pub(crate) input: Vec<u32>,
    pub(crate) output: Vec<u32>,
    /// Where the activation is found that gates the result; empty when nothing does.
    pub(crate) gate: Vec<u32>,
    /// Pixels of one image.
    pub(crate) per_image: usize,
}

/// The activations that gate a result and leaky ReLU's slope.
pub(crate) type Gate<'a, P> = (&'a [<P as Format>::Stored], <P as Format>::Elem);

/// Where a convolution writes, and in which form.
pub(crate) enum Target<'a, P: Format> {
    Stored(Shared<'a, P::Stored>),
    Elem(Shared<'a, P::Elem>),
}

impl<'a, P: Format> Target<'a, P> {
    pub(crate) fn stored(values: &'a mut [P::Stored]) -> Self {
        Self::Stored(Shared::new(values))
    }

    pub(crate) fn elem(values: &'a mut [P::Elem]) -> Self {
        Self::Elem(Shared::new(values))
    }

    fn len(&self) -> usize {
        match self {
            Target::Stored(values) => values.len(),
            Target::Elem(values) => values.len(),
        }
    }

    /// A tile's addresses, `at` elements from the beginning.
    fn rows(&self, at: impl Fn(usize) -> usize) -> Output<P> {
        match self {
            Target::Stored(values) => Output::Stored(std::array::from_fn(|i| values.at(at(i)))),
            Target::Elem(values) => Output::Elem(std::array::from_fn(|i| values.at(at(i)))),
        }
    }
}

impl<P: Format> Packed<P> {
    /// A forward convolution from `input` to `output` for up to `block` images; `weight` is
    /// `[c_out, c_in, rows, columns]` of the window.
    pub(crate) fn forward(
        kernels: &Kernels<P>,
        window: &Window,
        (c_in, c_out): (usize, usize),
        (weight, bias): (&[P::Elem], &[P::Elem]),
        (input, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let [rows, columns] = window.kernel;
        let taps: Vec<_> = window.taps().collect();
        let offsets =
            taps.iter().flat_map(|(ky, kx)| run_of(ky * input.row() + kx * input.pitch, c_in)).collect();
        let entry = |d: usize, o: usize| {
            let (ky, kx) = taps[d / c_in];
            weight[((o * c_in + d % c_in) * rows + ky) * columns + kx]
        };
        let places = Places::new(block, output.pixels(), |n, y, x| {
            (input.window(window, n, y, x), output.at(n, y, x), None)
        });
        Self::pack(kernels, offsets, c_out, entry, bias, places)
    }

    /// The input adjoint from `grad` (with [`adjoint_halo`]) to `output`, one part per phase of the stride that any
    /// output reaches. `gate` is the layout of the activations that will gate the result.
    pub(crate) fn adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        gate: Option<&Map>,
        block: usize,
    ) -> Vec<Self> {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let start = adjoint_start(geometry, grad);
        let phase = |ry: usize, rx: usize| {
            let taps = phase_taps(geometry, ry, rx);
            let offsets = taps.iter().flat_map(|tap| run_of(tap.offset(grad), c_out)).collect();
            let entry = |d: usize, o: usize| {
                let tap = &taps[d / c_out];
                weight[((d % c_out * c_in + o) * kernel + tap.ky) * kernel + tap.kx]
            };
            let side = output.side;
            let pixels =
                (ry..side).step_by(stride).flat_map(|y| (rx..side).step_by(stride).map(move |x| (y, x)));
            let places = Places::new(block, pixels, |n, y, x| {
                let gate = gate.map(|map| map.at(n, y, x));
                (
                    start + n * grad.image() + y / stride * grad.row() + x / stride * grad.pitch,
                    output.at(n, y, x),
                    gate,
                )
            });
            Self::pack(kernels, offsets, c_in, entry, &[], places)
        };
        (0..stride.min(output.side))
            .flat_map(|ry| (0..stride.min(output.side)).map(move |rx| (ry, rx)))
            .map(|(ry, rx)| phase(ry, rx))
            .collect()
    }

    /// The input adjoint with all phases at once: pixel (y, x) of `output` (of side `ceil(side / stride)`) holds the
    /// channels `[phase y, phase x, c_in]` of the `stride x stride` pixels there. Fills vectors when `c_in` is small.
    pub(crate) fn merged_adjoint(
        kernels: &Kernels<P>,
        geometry: &ConvGeometry,
        weight: &[P::Elem],
        (grad, output): (&Map, &Map),
        block: usize,
    ) -> Self {
        let ConvGeometry { c_in, c_out, kernel, stride, .. } = *geometry;
        let (low, high) = geometry.adjoint_reach();
        let offsets: Vec<_> = (low..=high).flat_map(|y| (low..=high).map(move |x| (y, x))).collect();
        let taps =
            offsets.iter().map(|(y, x)| Tap { ky: 0, kx: 0, y: (y - low) as usize, x: (x - low) as usize });
        let reads = taps.flat_map(|tap| run_of(tap.offset(grad), c_out)).collect();
        let entry = |d: usize, o: usize| {
            let (y, x) = offsets[d / c_out];
            let meets =
                |phase, offset| (0..kernel).find(|k| geometry.adjoint_offset(phase, *k) == Some(offset));
            let (phase, channel) = (o / c_in, o % c_in);
            match (meets(phase / stride, y), meets(phase % stride, x)) {
                (Some(ky), Some(kx)) => weight[((d % c_out * c_in + channel) * kernel + ky) * kernel + kx],
                _ => P::Elem::ZERO,
            }
        };
        let start = adjoint_start(geometry, grad);
        let places = Places::new(block, output.pixels(), |n, y, x| {
            (start + n * grad.image() + y * grad.row() + x * grad.pitch, output.at(n, y, x), None)
        });
        Self::pack(kernels, reads, stride * stride * c_in, entry, &[], places)
    }

    /// `offsets` holds the address of every value that a pixel reads, `entry(d, o)` the weight of value `d` for output
    /// channel `o`.
    fn pack(
        kernels: &Kernels<P>,
        offsets: Vec<usize>,
        channels: usize,
        entry: impl Fn(usize, usize) -> P::Elem,
        bias: &[P::Elem],
        places: Places,
    ) -> Self {
        let lanes = kernels.lanes;
        let vectors = channels.div_ceil(lanes);
        let mut padded_bias = Aligned::zeroed(vectors * lanes);
        padded_bias[..bias.len()].copy_from_slice(bias);
        if let Some(unit) = P::tile_unit(kernels.level) {
            let panel = Some((Panel::new(&runs(&offsets, 1).0, channels, entry), unit));
            let (segments, weights) = (vec![], Aligned::zeroed(0));
            return Self { segments, weights, bias: padded_bias, depth: 0, vectors, places, panel };
        }
        let (segments, values) = runs(&offsets, P::GROUP);
        let depth = values.len();
        let mut weights = Aligned::zeroed(depth * vectors * lanes);
        for (block, from) in (0..vectors).step_by(TILE_VECTORS).enumerate() {
            let width = TILE_VECTORS.min(vectors - from) * lanes;
            let start = block * depth * TILE_VECTORS * lanes;
            let rows = weights[start..start + depth * width].chunks_exact_mut(width * P::GROUP);
            for (row, group) in rows.zip(values.chunks_exact(P::GROUP)) {
                for (o, to) in (from * lanes..channels).zip(row.chunks_exact_mut(P::GROUP)) {
                    for (to, d) in to.iter_mut().zip(group) {
                        *to = P::Stored::of(d.map_or(P::Elem::ZERO, |d| entry(d, o)));
                    }
                }
            }
        }
        Self { segments, weights, bias: padded_bias, depth, vectors, places, panel: None }
    }

    /// Convolves a block's maps of `input` into `output`.
    pub(crate) fn run(
        &self,
        kernels: &Kernels<P>,
        block: Block,
        input: &[P::Stored],
        output: Target<'_, P>,
        finish: Finish<P::Elem>,
        gate: Option<Gate<'_, P>>,
    ) {
        let pixels = block.images * self.places.per_image;
        let width = self.vectors * kernels.lanes;
        let reach = match &self.panel {
            Some((panel, _)) => panel.reach(),
            None => self.segments.iter().map(|s| s.offset + s.len).max().unwrap_or(0),
        };
        let last = |places: &[u32]| places[..pixels].iter().max().map_or(0, |place| *place as usize);
        assert!(last(&self.places.input) + reach <= input.len(), "a convolution would read past its input");
        assert!(
            last(&self.places.output) + width <= output.len(),
            "a convolution would write past its output"
        );
        if let Some((values, _)) = gate {
            assert!(
                last(&self.places.gate) + width <= values.len(),
                "a convolution would read past its gate"
            );
        }
        let tiles = Tiles {
            packed: self,
            kernels,
            input: input.as_ptr(),
            output: &output,
            finish: gate.map_or(finish, |(_, slope)| Finish::Gate(slope)),
            gate: gate.map_or(std::ptr::null(), |(values, _)| values.as_ptr()),
        };
        match &self.panel {
            Some((panel, unit)) => tiles.run_panels(panel, unit, pixels, block),
            None => block.each(self.vectors.div_ceil(TILE_VECTORS), |channels| {
                tiles.run_channels(pixels, channels);
            }),
        }
    }
}

/// A convolution at work on pixels whose addresses were checked.
struct Tiles<'a, P: Format> {
    packed: &'a Packed<P>,
    kernels: &'a Kernels<P>,
    input: *const P::Stored,
    output: &'a Target<'a, P>,
    finish: Finish<P::Elem>,
    gate: *const P::Stored,
}

// SAFETY: input and gate are only read; outputs are written by tasks that each have their own pixels or channels.
unsafe impl<P: Format> Sync for Tiles<'_, P> {}

impl<'a, P: Format> Tiles<'a, P> {
    /// The tile of `rows` pixels from number `first` on and channels from number `from` on. Rows beyond are the last
    /// pixel again.
    fn at(&self, first: usize, rows: usize, from: usize) -> Tile<'a, P> {
        let places = &self.packed.places;
        let place = |places: &[u32], i: usize| places[first + i.min(rows - 1)] as usize;
        Tile {
            input: std::array::from_fn(|i| self.input.wrapping_add(place(&places.input, i))),
            output: self.output.rows(|i| place(&places.output, i) + from),
            gate: std::array::from_fn(|i| match self.finish {
                Finish::Gate(_) => self.gate.wrapping_add(place(&places.gate, i) + from),
                _ => self.gate,
            }),
            rows,
            segments: &self.packed.segments,
            weights: self.packed.weights[from * self.packed.depth..].as_ptr(),
            bias: self.packed.bias[from..].as_ptr(),
            finish: self.finish,
        }
    }

    /// The block of output channels number `channels`, for the first `pixels` pixels.
    fn run_channels(&self, pixels: usize, channels: usize) {
        let from = channels * TILE_VECTORS;
        let vectors = TILE_VECTORS.min(self.packed.vectors - from);
        let mut done = 0;
        while done < pixels {
            let size = self.kernels.tile(pixels - done);
            let rows = size.rows.min(pixels - done);
            let tile = self.at(done, rows, from * self.kernels.lanes);
            // SAFETY: the kernels fit the processor; every address that a tile of these pixels reads or writes was
            // checked, and no other task writes there; weights and bias hold these channels by construction.
            unsafe { (size.convolve[vectors - 1])(&tile) };
            done += rows;
        }
    }

    /// All channels of the first `pixels` pixels, by a tile unit.
    fn run_panels(&self, panel: &Panel<P>, unit: &TileUnit<P>, pixels: usize, block: Block) {
        let panels = pixels.div_ceil(SIDE);
        let tasks = if block.split { panels } else { 1 };
        block.each(tasks, |task| {
            let mut room = panel.room();
            unit.with(|| {
                for first in (task..panels).step_by(tasks).map(|number| number * SIDE) {
                    let size = (SIDE.min(pixels - first), self.packed.vectors);
                    let places = &self.packed.places.input[first..];
                    let input = |i: usize| self.input.wrapping_add(places[i] as usize);
                    let tile = |row, rows, from| self.at(first + row, rows, from);
                    // SAFETY: as in `run_channels`.
                    unsafe { panel.run(self.kernels, unit, size, input, tile, &mut room) };
                }
            });
        });
    }
}

impl Places {
    /// `place(image, y, x)` gives the addresses of a pixel's input, output and gate.
    fn new(
        block: usize,
        pixels: impl Iterator<Item = (usize, usize)> + Clone,
        place: impl Fn(usize, usize, usize) -> (usize, usize, Option<usize>),
    ) -> Self {
        let mut places =
            Self { input: vec![], output: vec![], gate: vec![], per_image: pixels.clone().count() };
        for n in 0..block {
            for (y, x) in pixels.clone() {
                let (input, output, gate) = place(n, y, x);
                places.input.push(input as u32);
                places.output.push(output as u32);
                places.gate.extend(gate.map(|gate| gate as u32));
            }
        }
        places
    }
}

/// A plain product of matrices by the convolutions' tiles: row `i` of the result, of as many vectors as `weights` has,
/// is `input[from + i * step..][segment] * weights`. `input` and `output` come with their `(from, step)`.
pub(crate) fn run_rows<P: Format<Elem = E, Stored = E>, E: Element>(
    kernels: &Kernels<P>,
    rows: usize,
    segment: Segment,
    (input, (input_from, input_step)): (&[E], (usize, usize)),
    (output, (output_from, output_step)): (&mut [E], (usize, usize)),
    weights: &[E],
    bias: &[E],
) {
    let width = weights.len() / segment.len;
    let vectors = width / kernels.lanes;
    let last = rows.max(1) - 1;
    assert!(
        input_from + last * input_step + segment.offset + segment.len <= input.len(),
        "a product reads too far"
    );
    assert!(output_from + last * output_step + width <= output.len(), "a product writes too far");
    assert!((1..=TILE_VECTORS).contains(&vectors) && width <= bias.len());
    let (input, output) = (input.as_ptr(), output.as_mut_ptr());
    let mut done = 0;
    while done < rows {
        let size = kernels.tile(rows - done);
        let count = size.rows.min(rows - done);
        let row = |i: usize| done + i.min(count - 1);
        let tile = Tile {
            input: std::array::from_fn(|i| input.wrapping_add(input_from + row(i) * input_step)),
            output: Output::Elem(std::array::from_fn(|i| {
                output.wrapping_add(output_from + row(i) * output_step)
            })),
            gate: [std::ptr::null(); MOST_ROWS],
            rows: count,
            segments: &[segment],
            weights: weights.as_ptr(),
            bias: bias.as_ptr(),
            finish: Finish::Plain,
        };
        // SAFETY: the kernels fit the processor; the assertions above bound every address of every row.
        unsafe { (size.convolve[vectors - 1])(&tile) };
        done += count;
    }
}
