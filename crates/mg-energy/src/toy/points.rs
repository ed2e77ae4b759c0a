use std::f64::consts::{PI, TAU};

use candle_core::{DType, Device, Tensor};
use mg_random::{Key, Stream};

use crate::Result;

/// Sets of points of the plane that models are tried on, all around 0 and within about 4 of it.
///
/// ```
/// use mg_energy::toy::Points;
/// use mg_random::Key;
///
/// for points in Points::ALL {
///     assert_eq!(points.draw(500, Key::new(1))?.dims(), [500, 2]);
/// }
/// # Ok::<(), mg_energy::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Points {
    /// Two half circles that reach into each other, of radius 2, with normal noise of 0.2.
    TwoMoons,
    /// Eight normal laws of deviation 0.2 on a circle of radius 2.
    EightGaussians,
    /// The eight dark fields of a board of 4 x 4 on [-2, 2]^2, uniformly.
    Checkerboard,
    /// Five arms that bend as they go out.
    Pinwheel,
    /// A spiral of one and a half turns, with normal noise of 0.1.
    SwissRoll,
}

impl Points {
    /// All of them.
    pub const ALL: [Points; 5] =
        [Points::TwoMoons, Points::EightGaussians, Points::Checkerboard, Points::Pinwheel, Points::SwissRoll];

    /// `n` independent points, [n, 2] in single precision; point i depends on the key and i alone.
    ///
    /// # Errors
    /// When the tensor cannot be made.
    pub fn draw(self, n: usize, key: Key) -> Result<Tensor> {
        let point = |i: usize| self.point(&mut key.fold(i as u64).stream());
        let points: Vec<f64> = (0..n).flat_map(point).collect();
        Ok(Tensor::from_vec(points, (n, 2), &Device::Cpu)?.to_dtype(DType::F32)?)
    }

    fn point(self, stream: &mut Stream) -> [f64; 2] {
        match self {
            Points::TwoMoons => {
                let side = if stream.below(2) == 0 { 1.0 } else { -1.0 };
                let (sin, cos) = (PI * uniform(stream)).sin_cos();
                noisy([side * (2.0 * cos - 1.0), side * (2.0 * sin - 0.5)], 0.2, stream)
            }
            Points::EightGaussians => {
                let (sin, cos) = (TAU / 8.0 * stream.below(8) as f64).sin_cos();
                noisy([2.0 * cos, 2.0 * sin], 0.2, stream)
            }
            Points::Checkerboard => {
                let (row, pair) = (stream.below(4), stream.below(2));
                let column = 2 * pair + row % 2;
                [column, row].map(|field| field as f64 - 2.0 + uniform(stream))
            }
            Points::Pinwheel => {
                let arm = TAU / 5.0 * stream.below(5) as f64;
                let [out, aside] = noisy([1.0, 0.0], 1.0, stream);
                let (out, aside) = (1.0 + 0.3 * (out - 1.0), 0.1 * aside);
                let (sin, cos) = (arm + 0.25 * out.exp()).sin_cos();
                [2.0 * (out * cos - aside * sin), 2.0 * (out * sin + aside * cos)]
            }
            Points::SwissRoll => {
                let turn = 1.5 * PI * (1.0 + 2.0 * uniform(stream));
                noisy([turn * turn.cos() / 5.0, turn * turn.sin() / 5.0], 0.1, stream)
            }
        }
    }
}

fn uniform(stream: &mut Stream) -> f64 {
    f64::from(stream.uniform())
}

fn noisy(point: [f64; 2], deviation: f64, stream: &mut Stream) -> [f64; 2] {
    point.map(|x| x + deviation * f64::from(stream.normal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: Points, n: usize) -> Vec<Vec<f32>> {
        points.draw(n, Key::new(3)).unwrap().to_vec2().unwrap()
    }

    #[test]
    fn a_point_does_not_depend_on_their_number() {
        for points in Points::ALL {
            assert_eq!(drawn(points, 9)[..5], drawn(points, 5)[..], "{points:?}");
        }
    }

    #[test]
    fn they_lie_around_zero_and_near_it() {
        for points in Points::ALL {
            let drawn = drawn(points, 4_000);
            for axis in [0, 1] {
                let mean = drawn.iter().map(|x| f64::from(x[axis])).sum::<f64>() / 4_000.0;
                assert!(mean.abs() < 0.5, "{points:?}: {mean}");
                assert!(drawn.iter().all(|x| x[axis].abs() < 4.5), "{points:?}");
            }
        }
    }

    #[test]
    fn only_dark_fields_of_the_board_hold_points() {
        let mut fields = [[0; 4]; 4];
        for point in drawn(Points::Checkerboard, 8_000) {
            fields[(point[1] + 2.0) as usize][(point[0] + 2.0) as usize] += 1;
        }
        for (row, fields) in fields.iter().enumerate() {
            for (column, &count) in fields.iter().enumerate() {
                let is_dark = (row + column) % 2 == 0;
                assert!(if is_dark { (800..1200).contains(&count) } else { count == 0 }, "{fields:?}");
            }
        }
    }
}
