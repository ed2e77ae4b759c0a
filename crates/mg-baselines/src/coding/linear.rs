use candle_core::{DType, Device, Tensor};
use faer::{MatRef, Side};
use mg_eval::{FeatureTable, Moments};
use mg_model::Error;
use mg_train::Result;

/// Rows of mean 0 and variance 1: (pixels - mean) along some directions, divided by deviations.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// [D], of pixels.
    pub(super) mean: Tensor,
    /// [d], of the rows' numbers.
    pub(super) deviation: Tensor,
    /// [D, d], orthonormal; all pixels as they are when `None`.
    pub(super) directions: Option<Tensor>,
}

/// The distance of two neighbouring bytes, in images.
pub(super) const BYTE: f64 = 1.0 / 127.5;

impl Linear {
    /// Each channel with its own mean and deviation.
    pub(super) fn of_channels(area: usize, pixels: &Tensor, device: &Device) -> Result<Self> {
        let n = pixels.dim(0)?;
        let channels =
            pixels.reshape((n, (), area))?.transpose(0, 1)?.flatten_from(1)?.to_dtype(DType::F64)?;
        let mean = channels.mean_keepdim(1)?;
        let deviation =
            (channels.broadcast_sub(&mean)?.sqr()?.mean_keepdim(1)? + BYTE * BYTE / 12.0)?.sqrt()?;
        let spread = |values: Tensor| {
            let values = values.broadcast_as((channels.dim(0)?, area))?.flatten_all()?;
            values.to_dtype(DType::F32)?.to_device(device)
        };
        Ok(Linear { mean: spread(mean)?, deviation: spread(deviation)?, directions: None })
    }

    /// The directions in which pixels [n, D] vary most.
    pub(super) fn of_components(count: usize, pixels: &Tensor, device: &Device) -> Result<Self> {
        let d = pixels.dim(1)?;
        let moments = Moments::of(&FeatureTable::new(pixels.flatten_all()?.to_vec1()?, d)?)?;
        let covariance = moments.covariance()?;
        let matrix = MatRef::from_row_major_slice(&covariance, d, d);
        let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| {
            mg_train::Error::from(Error::Format(
                "the principal components of the images did not converge".into(),
            ))
        })?;
        // Values rise, so the last directions come first.
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        let kept = || (0..count).map(|number| d - 1 - number);
        let deviations = kept().map(|k| (values[k].max(0.0) + BYTE * BYTE / 12.0).sqrt() as f32);
        let directions = (0..d).flat_map(|row| kept().map(move |k| vectors[(row, k)] as f32));
        let mean: Vec<f32> = moments.mean().iter().map(|value| *value as f32).collect();
        Ok(Linear {
            mean: Tensor::new(mean, device)?,
            deviation: Tensor::new(deviations.collect::<Vec<f32>>(), device)?,
            directions: Some(Tensor::from_vec(directions.collect::<Vec<f32>>(), (d, count), device)?),
        })
    }
}
