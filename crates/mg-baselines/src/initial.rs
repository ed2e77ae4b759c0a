use mg_kernels::{Activation, MapShape, Parameter};
use mg_random::Key;

/// What weights and gammas are at first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial {
    /// Weights N(0, d^2), gammas N(1, d^2) (section 4 of Radford et al., ICLR 2016).
    Normal(f64),
    /// Weights N(0, d^2), gammas 1, and this number for biases and betas of layers with ReLU (Kim and Bengio, 2016).
    Biased(f64, f64),
    /// Weights N(0, 2 / inputs of an output), gammas 1 (He et al., ICCV 2015).
    Scaled,
    /// The same, but weights of the last layer N(0, d^2): a net that says little at first.
    ScaledBelow(f64),
}

impl Initial {
    /// All parameters, `[p]`; biases and betas are 0 where nothing else is said.
    pub(crate) fn values(self, shape: &MapShape, key: Key) -> Vec<f32> {
        let mut values = vec![0f32; shape.parameter_count()];
        for parameter in shape.parameters() {
            let (is_weight, is_last) = (parameter.dims.len() > 1, parameter.layer + 1 == shape.layers.len());
            let scaled = || (2.0 / parameter.dims[1..].iter().product::<usize>() as f64).sqrt();
            let is_rectified = shape.layers[parameter.layer].activation == Activation::RELU;
            let (mean, deviation) = match (self, is_weight, is_gamma(&parameter)) {
                (Self::Normal(deviation) | Self::Biased(deviation, _), true, _) => (0.0, deviation),
                (Self::Biased(..), _, true) => (1.0, 0.0),
                (Self::Biased(_, bias), ..) if is_rectified => (bias as f32, 0.0),
                (Self::Normal(deviation), _, true) => (1.0, deviation),
                (Self::ScaledBelow(deviation), true, _) if is_last => (0.0, deviation),
                (Self::Scaled | Self::ScaledBelow(_), true, _) => (0.0, scaled()),
                (Self::Scaled | Self::ScaledBelow(_), _, true) => (1.0, 0.0),
                (_, false, false) => continue,
            };
            let part = &mut values[parameter.range];
            key.named(&parameter.name).fill_normal(part);
            part.iter_mut().for_each(|value| *value = mean + deviation as f32 * *value);
        }
        values
    }
}

pub(crate) fn is_gamma(parameter: &Parameter) -> bool {
    parameter.name.ends_with("gamma")
}
