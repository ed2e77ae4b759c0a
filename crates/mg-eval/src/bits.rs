use crate::{Error, Result, Score};

/// Bits per dimension of an image of `levels` grey levels under a density on [-1, 1]^d: -log2 of the probability of
/// the image's cell of width 2 / levels in every coordinate, over d.
///
/// -log_density / (d log 2) + log2(levels / 2). The uniform density 2^-d costs log2(levels) bits: 8 for 256.
///
/// Meaningful only where the density is one of uniformly dequantised pixels, (byte + u) 2 / levels - 1 with u uniform
/// on [0, 1): then the mean over u is an upper bound of the code length of the bytes (Theis, van den Oord, Bethge,
/// ICLR 2016). Without that noise the density at the bytes can be made as large as one likes.
pub fn bits_per_dim(log_density: f64, d: usize, levels: u32) -> f64 {
    -log_density / (d as f64 * std::f64::consts::LN_2) + (0.5 * f64::from(levels)).log2()
}

/// Bits per dimension of a set of images under a density whose normaliser is an estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct BitsPerDim {
    /// Bits per dimension of every image.
    pub images: Vec<f64>,
    /// Mean and deviation over the images; the standard error tells how far other images of the kind would move the
    /// mean.
    pub mean: Score,
    /// The mean over these images at the lower and at the upper end of the interval of log Z.
    pub interval: (f64, f64),
}

impl BitsPerDim {
    /// The bits of images from their log densities up to the normaliser Z, in nats, and from `log_z` with its interval;
    /// for `d` and `levels` see [`bits_per_dim`].
    ///
    /// # Errors
    /// When there are no images or no dimensions, or a log density is no number.
    pub fn of(
        log_densities: &[f64],
        log_z: f64,
        interval: (f64, f64),
        d: usize,
        levels: u32,
    ) -> Result<Self> {
        if let Some(index) = log_densities.iter().position(|v| v.is_nan()) {
            let value = log_densities[index];
            return Err(Error::BadScore { set: "log densities".to_owned(), index, value });
        }
        if d == 0 {
            return Err(Error::NoValues);
        }
        let bits = |log_z: f64| -> Vec<f64> {
            log_densities.iter().map(|log_density| bits_per_dim(log_density - log_z, d, levels)).collect()
        };
        let images = bits(log_z);
        let (low, high) = (Score::of(&bits(interval.0))?.mean, Score::of(&bits(interval.1))?.mean);
        Ok(BitsPerDim { mean: Score::of(&images)?, images, interval: (low, high) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uniform_density_costs_all_bits_of_a_pixel() {
        for d in [1, 48, 12_288] {
            assert!((bits_per_dim(-(d as f64) * 2f64.ln(), d, 256) - 8.0).abs() < 1e-12);
            assert!((bits_per_dim(-(d as f64) * 2f64.ln(), d, 32) - 5.0).abs() < 1e-12);
        }
        // A density on half of the box costs a bit less.
        assert!((bits_per_dim(0.0, 7, 256) - 7.0).abs() < 1e-12);
    }

    /// Cells of a density add up to probabilities: their code lengths are those of a distribution.
    #[test]
    fn cells_of_a_density_are_a_code_of_the_bytes() {
        // p(x) = (1 + x) / 2 on [-1, 1], constant enough within a cell.
        let at = |byte: u32| (f64::from(byte) + 0.5) / 128.0 - 1.0;
        let total: f64 =
            (0..256).map(|byte| (-bits_per_dim((0.5 * (1.0 + at(byte))).ln(), 1, 256)).exp2()).sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }

    #[test]
    fn the_interval_of_log_z_moves_the_mean() {
        let bits = BitsPerDim::of(&[-10.0, -14.0], 3.0, (2.0, 5.0), 4, 256).unwrap();
        let per_nat = 1.0 / (4.0 * 2f64.ln());
        assert!((bits.mean.mean - (15.0 * per_nat + 7.0)).abs() < 1e-12);
        assert!((bits.images[1] - bits.images[0] - 4.0 * per_nat).abs() < 1e-12);
        assert!((bits.interval.0 - (bits.mean.mean - per_nat)).abs() < 1e-12);
        assert!((bits.interval.1 - (bits.mean.mean + 2.0 * per_nat)).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_what_is_no_number_are_refused() {
        assert!(BitsPerDim::of(&[], 0.0, (0.0, 0.0), 4, 256).is_err());
        assert!(BitsPerDim::of(&[1.0], 0.0, (0.0, 0.0), 0, 256).is_err());
        assert!(BitsPerDim::of(&[1.0, f64::NAN], 0.0, (0.0, 0.0), 4, 256).is_err());
    }
}
