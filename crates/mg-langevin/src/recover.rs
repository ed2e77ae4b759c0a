use candle_core::{D, Tensor};
use mg_pyramid::Mask;
use mg_random::Key;

use crate::level::check_order;
use crate::{Error, Level, Observer, Result, Run};

/// Fills in hidden pixels, coarse to fine (section 6.4): a sweep in which every level's kernel is wrapped in
/// [`Observed`](crate::Observed).
///
/// `image`, [n, c, s, s], is on the last level's grid; `masks` say which of its pixels are hidden, one mask
/// for all images or one each. Hidden pixels of `image` are never read, so they may hold anything.
///
/// On a coarser grid a pixel is held at the mean of what is observed of it, where that is a quarter or more
/// ([`Mask::known`]). Chains begin at each image's mean over its
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
    let mean = mean_of_observed(masks, image)?;
    let mut x = start.unwrap_or(&mean).clone();
    check_order(levels, &x)?;
    let mut runs = Vec::with_capacity(levels.len());
    for (i, level) in levels.iter().enumerate() {
        let (known, values) = Mask::known(masks, image, level.side)?;
        let key = key.fold(i as u64);
        x = level.start.middle(&x, level.side)?;
        let run = level.run_observed_as(i, &x, (&known, &values), key, observer)?;
        x = run.x.clone();
        runs.push(run);
    }
    Ok(runs)
}

/// The mean of the observed pixels, [n, c, 1, 1], 0 where there is none.
fn mean_of_observed(masks: &[Mask], image: &Tensor) -> Result<Tensor> {
    let (known, values) = Mask::known(masks, image, image.dim(3)?)?;
    let over = |x: Tensor| x.sum_keepdim(D::Minus1)?.sum_keepdim(D::Minus2); // [n, c, 1, 1]
    let count = over(known.to_dtype(image.dtype())?)?.maximum(1.0)?;
    Ok(over(values)?.broadcast_div(&count)?)
}
