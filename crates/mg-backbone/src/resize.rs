use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::{Error, Result};

/// How images of any side become a network's input, bilinearly and without antialiasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// Output i lies at input i * in / out (TensorFlow 1, corners not aligned): what the inception score and the
    /// Fréchet inception distance were defined with. Bytes become (byte - 128) / 128.
    TensorFlow1,
    /// Output i lies at input (i + 1/2) * in / out - 1/2 (PyTorch's `interpolate`, `align_corners=False`). Bytes become
    /// (byte / 255 - 1/2) / (1/2).
    HalfPixel,
}

impl Convention {
    /// A short name, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::TensorFlow1 => "tensorflow-1",
            Self::HalfPixel => "half-pixel",
        }
    }

    /// Images [n, 3, s, s] in [-1, 1] as a network's input [n, 3, side, side] on the CPU. Values are rounded to the bytes
    /// that a PNG file of the images would hold, round((x + 1) * 127.5).
    ///
    /// # Errors
    /// When the images have another shape.
    pub fn apply(self, images: &Tensor, side: usize) -> Result<Tensor> {
        let (n, from) = match *images.dims() {
            [n, 3, height, width] if height == width && height > 0 => (n, height),
            _ => return Err(Error::Images { found: images.dims().to_vec() }),
        };
        let values = images.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let taps: Vec<Tap> = (0..side).map(|i| self.tap(i, from, side)).collect();
        let mut result = vec![0.0; n * 3 * side * side];
        let planes = result.par_chunks_mut(side * side).zip(values.par_chunks(from * from));
        planes.for_each(|(to, plane)| self.plane(plane, to, &taps));
        Ok(Tensor::from_vec(result, (n, 3, side, side), &Device::Cpu)?)
    }

    /// What output `i` of `out` reads of a line of `len` values.
    fn tap(self, i: usize, len: usize, out: usize) -> Tap {
        let scale = len as f32 / out as f32;
        let at = match self {
            Self::TensorFlow1 => i as f32 * scale,
            Self::HalfPixel => ((i as f32 + 0.5) * scale - 0.5).max(0.0),
        };
        let before = (at as usize).min(len - 1);
        Tap { before, after: (before + 1).min(len - 1), share: at - before as f32 }
    }

    fn plane(self, plane: &[f32], to: &mut [f32], taps: &[Tap]) {
        let from = (plane.len() as f64).sqrt().round() as usize;
        let bytes: Vec<f32> = plane.iter().map(|v| ((v + 1.0) * 127.5).round().clamp(0.0, 255.0)).collect();
        let scaled = |byte: f32| match self {
            Self::TensorFlow1 => (byte - 128.0) / 128.0,
            Self::HalfPixel => (byte / 255.0 - 0.5) / 0.5,
        };
        for (row, y) in to.chunks_exact_mut(taps.len()).zip(taps) {
            let (above, below) = (&bytes[y.before * from..][..from], &bytes[y.after * from..][..from]);
            for (value, x) in row.iter_mut().zip(taps) {
                let top = above[x.before] + (above[x.after] - above[x.before]) * x.share;
                let bottom = below[x.before] + (below[x.after] - below[x.before]) * x.share;
                *value = scaled(top + (bottom - top) * y.share);
            }
        }
    }
}

/// Two neighbours and the second one's share.
struct Tap {
    before: usize,
    after: usize,
    share: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of bytes, as every row of an image.
    fn rows(bytes: &[f32]) -> Tensor {
        let side = bytes.len();
        let line = Tensor::new(bytes, &Device::Cpu).unwrap().affine(1.0 / 127.5, -1.0).unwrap();
        line.reshape((1, 1, 1, side)).unwrap().broadcast_as((1, 3, side, side)).unwrap()
    }

    fn first_row(convention: Convention, bytes: &[f32], side: usize) -> Vec<f32> {
        let x = convention.apply(&rows(bytes), side).unwrap();
        x.narrow(2, 0, 1).unwrap().narrow(1, 0, 1).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn tensorflows_first_output_is_the_first_input_and_its_last_repeats() {
        let found = first_row(Convention::TensorFlow1, &[0.0, 128.0], 4);
        assert_eq!(found, [-1.0, -0.5, 0.0, 0.0]);
    }

    #[test]
    fn half_pixels_are_symmetric() {
        let found = first_row(Convention::HalfPixel, &[0.0, 255.0], 4);
        let expected = [-1.0, -0.5, 0.5, 1.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn an_image_of_the_right_side_is_only_scaled() {
        for convention in [Convention::TensorFlow1, Convention::HalfPixel] {
            let found = first_row(convention, &[0.0, 64.0, 192.0], 3);
            let scale = if convention == Convention::TensorFlow1 { (128.0, 128.0) } else { (127.5, 127.5) };
            for (value, byte) in found.iter().zip([0.0, 64.0, 192.0]) {
                assert!((value - (byte - scale.0) / scale.1).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn images_that_are_no_squares_of_three_channels_are_refused() {
        for dims in [vec![2, 1, 4, 4], vec![2, 3, 4, 5], vec![3, 4, 4], vec![2, 3, 0, 0]] {
            let x = Tensor::zeros(dims.clone(), DType::F32, &Device::Cpu).unwrap();
            let error = Convention::HalfPixel.apply(&x, 8).unwrap_err().to_string();
            assert!(error.contains(&format!("{dims:?}")), "{error}");
        }
    }
}
