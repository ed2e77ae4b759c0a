use candle_core::{D, Tensor};
use mg_energy::{ConvNet, Energy, ValueAndGrad};
use mg_pyramid::{ConditionalGaussian, down};

use crate::Result;

/// Straight paths from images where chains begin to observed ones with the same coarser version: at time t the image is
/// (1 - t) begin + t end, and its velocity end - begin (Lipman et al. 2023, Liu et al. 2023).
#[derive(Clone, Copy, Debug)]
pub struct Paths<'a> {
    /// Where they begin, [n, c, s, s].
    pub begin: &'a Tensor,
    /// Where they end, [n, c, s, s].
    pub end: &'a Tensor,
    /// The Gaussian that `begin` was drawn from, given the coarser images, if it was.
    pub gaussian: Option<&'a ConditionalGaussian>,
    /// A time for each path, in [0, 1].
    pub times: &'a [f64],
}

impl Paths<'_> {
    /// The images at the times, and what is left of their velocities for a net to tell: all of them, or what a Gaussian
    /// does not know, see `FlowEnergy`. Both [n, c, s, s].
    ///
    /// # Errors
    /// When images, times and the Gaussian do not fit each other.
    pub fn points(&self) -> Result<(Tensor, Tensor)> {
        let (begin, times) = (self.begin, self.times);
        let column = |values: Vec<f64>| -> Result<Tensor> {
            let column = Tensor::from_vec(values, (times.len(), 1, 1, 1), begin.device())?;
            Ok(column.to_dtype(begin.dtype())?)
        };
        let velocity = (self.end - begin)?;
        let x = (begin + velocity.broadcast_mul(&column(times.to_vec())?)?)?;
        let Some(gaussian) = self.gaussian else { return Ok((x, velocity)) };
        let shares = column(times.iter().copied().map(gaussian_share).collect())?;
        let known = detail(gaussian, &x)?.broadcast_mul(&shares)?;
        Ok((x, (velocity - known)?))
    }
}

/// The energy of a flow at one time, whose negative gradient is the velocity of images there.
///
/// Were observed images Gaussian given their coarser version, with mean m and the covariance of the draws that chains
/// begin at, the mean velocity at x would be g(t) (x - m) with g(t) = (2 t - 1) / (t^2 + (1 - t)^2); whatever they are, it
/// is so at both ends of the paths. So the net tells the rest: U(x) = -f(x, t) - g(t) |x - m|^2 / 2. The coarser version,
/// and with it m, is that of x, for it is the same all along a path.
#[derive(Clone, Debug)]
pub(crate) struct FlowEnergy<'a> {
    net: ConvNet,
    time: f64,
    gaussian: Option<&'a ConditionalGaussian>,
}

impl<'a> FlowEnergy<'a> {
    /// That of a net at `time`, in [0, 1], where chains begin at draws from `gaussian`, if they do.
    pub(crate) fn new(net: &ConvNet, time: f64, gaussian: Option<&'a ConditionalGaussian>) -> Self {
        FlowEnergy { net: net.at(time), time, gaussian }
    }
}

impl Energy for FlowEnergy<'_> {
    fn energy(&self, x: &Tensor) -> mg_energy::Result<Tensor> {
        let energy = self.net.score(x)?.neg()?;
        let Some(gaussian) = self.gaussian else { return Ok(energy) };
        Ok((energy - known(&detail(gaussian, x)?, gaussian_share(self.time))?)?)
    }

    fn value_and_grad(&self, x: &Tensor) -> mg_energy::Result<ValueAndGrad> {
        let (score, grad) = self.net.score_and_scaled_grad(x, -1.0)?;
        let energy = score.neg()?;
        let Some(gaussian) = self.gaussian else { return Ok(ValueAndGrad { energy, grad }) };
        let (detail, share) = (detail(gaussian, x)?, gaussian_share(self.time));
        let energy = (energy - known(&detail, share)?)?;
        Ok(ValueAndGrad { energy, grad: (grad - (detail * share)?)? })
    }
}

/// g |x - m|^2 / 2, `[n]`.
fn known(detail: &Tensor, share: f64) -> candle_core::Result<Tensor> {
    detail.sqr()?.flatten_from(1)?.sum(D::Minus1)? * (0.5 * share)
}

/// g(t): how fast, as a share of their distance from the mean, images move apart (after half of the time) or together
/// (before).
fn gaussian_share(t: f64) -> f64 {
    (2.0 * t - 1.0) / (t * t + (1.0 - t) * (1.0 - t))
}

/// x - m, with the mean m of images with the coarser version of x.
fn detail(gaussian: &ConditionalGaussian, x: &Tensor) -> candle_core::Result<Tensor> {
    let wrap = |error: mg_pyramid::Error| candle_core::Error::wrap(error);
    let coarse = down(x, gaussian.sides().0).map_err(wrap)?;
    x - gaussian.mean(&coarse).map_err(wrap)?.to_dtype(x.dtype())?
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_energy::{Activation, NetSpec, Norm, Params};
    use mg_random::Key;

    use super::*;

    fn images(n: usize, seed: u64) -> Tensor {
        let mut z = vec![0f32; n * 3 * 16];
        Key::new(seed).fill_normal(&mut z);
        (Tensor::from_vec(z, (n, 3, 4, 4), &Device::Cpu).unwrap() * 0.3).unwrap()
    }

    fn largest(x: &Tensor) -> f64 {
        f64::from(x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap())
    }

    #[test]
    fn of_gaussian_images_nothing_is_left_to_tell_at_the_ends_and_on_the_mean() {
        let gaussian = ConditionalGaussian::learn(&images(4_000, 1), 2).unwrap();
        let end = images(4_000, 2);
        let begin = gaussian.sample(&down(&end, 2).unwrap(), Key::new(3)).unwrap();
        for t in [0.0, 0.3, 1.0] {
            let times = vec![t; 4_000];
            let paths = Paths { begin: &begin, end: &end, gaussian: Some(&gaussian), times: &times };
            let (x, rest) = paths.points().unwrap();
            // The rest is not a linear function of where the image is.
            let along = (detail(&gaussian, &x).unwrap() * &rest).unwrap().mean_all().unwrap();
            assert!(along.to_scalar::<f32>().unwrap().abs() < 2e-3, "at {t}");
            let bare = Paths { gaussian: None, ..paths }.points().unwrap().1;
            let size = |x: &Tensor| x.sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
            let known = 1.0 - size(&rest) / size(&bare);
            let share = (2.0 * t - 1.0).powi(2) / (2.0 * (t * t + (1.0 - t).powi(2)));
            assert!((f64::from(known) - share).abs() < 0.03, "{known} at {t}, {share} in theory");
        }
    }

    #[test]
    fn energies_have_the_velocities_of_paths_for_gradients() {
        let gaussian = ConditionalGaussian::learn(&images(500, 1), 2).unwrap();
        let spec = NetSpec {
            clock: 3,
            norm: Norm::None,
            activation: Activation::Silu,
            ..NetSpec::paper(4).scaled(0.1)
        };
        let params = Params::init(&spec, Key::new(1), DType::F32, &Device::Cpu).unwrap();
        let net = ConvNet::new(&spec, &params).unwrap();
        let (end, t) = (images(6, 2), 0.3);
        let begin = gaussian.sample(&down(&end, 2).unwrap(), Key::new(3)).unwrap();
        for gaussian in [None, Some(&gaussian)] {
            let paths = Paths { begin: &begin, end: &end, gaussian, times: &[t; 6] };
            let (x, rest) = paths.points().unwrap();
            let told = FlowEnergy::new(&net, t, gaussian).value_and_grad(&x).unwrap();
            // What the net errs in the rest is what the energy errs in the velocity.
            let of_rest = (net.at(t).score_and_grad(&x).unwrap().1 - rest).unwrap();
            let of_velocity = (told.grad.neg().unwrap() - (&end - &begin).unwrap()).unwrap();
            assert!(largest(&(of_rest - of_velocity).unwrap()) < 1e-4);
            let energy = FlowEnergy::new(&net, t, gaussian).energy(&x).unwrap();
            assert!(largest(&(energy - told.energy).unwrap()) == 0.0);
        }
    }
}
