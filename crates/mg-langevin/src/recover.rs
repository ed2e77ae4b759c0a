use candle_core::{D, DType, Tensor};
use mg_pyramid::{Mask, down};
use mg_random::Key;

use crate::level::check_order;
use crate::{Error, Level, Observer, Result, Run};

/// Fills in hidden pixels, coarse to fine (section 6.4): a sweep in which every level's kernel is wrapped in
/// [`Observed`](crate::Observed).
///
/// `image`, [n, c, s, s], is on the last level's grid; `masks` say which of its pixels are hidden, one mask
/// for all images or one each. Hidden pixels of `image` are never read, so they may hold anything.
///
/// On a coarser grid a pixel counts as observed only if all the fine pixels it covers are
/// ([`Mask::coarsen`]); such a pixel is held at the mean of these. Chains begin at each image's mean over its
/// observed pixels, channel by channel, as a 1x1 image (0, mid grey, if nothing is observed): the paper
/// starts from the true 1x1 version, which a masked image does not reveal.
///
/// Chains start in the middle of where a level starts them ([`Start::middle`](crate::Start::middle)): nothing is drawn
/// but the kernels' noise.
///
/// Returns one [`Run`] per level. The last one's observed pixels are the image's, bit for bit.
///
/// # Errors
/// As [`sweep`](crate::sweep), and when the last level is not the image's grid, or the masks do not fit in size
/// or number.
pub fn recover(
    levels: &[Level<'_>],
    image: &Tensor,
    masks: &[Mask],
    key: Key,
    observer: &mut Observer<'_>,
) -> Result<Vec<Run>> {
    climb(levels, None, image, masks, key, observer)
}

/// [`recover`] from a `start` of the caller's choice, [n, c, t, t] with t up to the side of the first level:
/// the images' true 1x1 versions while learning (section 6.4: there "we assume Y_M is observed"), or
/// persistent chains.
///
/// # Errors
/// As [`recover`].
pub fn recover_from(
    levels: &[Level<'_>],
    start: &Tensor,
    image: &Tensor,
    masks: &[Mask],
    key: Key,
    observer: &mut Observer<'_>,
) -> Result<Vec<Run>> {
    climb(levels, Some(start), image, masks, key, observer)
}

fn climb(
    levels: &[Level<'_>],
    start: Option<&Tensor>,
    image: &Tensor,
    masks: &[Mask],
    key: Key,
    observer: &mut Observer<'_>,
) -> Result<Vec<Run>> {
    let side = image.dims().last().copied().unwrap_or(0);
    let finest = levels.last().map(|level| level.side);
    if finest != Some(side) {
        return Err(Error::FinestLevel { side, finest });
    }
    check_masks(masks, image)?;
    let (mean, filled) = mean_and_filled(image, &observed_at(masks, side, image)?)?;
    let mut x = start.unwrap_or(&mean).clone();
    check_order(levels, &x)?;
    let mut runs = Vec::with_capacity(levels.len());
    for (i, level) in levels.iter().enumerate() {
        let observed = observed_at(masks, level.side, image)?;
        let known = down(&filled, level.side)?;
        let key = key.fold(i as u64);
        x = level.start.middle(&x, level.side)?;
        let run = level.run_observed_as(i, &x, (&observed, &known), key, observer)?;
        x = run.x.clone();
        runs.push(run);
    }
    Ok(runs)
}

/// 1 where a pixel of the grid of side `side` is observed, [n, 1, side, side].
fn observed_at(masks: &[Mask], side: usize, image: &Tensor) -> Result<Tensor> {
    let masks = masks.iter().map(|mask| Ok(mask.coarsen(side)?)).collect::<Result<Vec<_>>>()?;
    let observed = Mask::observed_tensor(&masks, image.device(), DType::U8)?;
    Ok(observed.broadcast_as((image.dim(0)?, 1, side, side))?.contiguous()?)
}

fn check_masks(masks: &[Mask], image: &Tensor) -> Result<()> {
    let (images, _, _, side) = image.dims4()?;
    if masks.len() != 1 && masks.len() != images {
        return Err(Error::MaskCount { masks: masks.len(), images });
    }
    match masks.iter().find(|mask| mask.side() != side) {
        Some(mask) => Err(Error::MaskSide { mask: mask.side(), image: side }),
        None => Ok(()),
    }
}

/// The mean of the observed pixels, [n, c, 1, 1], and the image with its hidden pixels at that mean.
fn mean_and_filled(image: &Tensor, observed: &Tensor) -> Result<(Tensor, Tensor)> {
    let observed = observed.broadcast_as(image.shape())?.contiguous()?;
    let known = observed.where_cond(image, &image.zeros_like()?)?;
    let sum = known.sum_keepdim(D::Minus1)?.sum_keepdim(D::Minus2)?; // [n, c, 1, 1]
    let count = observed.to_dtype(image.dtype())?.sum_keepdim(D::Minus1)?.sum_keepdim(D::Minus2)?;
    let mean = (sum / count.maximum(1.0)?)?;
    let filled = observed.where_cond(image, &mean.broadcast_as(image.shape())?.contiguous()?)?;
    Ok((mean, filled))
}
