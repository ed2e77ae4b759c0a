//! The smallest nets that take every way through the engine: what Miri can run, which takes the portable code and a thousand
//! times as long (`fuzz/README.md` has the command).

use candle_core::{DType, Device, Tensor, Var};

use super::levels::{net, numbers, ramp, scores_and_gradients};
use crate::simd::Level;
use crate::{
    Activation, Clip, ConvGeometry, Graph, Inference, MapLayer, MapPlan, MapShape, Norm, Precision, Result,
    Route, ScoreNet, Window, add_scaled_and_norms, conv2d, conv2d_input_adjoint, conv2d_weight_adjoint,
};

const EPS: f64 = 1e-5;
/// How numbers are held and multiplied, and how far from those in f64 they may be.
const FORMATS: [((DType, Precision), f64); 3] = [
    ((DType::F32, Precision::Full), 1e-4),
    ((DType::F64, Precision::Full), 1e-10),
    ((DType::F32, Precision::Bf16), 0.1),
];

/// `|a - b| <= limit |b|`.
fn close(a: &[f64], b: &[f64], limit: f64) -> bool {
    let size =
        |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|number| number * number).sum::<f64>().sqrt();
    let gap = size(&mut a.iter().zip(b).map(|(a, b)| a - b));
    a.len() == b.len() && gap <= limit * size(&mut b.iter().copied()).max(1e-3)
}

/// Two layers on images of side 8: a stride of 2, then enough channels for Winograd's transforms.
fn scores(norm: Norm, (dtype, precision): (DType, Precision), level: Level) -> Result<Vec<f64>> {
    let convs = [(3, 8, 4, 2), (8, 8, 3, 1)].map(|(c_in, c_out, kernel, stride)| ConvGeometry {
        c_in,
        c_out,
        kernel,
        stride,
        pad_before: 1,
        pad_after: 1,
    });
    let (shape, weights) = net(&convs, 8, (norm, Activation::LeakyRelu { slope: 0.2 }), dtype)?;
    let net = ScoreNet::at_level(&shape, &weights, (precision, Route::Fused), level)?;
    Ok(scores_and_gradients(&net, &ramp(&[2, 3, 8, 8], 1.0, dtype)?)?.concat())
}

#[test]
fn small_nets_have_scores_and_gradients() -> Result<()> {
    for norm in [Norm::None, Norm::Batch { eps: EPS }, Norm::Group { groups: 2, eps: EPS }] {
        let expected = scores(norm, (DType::F64, Precision::Full), Level::Portable)?;
        for (format, limit) in FORMATS {
            for level in Level::tested() {
                let found = scores(norm, format, level)?;
                assert!(close(&found, &expected, limit), "{norm:?} {format:?} {level:?}");
            }
        }
    }
    Ok(())
}

fn maps((dtype, precision): (DType, Precision), level: Level) -> Result<Vec<f64>> {
    let layers = vec![
        MapLayer::down((3, 8), 4, 2, (1, 1)).with_activation(Activation::LeakyRelu { slope: 0.2 }),
        MapLayer::up((8, 4), 4, 2, (1, 1), 8)
            .with_norm(Norm::Batch { eps: EPS })
            .with_activation(Activation::RELU),
        MapLayer::down((4, 2), 3, 1, (1, 1)).with_activation(Activation::Tanh),
    ];
    let shape = MapShape { channels: 3, side: 8, layers };
    let x = Var::from_tensor(&ramp(&[2, 3, 8, 8], 1.0, dtype)?)?;
    let weights = Var::from_tensor(&ramp(&[shape.parameter_count()], 0.2, dtype)?)?;
    let plan = MapPlan::at_level(&shape, precision, (dtype, &Device::Cpu), level)?;
    let y = plan.with_weights(&weights)?.forward(&x)?;
    let gradients = (&y * ramp(y.dims(), 1.0, dtype)?)?.sum_all()?.backward()?;
    let of = |var: &Var| gradients.get(var).map_or_else(|| Ok(vec![]), numbers);
    Ok([numbers(&y.detach())?, of(&x)?, of(&weights)?].concat())
}

#[test]
fn small_networks_of_maps_have_gradients() -> Result<()> {
    let expected = maps((DType::F64, Precision::Full), Level::Portable)?;
    for (format, limit) in FORMATS {
        for level in Level::tested() {
            assert!(close(&maps(format, level)?, &expected, limit), "{format:?} {level:?}");
        }
    }
    Ok(())
}

#[test]
fn small_graphs_are_evaluated() -> Result<()> {
    let weights = |dims: &[usize]| ramp(dims, 0.3, DType::F32);
    let mut graph = Graph::new(3, 6);
    let image = graph.image();
    let filter = (&weights(&[16, 3, 3, 3])?, &weights(&[16])?);
    let wide = graph.conv(image, Window::square(3, 1, 1), filter, Clip::Relu)?;
    let filter = (&weights(&[16, 1, 3, 3])?, &weights(&[16])?);
    let single = graph.depthwise(wide, Window::square(3, 1, 1), filter, Clip::Relu6)?;
    let sum = graph.add(wide, single)?;
    let both = graph.concat(&[sum, wide])?;
    let pooled = graph.max_pool(both, Window::square(2, 2, 0))?;
    let mean = graph.mean(pooled)?;
    let x = ramp(&[2, 3, 6, 6], 1.0, DType::F32)?;
    let run = |level| -> Result<Vec<f64>> {
        let net = Inference::at_level(&graph, &[pooled, mean], Route::Fused, level)?;
        Ok(net.run(&x)?.iter().map(numbers).collect::<Result<Vec<_>>>()?.concat())
    };
    let expected = run(Level::Portable)?;
    for level in Level::tested() {
        assert!(close(&run(level)?, &expected, 1e-4), "{level:?}");
    }
    Ok(())
}

#[test]
fn small_convolutions_have_adjoints() -> Result<()> {
    for stride in [1, 2] {
        let geometry = ConvGeometry { c_in: 3, c_out: 5, kernel: 3, stride, pad_before: 1, pad_after: 1 };
        let x = ramp(&[2, 3, 6, 6], 1.0, DType::F64)?;
        let weight = ramp(&geometry.weight_dims(), 0.3, DType::F64)?;
        let y = conv2d(&x, &weight, &geometry)?;
        let dy = ramp(y.dims(), 0.5, DType::F64)?;
        let dot = |a: &Tensor, b: &Tensor| -> Result<f64> {
            Ok(numbers(a)?.iter().zip(numbers(b)?).map(|(a, b)| a * b).sum())
        };
        let expected = dot(&y, &dy)?;
        let found = [
            dot(&x, &conv2d_input_adjoint(&dy, &weight, &geometry, 6)?)?,
            dot(&weight, &conv2d_weight_adjoint(&x, &dy, &geometry)?)?,
        ];
        assert!(close(&found, &[expected; 2], 1e-10), "{found:?} {expected}");
    }
    let (sum, norms) = add_scaled_and_norms(
        &ramp(&[2, 3, 2, 2], 1.0, DType::F32)?,
        0.5,
        &ramp(&[2, 3, 2, 2], 0.1, DType::F32)?,
    )?;
    assert!(numbers(&sum)?.iter().chain(&numbers(&norms)?).all(|number| number.is_finite()));
    Ok(())
}
