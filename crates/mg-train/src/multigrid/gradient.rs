use mg_energy::{NetSpec, Params};

use super::GradientTreatment;
use crate::Result;

/// What a configuration does to the gradient of one grid before its optimiser sees it.
///
/// Release A multiplies the fully connected layer's gradients by 0.1, divides those of convolution kernels by the area
/// of the layer's own map (the release itself takes every time the area of the first map, an oversight), and then
/// rescales every tensor to a largest absolute value of at most 1.
pub(crate) fn treat(treatment: GradientTreatment, spec: &NetSpec, grads: Params) -> Result<Params> {
    if treatment == GradientTreatment::Plain {
        return Ok(grads);
    }
    let sides = spec.map_sides()?;
    Ok(grads.map(|name, grad| {
        let factor = match kernel_number(name) {
            Some(number) => 1.0 / (sides[number - 1] * sides[number - 1]) as f64,
            None if name.starts_with("head.") => 0.1,
            None => 1.0,
        };
        let grad = (grad * factor)?;
        let largest = grad.abs()?.max_all()?.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
        if largest > 1.0 { grad / largest } else { Ok(grad) }
    })?)
}

fn kernel_number(name: &str) -> Option<usize> {
    name.strip_prefix("conv")?.strip_suffix(".weight")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mg_random::Key;

    use super::*;

    #[test]
    fn release_a_scales_by_kind_and_limits_every_tensor() {
        let spec = NetSpec::paper(16).scaled(0.1); // maps of 8x8
        let params = Params::init(&spec, Key::new(0), DType::F64, &Device::Cpu).unwrap();
        let constant = |value: f64| params.map(|_, t| t.zeros_like()? + value).unwrap();
        let value = |params: &Params, name: &str| {
            params.get(name).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
        };
        let small = treat(GradientTreatment::ReleaseA, &spec, constant(0.5)).unwrap();
        assert!((value(&small, "conv2.weight") - 0.5 / 64.0).abs() < 1e-15);
        assert!((value(&small, "head.weight") - 0.05).abs() < 1e-15);
        assert_eq!(value(&small, "conv2.bias"), 0.5);
        let large = treat(GradientTreatment::ReleaseA, &spec, constant(-6400.0)).unwrap();
        assert!(large.iter().all(|(name, _)| value(&large, name) == -1.0));
        let plain = treat(GradientTreatment::Plain, &spec, constant(7.0)).unwrap();
        assert_eq!(value(&plain, "conv1.weight"), 7.0);
    }
}
