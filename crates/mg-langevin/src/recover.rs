use candle_core::{D, Tensor};
use mg_pyramid::Mask;

use crate::{ChainKey, Error, Held, Level, Result, Run, StepObserver, climb};

/// Fills in hidden pixels, coarse to fine (section 6.4): a [`climb`] in which every level holds what is known of its
/// pixels.
///
/// `image`, [n, c, s, s], is on the last level's grid; `masks` say which of its pixels are hidden, one mask
/// for all images or one each. Hidden pixels of `image` are never read, so they may hold anything.
///
/// On a coarser grid a pixel is held at the mean of what is observed of it, where that is a quarter or more
/// ([`Mask::known`]). Chains begin at each image's mean over its
/// observed pixels, channel by channel, as a 1x1 image (0, mid grey, if nothing is observed): the paper
/// starts from the true 1x1 version, which a masked image does not reveal.
///
/// Nothing is drawn but the kernels' noise, because chains begin in the middle of an upscaling
/// ([`Upscaling::middle`](crate::Upscaling::middle)).
///
/// Returns one [`Run`] per level. The last one's observed pixels are the image's, bit for bit.
///
/// # Errors
/// As [`climb`], and when the last level is not the image's grid, or the masks do not fit in size
/// or number.
pub fn recover(
    levels: &[Level<'_>],
    image: &Tensor,
    masks: &[Mask],
    key: impl Into<ChainKey>,
    observer: &mut StepObserver<'_>,
) -> Result<Vec<Run>> {
    check_finest(levels, image)?;
    recover_from(levels, &mean_of_observed(masks, image)?, image, masks, key, observer)
}

/// [`recover`] from a `start` of the caller's choice, [n, c, t, t] with t up to the side of the first level, such as the
/// images' true 1x1 versions (section 6.4: there "we assume Y_M is observed"), or persistent chains.
///
/// # Errors
/// As [`recover`].
pub fn recover_from(
    levels: &[Level<'_>],
    start: &Tensor,
    image: &Tensor,
    masks: &[Mask],
    key: impl Into<ChainKey>,
    observer: &mut StepObserver<'_>,
) -> Result<Vec<Run>> {
    check_finest(levels, image)?;
    let known = levels.iter().map(|level| Mask::known(masks, image, level.side));
    let known = known.collect::<mg_pyramid::Result<Vec<_>>>()?;
    let mut levels = levels.to_vec();
    for (level, (known, values)) in levels.iter_mut().zip(&known) {
        level.held = Some(Held { known, values });
    }
    climb(&levels, start, key, observer)
}

/// Fails unless the last level is the image's grid.
fn check_finest(levels: &[Level<'_>], image: &Tensor) -> Result<()> {
    let side = image.dims().last().copied().unwrap_or(0);
    let finest = levels.last().map(|level| level.side);
    if finest == Some(side) { Ok(()) } else { Err(Error::FinestLevel { side, finest }) }
}

/// The mean of the observed pixels, [n, c, 1, 1], 0 where there is none.
fn mean_of_observed(masks: &[Mask], image: &Tensor) -> Result<Tensor> {
    let (known, values) = Mask::known(masks, image, image.dim(3)?)?;
    let over = |x: Tensor| x.sum_keepdim(D::Minus1)?.sum_keepdim(D::Minus2); // [n, c, 1, 1]
    let count = over(known.to_dtype(image.dtype())?)?.maximum(1.0)?;
    Ok(over(values)?.broadcast_div(&count)?)
}
