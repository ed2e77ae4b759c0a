//! Gradients are those of finite differences.

use super::*;

/// A probe in f64 whose numbers are all neither 0 nor 1, so that no gradient is right by accident.
fn perturbed(config: &Config, of_model: bool) -> Probe {
    let in_f64 = |params: &Params| params.map(|_, t| t.to_dtype(DType::F64)).unwrap();
    let trunks: Vec<Trunk> = match of_model {
        true => {
            let mut model = model(config);
            for grid in &mut model.classes[0].grids {
                grid.params = in_f64(&grid.params);
                let wide = |(a, b): &(Tensor, Tensor)| {
                    (a.to_dtype(DType::F64).unwrap(), b.to_dtype(DType::F64).unwrap())
                };
                grid.statistics = grid.statistics.as_ref().map(|all| all.iter().map(wide).collect());
            }
            model.classes[0].grids.iter().map(|grid| Trunk::of_model(grid).unwrap()).collect()
        }
        false => {
            let spec = |level| of(config).net_spec(level).unwrap();
            (0..2).map(|level| Trunk::init(&spec(level), Key::new(1), DType::F64, CPU).unwrap()).collect()
        }
    };
    let mut probe =
        Probe::new(of(config).grids().unwrap(), trunks, 3, Key::new(2), (DType::F64, Device::Cpu)).unwrap();
    let moved = |params: &Params| {
        let noise = |name: &str, t: &Tensor| normal(t.dims(), Key::new(3).named(name)).to_dtype(DType::F64);
        params.map(|name, t| t + (noise(name, t)? * 0.2)?).unwrap()
    };
    let (head, trunk) = (moved(probe.head_params()), moved(&probe.trunk_params()));
    probe.take(head, Some(&trunk)).unwrap();
    let top = |c: usize, side: usize, key: u64| {
        normal(&[3, c, side, side], Key::new(key)).affine(3.0, 2.0).unwrap().to_dtype(DType::F64).unwrap()
    };
    probe.standardise_by(&[top(5, 2, 4), top(6, 4, 5)]).unwrap();
    probe
}

/// `params` with tensor `name` moved by `h` along `direction`.
fn along(params: &Params, name: &str, direction: &Tensor, h: f64) -> Params {
    params.map(|n, t| if n == name { t + (direction * h)? } else { Ok(t.clone()) }).unwrap()
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    let images = normal(&[4, 3, 8, 8], Key::new(6)).to_dtype(DType::F64).unwrap();
    let labels = [0, 2, 1, 2];
    let dropout = Some(Dropout { rate: 0.3, key: Key::new(7) });
    let norms = [
        ("none", false),
        ("batch", false),
        ("group", false),
        ("frozen", true),
        ("batch", true),
        ("none", true),
    ];
    for ((norm, of_model), activation) in norms.into_iter().flat_map(|n| [(n, "leaky-relu"), (n, "silu")]) {
        let config = tiny(&[&format!("model.norm={norm}"), &format!("model.activation={activation}")]);
        let probe = perturbed(&config, of_model);
        let at = probe.gradients(&images, &labels, dropout).unwrap();
        let (head, trunk, grads) = (probe.head_params(), probe.trunk_params(), at.trunk.unwrap());
        let loss = |head: Params, trunk: Params| {
            let mut probe = probe.clone();
            probe.take(head, Some(&trunk)).unwrap();
            probe.gradients(&images, &labels, dropout).unwrap().loss
        };
        let (of_head, of_trunk) = (head.iter(), trunk.iter());
        for (name, tensor) in of_head.chain(of_trunk) {
            let direction = normal(tensor.dims(), Key::new(8).named(name)).to_dtype(DType::F64).unwrap();
            let grad = at.head.get(name).or(grads.get(name)).unwrap();
            let analytic = (grad * &direction).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap();
            let h = 1e-7;
            let moved = |h: f64| loss(along(head, name, &direction, h), along(&trunk, name, &direction, h));
            let numeric = (moved(h) - moved(-h)) / (2.0 * h);
            let error = (analytic - numeric).abs();
            assert!(
                error < 1e-6 * analytic.abs().max(0.1),
                "{norm} {activation} {name}: {analytic} against {numeric}"
            );
        }
    }
}

#[test]
fn the_head_s_own_gradients_are_those_of_the_whole() {
    let probe = perturbed(&tiny(&[]), false);
    let images = normal(&[4, 3, 8, 8], Key::new(6)).to_dtype(DType::F64).unwrap();
    let whole = probe.gradients(&images, &[0, 2, 1, 2], None).unwrap();
    let tops = probe.extractor().unwrap().maps(&images).unwrap();
    let alone = probe.head_gradients(&tops, &[0, 2, 1, 2], None).unwrap();
    assert!((whole.loss - alone.loss).abs() < 1e-12 && alone.trunk.is_none());
    for (name, a) in whole.head.iter() {
        let b = alone.head.get(name).unwrap();
        let gap = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        assert!(gap.to_scalar::<f64>().unwrap() < 1e-12, "{name}");
    }
}
