//! Networks from maps to maps compute what operations of candle's graph compute, at every level.

use candle_core::{DType, Device, Tensor, Var};
use mg_random::Key;

use super::map_shapes::shapes;
use crate::engine::Observed;
use crate::simd::Level;
use crate::{GradientSum, MapLayer, MapPlan, MapShape, Norm, Precision, Result, map_operations};

fn normal(dims: &[usize], name: &str, scale: f64, dtype: DType) -> Result<Tensor> {
    let mut values = vec![0f32; dims.iter().product()];
    Key::new(3).named(name).fill_normal(&mut values);
    Ok((Tensor::from_vec(values, dims, &Device::Cpu)?.to_dtype(dtype)? * scale)?)
}

/// Everything a network computes: its output, the gradients of its input and of its parameters, and what it observed.
struct Computed {
    tensors: Vec<Tensor>,
    observed: Vec<Option<Observed>>,
}

/// By the fused network at a level, or by operations.
fn computed(
    shape: &MapShape,
    n: usize,
    statistics: Option<&[Option<Observed>]>,
    (dtype, precision): (DType, Precision),
    level: Option<Level>,
) -> Result<Computed> {
    let x = Var::from_tensor(&normal(&[n, shape.channels, shape.side, shape.side], "x", 0.7, dtype)?)?;
    let mut parts = vec![];
    for parameter in shape.parameters() {
        let fan = parameter.dims[1..].iter().product::<usize>().max(1) as f64;
        parts.push(normal(&[parameter.range.len()], &parameter.name, fan.powf(-0.5), dtype)?);
    }
    let weights = Var::from_tensor(&Tensor::cat(&parts, 0)?)?;
    let (y, observed) = match level {
        Some(level) => {
            let plan = MapPlan::at_level(shape, precision, (dtype, &Device::Cpu), level)?;
            let net = match statistics {
                Some(statistics) => plan.with_statistics(&weights, statistics)?,
                None => plan.with_weights(&weights)?,
            };
            net.forward_observed(&x)?
        }
        None => {
            let (maps, observed) = map_operations::forward(shape, &weights, statistics, precision, &x)?;
            (maps.last().cloned().unwrap_or_else(|| x.as_tensor().clone()), observed)
        }
    };
    let along = normal(y.dims(), "dy", 1.0, dtype)?;
    let mut gradients = (&y * along)?.sum_all()?.backward()?;
    let mut gradient = |var: &Var| gradients.remove(var).map_or_else(|| var.zeros_like(), Ok);
    Ok(Computed { tensors: vec![gradient(&x)?, gradient(&weights)?, y.detach()], observed })
}

/// `|a - b| / |b|`.
fn gap(a: &Tensor, b: &Tensor) -> Result<f64> {
    let (a, b) = (a.to_dtype(DType::F64)?, b.to_dtype(DType::F64)?);
    let size = |t: &Tensor| t.sqr()?.sum_all()?.to_scalar::<f64>();
    Ok((size(&(a - &b)?)? / size(&b)?).sqrt())
}

#[test]
fn fused_networks_agree_with_operations_at_every_level() -> Result<()> {
    let formats = [
        ((DType::F64, Precision::Full), 1e-11),
        ((DType::F32, Precision::Full), 2e-5),
        // A rounded output near 0 has the other slope, and a norm's own moments share that with the whole batch.
        ((DType::F32, Precision::Bf16), 0.2),
    ];
    for shape in shapes() {
        for n in [1, 5, 40] {
            for given in [false, true] {
                let exact = (DType::F64, Precision::Full);
                let seen = computed(&shape, 9, None, exact, None)?.observed;
                let statistics = given.then_some(&seen[..]);
                // The variance of one vector is 0: nothing to compare.
                if n == 1 && !given {
                    continue;
                }
                let expected = computed(&shape, n, statistics, exact, None)?;
                for (format, limit) in formats {
                    for level in Level::tested() {
                        let found = computed(&shape, n, statistics, format, Some(level))?;
                        for (what, (a, b)) in
                            ["dx", "dw", "y"].iter().zip(found.tensors.iter().zip(&expected.tensors))
                        {
                            let gap = gap(a, b)?;
                            let of = (shape.channels, shape.side, n, given);
                            assert!(
                                gap <= limit,
                                "{what}: {gap} beyond {limit}, {of:?} {format:?} {level:?}"
                            );
                        }
                        for (a, b) in found.observed.iter().zip(&expected.observed) {
                            assert_eq!(a.is_some(), b.is_some());
                            let both = a.iter().flat_map(|a| a.0.iter().chain(&a.1));
                            let other = b.iter().flat_map(|b| b.0.iter().chain(&b.1));
                            assert!(both.zip(other).all(|(a, b)| (a - b).abs() <= limit * b.abs().max(1.0)));
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn any_number_of_threads_computes_the_same_bits() -> Result<()> {
    for precision in [Precision::Full, Precision::Bf16] {
        for shape in shapes() {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                pool.install(|| computed(&shape, 37, None, (DType::F32, precision), Some(Level::best())))
            };
            let (one, three) = (with(1)?, with(3)?);
            for (a, b) in one.tensors.iter().zip(&three.tensors) {
                let bits = |t: &Tensor| -> Result<Vec<u32>> {
                    Ok(t.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
                };
                assert!(bits(a)? == bits(b)?, "{precision:?} {}", shape.side);
            }
            assert_eq!(one.observed, three.observed);
        }
    }
    Ok(())
}

#[test]
fn only_tracked_gradients_are_computed_and_memory_is_used_again() -> Result<()> {
    let shape = &shapes()[0];
    let plan = MapPlan::new(shape, Precision::Full, DType::F32, &Device::Cpu)?;
    let weights = normal(&[shape.parameter_count()], "w", 0.1, DType::F32)?;
    let x = Var::from_tensor(&normal(&[4, 3, 16, 16], "x", 1.0, DType::F32)?)?;
    let net = plan.with_weights(&weights)?;
    let mut before: Option<Vec<f32>> = None;
    for _ in 0..3 {
        let y = net.forward(&x)?;
        let gradients = y.sqr()?.sum_all()?.backward()?;
        assert!(gradients.get(&weights).is_none());
        let dx = gradients.get(&x).expect("dx").flatten_all()?.to_vec1::<f32>()?;
        assert!(before.replace(dx.clone()).is_none_or(|before| before == dx));
        // Twice through one node: the second time the way there is gone again.
        let again = y.sqr()?.sum_all()?.backward()?;
        assert_eq!(again.get(&x).expect("dx").flatten_all()?.to_vec1::<f32>()?, dx);
    }
    let maps = net.maps(&x)?;
    let last = maps.last().expect("a layer").flatten_all()?.to_vec1::<f32>()?;
    assert_eq!(last, net.forward(&x.detach())?.flatten_all()?.to_vec1::<f32>()?);
    Ok(())
}

#[test]
fn a_sum_takes_the_gradients_of_all_uses_of_a_network() -> Result<()> {
    let shape = &shapes()[0];
    for dtype in [DType::F32, DType::F64] {
        let plan = MapPlan::new(shape, Precision::Full, dtype, &Device::Cpu)?;
        let weights = Var::from_tensor(&normal(&[shape.parameter_count()], "w", 0.1, dtype)?)?;
        let x = normal(&[4, 3, 16, 16], "x", 1.0, dtype)?;
        let loss = |net: &crate::MapNet| {
            net.forward(&x)?.sqr()?.sum_all()? + net.forward(&(&x * 0.5)?)?.sum_all()?
        };
        let net = plan.with_weights(&weights)?;
        let expected = loss(&net)?.backward()?.remove(&weights).expect("dw");
        let sum = GradientSum::default();
        let net = net.with_sum(&sum);
        for uses in [1.0, 2.0] {
            for _ in 0..uses as usize {
                assert!(loss(&net)?.backward()?.get(&weights).is_none());
            }
            assert!(gap(&sum.take().expect("a sum"), &(&expected * uses)?)? < 1e-6);
        }
        assert!(sum.take().is_none());
    }
    Ok(())
}

#[test]
fn weights_that_are_not_kept_give_the_same_bits_as_often_as_they_are_used() -> Result<()> {
    for shape in shapes() {
        let plan = MapPlan::new(&shape, Precision::Full, DType::F32, &Device::Cpu)?;
        let weights = Var::from_tensor(&normal(&[shape.parameter_count()], "w", 0.1, DType::F32)?)?;
        let x =
            Var::from_tensor(&normal(&[3, shape.channels, shape.side, shape.side], "x", 1.0, DType::F32)?)?;
        let computed = |net: &crate::MapNet| -> Result<Vec<Vec<f32>>> {
            let y = net.forward(&x)?;
            let gradients = y.sqr()?.sum_all()?.backward()?;
            let of = |var: &Var| gradients.get(var).map(Tensor::flatten_all).transpose();
            let all = [Some(y.flatten_all()?), of(&x)?, of(&weights)?];
            all.iter().flatten().map(|tensor| Ok(tensor.to_vec1::<f32>()?)).collect()
        };
        let expected = computed(&plan.with_weights(&weights)?)?;
        let net = plan.for_one_use(&weights)?;
        assert_eq!(expected.len(), 3);
        for _ in 0..2 {
            assert!(computed(&net)? == expected, "{}", shape.side);
        }
        let maps = net.maps(&x)?;
        assert_eq!(maps.last().expect("a layer").flatten_all()?.to_vec1::<f32>()?, expected[0]);
    }
    Ok(())
}

#[test]
fn misfits_are_refused_with_the_numbers() -> Result<()> {
    let shape = shapes().swap_remove(1);
    let plan = |shape: &MapShape| MapPlan::new(shape, Precision::Full, DType::F32, &Device::Cpu);
    let text = |error: Option<crate::Error>| error.map_or_else(String::new, |error| error.to_string());
    let mut wrong = shape.clone();
    wrong.layers[2] = MapLayer::up((12, 3), 4, 2, (1, 1), 18);
    assert!(
        text(plan(&wrong).err()).contains("maps of side 18 come from maps of side 9, but those of side 8")
    );
    wrong.layers[2] = MapLayer::down((3, 3), 4, 2, (1, 1));
    assert!(text(plan(&wrong).err()).contains("layer 2: takes 3 channels, but 12 come in"));
    wrong.layers[2] = MapLayer::down((12, 3), 4, 2, (1, 1)).with_norm(Norm::Group { groups: 2, eps: 1e-5 });
    assert!(text(plan(&wrong).err()).contains("is not for networks of maps"));
    wrong.layers.clear();
    assert!(text(plan(&wrong).err()).contains("give at least one"));
    let good = plan(&shape)?;
    let weights = Tensor::zeros(7, DType::F32, &Device::Cpu)?;
    assert!(text(good.with_weights(&weights).err()).contains("[7]"));
    let weights = Tensor::zeros(shape.parameter_count(), DType::F32, &Device::Cpu)?;
    assert!(
        text(good.with_statistics(&weights, &[None, None]).err()).contains("statistics of other channels")
    );
    let x = Tensor::zeros((0, 24, 1, 1), DType::F32, &Device::Cpu)?;
    assert!(text(good.with_weights(&weights)?.forward(&x).err()).contains("empty batch"));
    let bf16 = MapPlan::new(&shape, Precision::Bf16, DType::F64, &Device::Cpu);
    assert!(text(bf16.err()).contains("bf16"));
    Ok(())
}
