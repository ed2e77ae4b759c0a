use candle_core::{DType, Device, Tensor};

use super::Mask;
use crate::scale::image_dims;
use crate::{Error, Result, down};

/// Share of a coarse pixel that must be observed for it to be known: a quarter, less what rounding takes.
const KNOWN: f64 = 0.249;

impl Mask {
    /// The observed pixels of a batch, one mask per image: [n, 1, side, side], 1 = observed, 0 = hidden.
    ///
    /// # Errors
    /// When there are no masks or their sides differ.
    pub fn observed_tensor(masks: &[Mask], device: &Device, dtype: DType) -> Result<Tensor> {
        let first = masks.first().ok_or(Error::NoMasks)?;
        let mut observed = Vec::with_capacity(masks.len() * first.hidden.len());
        for mask in masks {
            if mask.side != first.side {
                return Err(Error::MaskSides { first: first.side, other: mask.side });
            }
            observed.extend(mask.hidden.iter().map(|&hidden| u8::from(!hidden)));
        }
        let shape = (masks.len(), 1, first.side, first.side);
        Ok(Tensor::from_vec(observed, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?)
    }

    /// What the observed pixels of a batch [n, c, s, s] tell about the grid of side `side`, with one mask for all
    /// images or one each: which of its pixels are known, [n, 1, side, side] in u8, 1 = known; and their values,
    /// [n, c, side, side], 0 where unknown.
    ///
    /// A coarse pixel is known when at least a quarter of its area is observed; its value is the mean over the observed
    /// part. The paper gives no rule; if the whole area had to be observed, pixels hidden at random would leave nothing
    /// known on coarse grids. On the masks' own grid the known pixels are the observed ones, bit for bit. Hidden pixels
    /// are never read.
    ///
    /// # Errors
    /// When there is neither one mask nor one per image, the images are not on the masks' grid, or `side` is 0 or above
    /// the masks' side.
    pub fn known(masks: &[Mask], images: &Tensor, side: usize) -> Result<(Tensor, Tensor)> {
        let n = check_fit(masks, images)?;
        let observed = Mask::observed_tensor(masks, images.device(), images.dtype())?;
        let share = down(&observed, side)?.broadcast_as((n, 1, side, side))?.contiguous()?;
        let known = share.ge(KNOWN)?;
        let values = down(&replace(images, masks, 0.0)?, side)?;
        let shares = known.where_cond(&share, &share.ones_like()?)?;
        let values = values.broadcast_div(&shares)?;
        let is_known = known.broadcast_as(values.shape())?.contiguous()?;
        let values = is_known.where_cond(&values, &values.zeros_like()?)?;
        Ok((known, values))
    }

    /// Replaces the hidden pixels of every image of a batch [n, c, s, s] by `fill` (-1 is black, 1 white).
    ///
    /// # Errors
    /// When the images are not on the mask's grid.
    pub fn apply(&self, images: &Tensor, fill: f64) -> Result<Tensor> {
        Mask::apply_each(std::slice::from_ref(self), images, fill)
    }

    /// Replaces the hidden pixels of a batch [n, c, s, s], with one mask for all images or one each, by `fill`.
    ///
    /// # Errors
    /// When there is neither one mask nor one per image, or the images are not on the masks' grid.
    pub fn apply_each(masks: &[Mask], images: &Tensor, fill: f64) -> Result<Tensor> {
        check_fit(masks, images)?;
        replace(images, masks, fill)
    }
}

/// The number of images. That all masks have the side of the first is [`Mask::observed_tensor`]'s to check.
fn check_fit(masks: &[Mask], images: &Tensor) -> Result<usize> {
    let (n, _, side) = image_dims(images)?;
    let mask_side = masks.first().ok_or(Error::NoMasks)?.side;
    if mask_side != side || (masks.len() != 1 && masks.len() != n) {
        return Err(Error::MaskMisfit { masks: masks.len(), mask_side, shape: images.dims().to_vec() });
    }
    Ok(n)
}

fn replace(images: &Tensor, masks: &[Mask], fill: f64) -> Result<Tensor> {
    let observed = Mask::observed_tensor(masks, images.device(), DType::U8)?;
    // Selected, not multiplied: a hidden pixel that is not a number leaves no trace.
    let observed = observed.broadcast_as(images.shape())?.contiguous()?;
    // Rounded before it moves: not every device has f64.
    let fill = Tensor::new(fill, &Device::Cpu)?.to_dtype(images.dtype())?.to_device(images.device())?;
    let fill = fill.broadcast_as(images.shape())?.contiguous()?;
    Ok(observed.where_cond(&images.contiguous()?, &fill)?)
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn corner(side: usize) -> Mask {
        Mask::square(side, 1, 0, 0).unwrap()
    }

    #[test]
    fn one_is_observed_and_zero_is_hidden() {
        let masks = [corner(2), Mask::none(2).unwrap()];
        let observed = Mask::observed_tensor(&masks, &Device::Cpu, DType::F32).unwrap();
        assert_eq!(observed.dims(), [2, 1, 2, 2]);
        assert_eq!(values(&observed), [0., 1., 1., 1., 1., 1., 1., 1.]);
    }

    #[test]
    fn hidden_pixels_are_replaced_in_all_channels_and_nothing_else_is() {
        let images = Tensor::new(&[f32::NAN, 1., 2., 3., 4., 5., 6., 7.], &Device::Cpu).unwrap();
        let images = images.reshape((1, 2, 2, 2)).unwrap();
        assert_eq!(values(&corner(2).apply(&images, -1.0).unwrap()), [-1., 1., 2., 3., -1., 5., 6., 7.]);
        let channels = images.reshape((2, 1, 2, 2)).unwrap();
        assert_eq!(values(&corner(2).apply(&channels, 9.0).unwrap()), [9., 1., 2., 3., 9., 5., 6., 7.]);
        let applied = Mask::apply_each(&[corner(2), Mask::none(2).unwrap()], &channels, 9.0).unwrap();
        assert_eq!(values(&applied), [9., 1., 2., 3., 4., 5., 6., 7.]);
    }

    /// Known pixels of the coarse grid of side `side`, as a mask would hide the others.
    fn unknown(mask: &Mask, side: usize) -> Mask {
        let images = Tensor::zeros((1, 1, mask.side, mask.side), DType::F32, &Device::Cpu).unwrap();
        let (known, _) = Mask::known(std::slice::from_ref(mask), &images, side).unwrap();
        let known = known.flatten_all().unwrap().to_vec1::<u8>().unwrap();
        Mask::new(side, known.into_iter().map(|known| known == 0).collect()).unwrap()
    }

    #[test]
    fn the_papers_square_on_the_papers_grids() {
        let mask = Mask::square(64, 32, 16, 20).unwrap();
        assert_eq!(unknown(&mask, 64), mask);
        assert_eq!(unknown(&mask, 16), Mask::square(16, 8, 4, 5).unwrap());
        // Columns 18 to 49: half of the blocks at both ends is observed.
        assert_eq!(unknown(&Mask::square(64, 32, 16, 18).unwrap(), 16).n_hidden(), 8 * 7);
        // Columns 17 to 48: a quarter at one end, three at the other.
        assert_eq!(unknown(&Mask::square(64, 32, 16, 17).unwrap(), 16).n_hidden(), 8 * 7);
        assert_eq!(unknown(&mask, 1).n_hidden(), 0);
        assert_eq!(unknown(&Mask::square(4, 4, 0, 0).unwrap(), 1).n_hidden(), 1);
    }

    #[test]
    fn a_coarse_pixel_is_the_mean_of_what_is_observed_of_it() {
        for (side, coarse) in [(8, 2), (8, 8), (6, 4), (5, 3), (7, 1)] {
            let masks = [Mask::pepper(side, 0.6, Key::new(1)).unwrap(), Mask::none(side).unwrap()];
            let mut numbers = vec![0f32; 2 * 2 * side * side];
            Key::new(2).fill_normal(&mut numbers);
            let images = Tensor::from_vec(numbers, (2, 2, side, side), &Device::Cpu).unwrap();
            // Hidden pixels may hold anything.
            let images = Mask::apply_each(&masks, &images, f64::NAN).unwrap();
            let (known, found) = Mask::known(&masks, &images, coarse).unwrap();
            assert_eq!(
                (known.dims(), found.dims()),
                (&[2, 1, coarse, coarse][..], &[2, 2, coarse, coarse][..])
            );
            let (known, found) = (known.flatten_all().unwrap().to_vec1::<u8>().unwrap(), values(&found));
            let images = values(&images);
            // The share of coarse row i that fine row j covers.
            let share = |i: usize, j: usize| {
                let (low, high) = ((i * side).max(j * coarse), ((i + 1) * side).min((j + 1) * coarse));
                high.saturating_sub(low) as f64 / side as f64
            };
            for (at, &value) in found.iter().enumerate() {
                let (image, plane, pixel) =
                    (at / (2 * coarse * coarse), at / (coarse * coarse), at % (coarse * coarse));
                let (mut area, mut sum) = (0.0, 0.0);
                for fine in 0..side * side {
                    let weight = share(pixel / coarse, fine / side) * share(pixel % coarse, fine % side);
                    if weight > 0.0 && !masks[image].hidden[fine] {
                        area += weight;
                        sum += weight * f64::from(images[plane * side * side + fine]);
                    }
                }
                let is_known = known[image * coarse * coarse + pixel] == 1;
                assert_eq!(is_known, area > 0.2499, "{side} to {coarse}: {area}");
                let expected = if is_known { sum / area } else { 0.0 };
                assert!((f64::from(value) - expected).abs() < 1e-5, "{side} to {coarse}: {value} {expected}");
            }
        }
    }

    #[test]
    fn masks_that_do_not_fit_are_errors_with_their_numbers() {
        let images = Tensor::zeros((3, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
        let error = corner(2).apply(&images, 0.0).unwrap_err().to_string();
        assert!(error.contains("side 2") && error.contains("[3, 1, 4, 4]"), "{error}");
        let error = Mask::apply_each(&[corner(4), corner(4)], &images, 0.0).unwrap_err().to_string();
        assert!(error.contains("2 masks"), "{error}");
        assert!(Mask::known(&[], &images, 2).is_err());
        let error = Mask::known(&[corner(4), corner(4)], &images, 2).unwrap_err().to_string();
        assert!(error.contains("2 masks"), "{error}");
        let error = Mask::known(&[corner(4)], &images, 5).unwrap_err().to_string();
        assert!(error.contains("side 4 down to 5"), "{error}");
        let mixed = [corner(4), corner(2), corner(4)];
        let error = Mask::apply_each(&mixed, &images, 0.0).unwrap_err().to_string();
        assert!(error.contains("sides 4 and 2"), "{error}");
        assert!(Mask::observed_tensor(&[], &Device::Cpu, DType::F32).is_err());
    }
}
