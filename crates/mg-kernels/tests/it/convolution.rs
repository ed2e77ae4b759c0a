//! The convolution and its adjoints against their definitions.

use crate::common::{distance, dot, normal, plain_conv2d, plain_input_adjoint, plain_weight_adjoint};
use candle_core::{DType, Tensor, Var};
use mg_kernels::{ConvGeometry, Error, conv2d, conv2d_input_adjoint, conv2d_weight_adjoint};
use mg_random::Key;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Case {
    n: usize,
    side: usize,
    geometry: ConvGeometry,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let channels = prop_oneof![1usize..6, 14usize..20, Just(33usize)];
    let sizes = (1usize..7, 1usize..12, 1usize..6, 1usize..5, 0usize..5, 0usize..5);
    (sizes, channels.clone(), channels, any::<u64>()).prop_filter_map(
        "the kernel fits",
        |((n, side, kernel, stride, pad_before, pad_after), c_in, c_out, seed)| {
            let geometry = ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after };
            geometry.out_side(side).is_ok().then_some(Case { n, side, geometry, seed })
        },
    )
}

impl Case {
    fn tensors(&self, dtype: DType) -> (Tensor, Tensor, Tensor) {
        let Self { n, side, geometry: g, seed } = *self;
        let (key, out) = (Key::new(seed), g.out_side(side).unwrap());
        (
            normal(key.named("x"), &[n, g.c_in, side, side], dtype),
            normal(key.named("w"), &g.weight_dims(), dtype),
            normal(key.named("dy"), &[n, g.c_out, out, out], dtype),
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_three_operations_are_their_definitions(case in cases()) {
        for (dtype, limit) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
            let (x, w, dy) = case.tensors(dtype);
            let g = &case.geometry;
            let y = conv2d(&x, &w, g).unwrap();
            prop_assert!(distance(&y, &plain_conv2d(&x, &w, g)) < limit);
            let dx = conv2d_input_adjoint(&dy, &w, g, case.side).unwrap();
            prop_assert!(distance(&dx, &plain_input_adjoint(&dy, &w, g, case.side)) < limit);
            let dw = conv2d_weight_adjoint(&x, &dy, g).unwrap();
            prop_assert!(distance(&dw, &plain_weight_adjoint(&x, &dy, g)) < limit);
        }
    }

    #[test]
    fn adjoints_move_to_the_other_side_of_the_product(case in cases()) {
        let (x, w, dy) = case.tensors(DType::F64);
        let g = &case.geometry;
        let direct = dot(&conv2d(&x, &w, g).unwrap(), &dy);
        let by_input = dot(&x, &conv2d_input_adjoint(&dy, &w, g, case.side).unwrap());
        let by_weight = dot(&w, &conv2d_weight_adjoint(&x, &dy, g).unwrap());
        let size = crate::common::flat(&dy).len() as f64;
        prop_assert!((direct - by_input).abs() < 1e-10 * size);
        prop_assert!((direct - by_weight).abs() < 1e-10 * size);
    }
}

/// Gradients of `sum(op(a, b) * c)` through candle's autograd.
fn gradients(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    op: impl Fn(&Tensor, &Tensor) -> Tensor,
) -> (Tensor, Tensor) {
    let (a, b) = (Var::from_tensor(a).unwrap(), Var::from_tensor(b).unwrap());
    let grads = (op(&a, &b) * c).unwrap().sum_all().unwrap().backward().unwrap();
    (grads.get(&a).unwrap().clone(), grads.get(&b).unwrap().clone())
}

#[test]
fn all_three_operations_are_differentiable() {
    let g = ConvGeometry { c_in: 3, c_out: 5, kernel: 4, stride: 3, pad_before: 2, pad_after: 1 };
    let case = Case { n: 2, side: 8, geometry: g, seed: 3 };
    let (x, w, dy) = case.tensors(DType::F64);
    let (dx, dw) = gradients(&x, &w, &dy, |x, w| conv2d(x, w, &g).unwrap());
    assert!(distance(&dx, &plain_input_adjoint(&dy, &w, &g, 8)) < 1e-12);
    assert!(distance(&dw, &plain_weight_adjoint(&x, &dy, &g)) < 1e-12);
    let (ddy, dw) = gradients(&dy, &w, &x, |dy, w| conv2d_input_adjoint(dy, w, &g, 8).unwrap());
    assert!(distance(&ddy, &plain_conv2d(&x, &w, &g)) < 1e-12);
    assert!(distance(&dw, &plain_weight_adjoint(&x, &dy, &g)) < 1e-12);
    let (dx, ddy) = gradients(&x, &dy, &w, |x, dy| conv2d_weight_adjoint(x, dy, &g).unwrap());
    assert!(distance(&dx, &plain_input_adjoint(&dy, &w, &g, 8)) < 1e-12);
    assert!(distance(&ddy, &plain_conv2d(&x, &w, &g)) < 1e-12);
}

#[test]
fn an_untracked_weight_gets_no_gradient() {
    let g = ConvGeometry { c_in: 2, c_out: 3, kernel: 3, stride: 1, pad_before: 1, pad_after: 1 };
    let (x, w, _) = Case { n: 1, side: 4, geometry: g, seed: 0 }.tensors(DType::F32);
    let x = Var::from_tensor(&x).unwrap();
    let grads = conv2d(&x, &w, &g).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&w).is_none());
}

#[test]
fn other_float_types_take_candles_operations() {
    let g = ConvGeometry { c_in: 2, c_out: 3, kernel: 3, stride: 2, pad_before: 0, pad_after: 1 };
    let (x, w, _) = Case { n: 1, side: 4, geometry: g, seed: 0 }.tensors(DType::F32);
    let half = |t: &Tensor| t.to_dtype(DType::F16).unwrap();
    let y = conv2d(&half(&x), &half(&w), &g).unwrap();
    assert_eq!(y.dtype(), DType::F16);
    assert!(distance(&y, &plain_conv2d(&x, &w, &g)) < 1e-2);
}

#[test]
fn a_strided_view_is_read_in_its_own_order() {
    let g = ConvGeometry { c_in: 4, c_out: 3, kernel: 3, stride: 1, pad_before: 1, pad_after: 1 };
    let wide = normal(Key::new(1), &[3, 7, 5, 5], DType::F64);
    let w = normal(Key::new(2), &g.weight_dims(), DType::F64);
    let view = wide.narrow(0, 1, 2).unwrap().narrow(1, 2, 4).unwrap().transpose(2, 3).unwrap();
    let y = conv2d(&view, &w, &g).unwrap();
    assert!(distance(&y, &plain_conv2d(&view, &w, &g)) < 1e-12);
}

#[test]
fn what_does_not_fit_is_an_error_with_the_numbers() {
    let g = ConvGeometry { c_in: 2, c_out: 3, kernel: 5, stride: 2, pad_before: 0, pad_after: 1 };
    assert!(g.out_side(3).unwrap_err().to_string().contains("5x5 kernel with stride 2 does not fit side 3"));
    let (x, w) =
        (normal(Key::new(1), &[1, 4, 8, 8], DType::F32), normal(Key::new(2), &g.weight_dims(), DType::F32));
    assert!(matches!(conv2d(&x, &w, &g), Err(Error::Shape { .. })));
    let rectangle = normal(Key::new(1), &[1, 2, 9, 8], DType::F32);
    assert!(matches!(conv2d(&rectangle, &w, &g), Err(Error::Shape { .. })));
    let w64 = w.to_dtype(DType::F64).unwrap();
    let x = normal(Key::new(1), &[1, 2, 8, 8], DType::F32);
    assert!(matches!(conv2d(&x, &w64, &g), Err(Error::DType { .. })));
    assert!(conv2d_input_adjoint(&x, &w, &g, 8).is_err());
    assert!(conv2d_weight_adjoint(&x, &x, &g).is_err());
}
