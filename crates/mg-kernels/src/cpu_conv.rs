//! A convolution and its two adjoints by the engine's kernels, for single operations on the CPU.

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::engine::Adjoint;
use crate::finish::Finish;
use crate::kernels::Kernels;
use crate::map::Map;
use crate::packed::Packed;
use crate::simd::Level;
use crate::taps::adjoint_halo;
use crate::target::Target;
use crate::weight_gradient::{Neighbours, WeightGradient};
use crate::{ConvGeometry, Error, Result};

/// Images that a task takes at once.
const BLOCK: usize = 4;
/// Lanes that weight gradients are summed in.
const LANES: usize = 8;

/// Lends the elements of a CPU tensor, in order.
pub(crate) fn with_elements<E: Element, R>(x: &Tensor, work: impl FnOnce(&[E]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => {
            Ok(work(&CpuStorage::as_slice::<E>(storage)?[layout.start_offset()..][..x.elem_count()]))
        }
        _ => Ok(work(&x.flatten_all()?.to_vec1::<E>()?)),
    }
}

/// See [`crate::conv2d`].
pub(crate) fn conv2d<P: Compiled>(x: &Tensor, weight: &Tensor, geometry: &ConvGeometry) -> Result<Tensor> {
    let (n, _, _, side) = x.dims4()?;
    let out = geometry.out_side(side)?;
    let kernels = P::kernels(Level::best());
    let input = Map::dense(side, geometry.c_in, (geometry.pad_before, geometry.pad_after));
    let output = Map::new::<P::Elem>(out, geometry.c_out, (0, 0), kernels.lanes);
    check(geometry, [&input, &output])?;
    let zeros = vec![P::Elem::ZERO; geometry.c_out];
    let packed = with_elements(weight, |weight| {
        let (window, channels) = (geometry.window(), geometry.channels());
        Packed::<P>::forward(kernels, &window, channels, (weight, &zeros), (&input, &output), BLOCK)
    })?;
    let mut y = vec![P::Elem::ZERO; n * geometry.c_out * out * out];
    with_elements(x, |x| {
        let parts = chunks(x, &mut y, geometry.c_in * side * side, geometry.c_out * out * out);
        parts.for_each_init(
            || (Aligned::zeroed(input.len(BLOCK)), Aligned::zeroed(output.len(BLOCK))),
            |(from, to), (x, y)| {
                input.load(x, from);
                let images = y.len() / (geometry.c_out * out * out);
                packed.run(kernels, Block::of(images), from, Target::elem(to), Finish::Plain, None);
                output.store(to, y);
            },
        );
    })?;
    Ok(Tensor::from_vec(y, (n, geometry.c_out, out, out), x.device())?)
}

/// See [`crate::conv2d_input_adjoint`].
pub(crate) fn input_adjoint<P: Compiled>(
    dy: &Tensor,
    weight: &Tensor,
    geometry: &ConvGeometry,
    side: usize,
) -> Result<Tensor> {
    let (n, _, _, out) = dy.dims4()?;
    let kernels = P::kernels(Level::best());
    let grad = Map::dense(out, geometry.c_out, adjoint_halo(geometry, side)?);
    let image = Map::dense(side, geometry.c_in, (0, 0));
    check(geometry, [&grad, &image])?;
    let adjoint = with_elements(weight, |weight| {
        Adjoint::<P>::for_images(kernels, geometry, weight, &grad, side, BLOCK)
    })?;
    let map = adjoint.map(kernels, &image);
    let each = geometry.c_in * side * side;
    let mut dx = vec![P::Elem::ZERO; n * each];
    with_elements(dy, |dy| {
        let parts = chunks(dy, &mut dx, geometry.c_out * out * out, each);
        parts.for_each_init(
            || (Aligned::zeroed(grad.len(BLOCK)), Aligned::zeroed(map.len(BLOCK))),
            |(from, to), (dy, dx)| {
                grad.load(dy, from);
                let images = dx.len() / each;
                adjoint.reach_images(
                    kernels,
                    Block::of(images),
                    (from, to),
                    (&image, &map),
                    geometry.stride,
                    dx,
                );
            },
        );
    })?;
    Ok(Tensor::from_vec(dx, (n, geometry.c_in, side, side), dy.device())?)
}

/// See [`crate::conv2d_weight_adjoint`].
pub(crate) fn weight_adjoint<P: Compiled>(
    x: &Tensor,
    dy: &Tensor,
    geometry: &ConvGeometry,
) -> Result<Tensor> {
    let ((n, _, _, side), out) = (x.dims4()?, dy.dim(3)?);
    let kernels: &Kernels<P> = P::kernels(Level::best());
    let input = Map::dense(side, geometry.c_in, (geometry.pad_before, geometry.pad_after));
    let grad = Map::new::<P::Elem>(out, geometry.c_out, (0, 0), kernels.lanes);
    check(geometry, [&input, &grad])?;
    let gradient = WeightGradient::new((kernels.lanes, P::GROUP), geometry, (&input, &grad), BLOCK);
    let (x_each, dy_each) = (geometry.c_in * side * side, geometry.c_out * out * out);
    let share = n.div_ceil(LANES).max(1);
    let lanes: Vec<Aligned<P::Elem>> = with_elements(x, |x: &[P::Elem]| {
        with_elements(dy, |dy: &[P::Elem]| {
            let lanes = x.par_chunks(share * x_each).zip(dy.par_chunks(share * dy_each)).with_max_len(1);
            lanes
                .map(|(x, dy)| {
                    let (mut from, mut to) =
                        (Aligned::zeroed(input.len(BLOCK)), Aligned::zeroed(grad.len(BLOCK)));
                    let (mut sum, mut room) = (Aligned::zeroed(gradient.len()), Neighbours::empty());
                    for (x, dy) in x.chunks(BLOCK * x_each).zip(dy.chunks(BLOCK * dy_each)) {
                        input.load(x, &mut from);
                        grad.load(dy, &mut to);
                        gradient.add(kernels, x.len() / x_each, (&from, &to), &mut sum, &mut room);
                    }
                    sum
                })
                .collect()
        })
    })??;
    let mut total = Aligned::zeroed(gradient.len());
    for lane in &lanes {
        total.iter_mut().zip(lane.iter()).for_each(|(to, v): (&mut P::Elem, &P::Elem)| *to += *v);
    }
    let dw = gradient.unpack(&total);
    Ok(Tensor::from_vec(dw, &geometry.weight_dims()[..], x.device())?)
}

fn check(geometry: &ConvGeometry, maps: [&Map; 2]) -> Result<()> {
    let fits = maps.iter().try_for_each(|map| map.check_addresses(BLOCK));
    fits.map_err(|reason| Error::TooLarge { geometry: format!("{geometry:?}"), reason })
}

/// Blocks of images with their results, side by side.
fn chunks<'a, E: Element>(
    from: &'a [E],
    to: &'a mut [E],
    from_each: usize,
    to_each: usize,
) -> impl IndexedParallelIterator<Item = (&'a [E], &'a mut [E])> {
    from.par_chunks(BLOCK * from_each).zip(to.par_chunks_mut(BLOCK * to_each)).with_max_len(1)
}
