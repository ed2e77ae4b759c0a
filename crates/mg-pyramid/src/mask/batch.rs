use candle_core::{DType, Device, Tensor};

use super::Mask;
use crate::scale::image_dims;
use crate::{Error, Result};

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

    /// Replaces the hidden pixels of every image of a batch [n, c, s, s] by `fill` (-1 is black, 1 white).
    ///
    /// # Errors
    /// When the images are not on the mask's grid.
    pub fn apply(&self, images: &Tensor, fill: f64) -> Result<Tensor> {
        self.check_fit(1, images)?;
        replace(images, std::slice::from_ref(self), fill)
    }

    /// Replaces the hidden pixels of image i of a batch [n, c, s, s], by mask i, with `fill`.
    ///
    /// # Errors
    /// When there is not one mask per image, or the images are not on the masks' grid.
    pub fn apply_each(masks: &[Mask], images: &Tensor, fill: f64) -> Result<Tensor> {
        let first = masks.first().ok_or(Error::NoMasks)?;
        first.check_fit(masks.len(), images)?;
        if images.dim(0)? != masks.len() {
            return Err(first.misfit(masks.len(), images));
        }
        replace(images, masks, fill)
    }

    fn check_fit(&self, masks: usize, images: &Tensor) -> Result<()> {
        let (_, _, side) = image_dims(images)?;
        if side == self.side { Ok(()) } else { Err(self.misfit(masks, images)) }
    }

    fn misfit(&self, masks: usize, images: &Tensor) -> Error {
        Error::MaskMisfit { masks, mask_side: self.side, shape: images.dims().to_vec() }
    }
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
        let applied = Mask::apply_each(&[corner(2), Mask::none(2).unwrap()], &channels, 9.0).unwrap();
        assert_eq!(values(&applied), [9., 1., 2., 3., 4., 5., 6., 7.]);
    }

    #[test]
    fn masks_that_do_not_fit_are_errors_with_their_numbers() {
        let images = Tensor::zeros((3, 1, 4, 4), DType::F32, &Device::Cpu).unwrap();
        let error = corner(2).apply(&images, 0.0).unwrap_err().to_string();
        assert!(error.contains("side 2") && error.contains("[3, 1, 4, 4]"), "{error}");
        let error = Mask::apply_each(&[corner(4), corner(4)], &images, 0.0).unwrap_err().to_string();
        assert!(error.contains("2 masks"), "{error}");
        let mixed = [corner(4), corner(2), corner(4)];
        let error = Mask::apply_each(&mixed, &images, 0.0).unwrap_err().to_string();
        assert!(error.contains("sides 4 and 2"), "{error}");
        assert!(Mask::observed_tensor(&[], &Device::Cpu, DType::F32).is_err());
    }
}
