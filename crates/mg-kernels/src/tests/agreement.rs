//! Winograd's convolutions against direct ones.

use candle_core::WithDType;
use mg_random::Key;
use proptest::prelude::*;

use crate::ConvGeometry;
use crate::aligned::{Aligned, Number};
use crate::block::Block;
use crate::compiled::Compiled;
use crate::element::Element;
use crate::finish::Finish;
use crate::format::{Format, Half, Whole};
use crate::map::Map;
use crate::packed::Packed;
use crate::simd::Level;
use crate::taps::adjoint_halo;
use crate::target::Target;
use crate::winograd::room::Room;
use crate::winograd_convolution::Winograd;
use crate::winograd_layout::{halo_after, tile_overhang};

fn normal<E: Element>(len: usize, name: &str) -> Vec<E> {
    let mut values = vec![0f32; len];
    Key::new(5).named(name).fill_normal(&mut values);
    values.into_iter().map(|v| E::of(f64::from(v))).collect()
}

/// Images in a map's layout.
fn filled<E: Element>(map: &Map, n: usize, name: &str) -> Aligned<E> {
    let mut values = Aligned::zeroed(map.len(n));
    map.load(&normal::<E>(n * map.channels * map.side * map.side, name), &mut values);
    values
}

/// `|a - b| / |b|` over the images of two maps.
fn distance<E: Element>((a, a_map): (&[E], &Map), (b, b_map): (&[E], &Map), n: usize) -> f64 {
    let read = |values: &[E], map: &Map| {
        let mut images = vec![E::ZERO; n * map.channels * map.side * map.side];
        map.store(values, &mut images);
        images.into_iter().map(|v| v.to_f64()).collect::<Vec<f64>>()
    };
    let (a, b) = (read(a, a_map), read(b, b_map));
    let gap: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
    (gap / b.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

/// The larger relative distance of the two forms, forward with leaky ReLU and adjoint with a gate.
fn gap<P: Compiled<Stored = <P as Format>::Elem>>(
    level: Level,
    geometry: &ConvGeometry,
    side: usize,
    n: usize,
) -> f64 {
    let (kernels, slope) = (P::kernels(level), P::Elem::of(0.2));
    let (lanes, out) = (kernels.lanes, geometry.out_side(side).unwrap_or(1));
    let (area, window) = (geometry.kernel * geometry.kernel, geometry.window());
    let weight = normal::<P::Elem>(geometry.c_in * geometry.c_out * area, "weight");
    let (bias, mut room) = (normal::<P::Elem>(geometry.c_out, "bias"), Room::empty());
    let map = |side, channels, halo| Map::new::<P::Elem>(side, channels, halo, lanes);

    let halo_after = geometry.pad_after.max(halo_after(&window, side, out));
    let input = map(side, geometry.c_in, (geometry.pad_before, halo_after));
    let output = map(out, geometry.c_out, (1, 2));
    let x = filled::<P::Elem>(&input, n, "x");
    let (mut direct, mut transformed) = (Aligned::zeroed(output.len(n)), Aligned::zeroed(output.len(n)));
    let maps = (&input, &output);
    let packed = Packed::forward(kernels, &window, geometry.channels(), (&weight, &bias), maps, n);
    packed.run(kernels, Block::of(n), &x, Target::elem(&mut direct), Finish::Leaky(slope), None);
    let winograd = Winograd::forward(kernels, &window, geometry.channels(), (&weight, &bias), maps, n);
    winograd.run(kernels, Block::of(n), (&x, &mut transformed), Finish::Leaky(slope), None, &mut room);
    let forward = distance((&transformed, &output), (&direct, &output), n);
    // The halo stays zero.
    assert_eq!(
        transformed.iter().filter(|v| **v != P::Elem::ZERO).count(),
        direct.iter().filter(|v| **v != P::Elem::ZERO).count()
    );

    let (before, after) = adjoint_halo(geometry, side).unwrap_or((0, 0));
    let grad = map(out, geometry.c_out, (before, after + tile_overhang(side.div_ceil(geometry.stride))));
    let target = map(side, geometry.c_in, (0, 1));
    let dy = filled::<P::Elem>(&grad, n, "dy");
    let (mut direct, mut transformed) = (Aligned::zeroed(target.len(n)), Aligned::zeroed(target.len(n)));
    let (maps, gate) = ((&grad, &target), Some((&*x, slope)));
    for part in Packed::adjoint(kernels, geometry, &weight, maps, Some(&input), n) {
        part.run(kernels, Block::of(n), &dy, Target::elem(&mut direct), Finish::Plain, gate);
    }
    let winograd = Winograd::adjoint(kernels, geometry, &weight, maps, Some(&input), n);
    for part in winograd {
        part.run(kernels, Block::of(n), (&dy, &mut transformed), Finish::Plain, gate, &mut room);
    }
    forward.max(distance((&transformed, &target), (&direct, &target), n))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn winograd_equals_a_direct_convolution(
        (n, side, pad_before, pad_after) in (1usize..4, 3usize..14, 0usize..5, 0usize..5),
        (c_in, c_out) in (1usize..70, 1usize..70),
    ) {
        let geometry = ConvGeometry { c_in, c_out, kernel: 3, stride: 1, pad_before, pad_after };
        for level in Level::tested() {
            let (single, double) = (gap::<Whole<f32>>(level, &geometry, side, n), gap::<Whole<f64>>(level, &geometry, side, n));
            prop_assert!(single < 5e-6 && double < 1e-14, "{:?}: {} {}", level, single, double);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn winograd_with_a_stride_of_two_equals_a_direct_convolution(
        (n, side, kernel) in (1usize..3, 6usize..23, 4usize..=6),
        (pad_before, pad_after) in (0usize..4, 0usize..4),
        (c_in, c_out) in (1usize..4, 1usize..50),
    ) {
        // Phases of the input are whole vectors.
        let geometry = ConvGeometry { c_in: 16 * c_in, c_out, kernel, stride: 2, pad_before, pad_after };
        for level in Level::tested() {
            let (single, double) = (gap::<Whole<f32>>(level, &geometry, side, n), gap::<Whole<f64>>(level, &geometry, side, n));
            prop_assert!(single < 5e-6 && double < 1e-14, "{:?}: {} {}", level, single, double);
        }
    }
}

/// Relative distances to a direct convolution in f64 of the direct and the transformed one in `P`.
fn errors<P: Compiled>(
    level: Level,
    geometry: &ConvGeometry,
    (side, n): (usize, usize),
    shape: fn(f64) -> f64,
) -> (f64, f64) {
    let whole = |name: &str, len: usize| normal::<f64>(len, name).into_iter().map(shape).collect::<Vec<_>>();
    let weight = normal::<f64>(geometry.c_in * geometry.c_out * 9, "weight");
    let x = whole("x", n * geometry.c_in * side * side);
    let exact = direct::<Whole<f64>>(level, geometry, (side, n), &weight, &x, false);
    let distance = |y: Vec<f64>| {
        let gap: f64 = y.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum();
        (gap / exact.iter().map(|b| b * b).sum::<f64>()).sqrt()
    };
    let form = |transformed| distance(direct::<P>(level, geometry, (side, n), &weight, &x, transformed));
    (form(false), form(true))
}

/// A convolution in `P` of images `x [n, c_in, side, side]`, direct or transformed.
fn direct<P: Compiled>(
    level: Level,
    geometry: &ConvGeometry,
    (side, n): (usize, usize),
    weight: &[f64],
    x: &[f64],
    transformed: bool,
) -> Vec<f64> {
    let (kernels, out) = (P::kernels(level), geometry.out_side(side).unwrap_or(1));
    let numbers = |values: &[f64]| values.iter().map(|v| P::Elem::of(*v)).collect::<Vec<_>>();
    let halo = (geometry.pad_before, geometry.pad_after + tile_overhang(out));
    let input = Map::new::<P::Stored>(side, geometry.c_in, halo, kernels.lanes);
    let output = Map::new::<P::Stored>(out, geometry.c_out, (0, 0), kernels.lanes);
    let (weight, maps, finish) = (numbers(weight), (&input, &output), Finish::Plain);
    let (mut values, mut result) = (Aligned::zeroed(input.len(n)), Aligned::zeroed(output.len(n)));
    input.load(&numbers(x), &mut values);
    let bias = vec![P::Elem::ZERO; geometry.c_out];
    if transformed {
        let winograd =
            Winograd::forward(kernels, &geometry.window(), geometry.channels(), (&weight, &bias), maps, n);
        winograd.run(kernels, Block::of(n), (&values, &mut result), finish, None, &mut Room::empty());
    } else {
        let packed =
            Packed::forward(kernels, &geometry.window(), geometry.channels(), (&weight, &bias), maps, n);
        packed.run(kernels, Block::of(n), &values, Target::stored(&mut result), finish, None);
    }
    let mut images = vec![P::Elem::ZERO; n * geometry.c_out * out * out];
    output.store(&result, &mut images);
    images.into_iter().map(|v| v.to_f64()).collect()
}

#[test]
fn transformed_convolutions_in_bf16_are_as_precise_as_direct_ones() {
    let activations: [fn(f64) -> f64; 4] =
        [|x| x, |x| x.max(0.2 * x), |x| (x - 1.5).max(0.0), |x| x * x * x * x * x];
    for (c_in, c_out, side) in [(96, 128, 8), (130, 40, 16), (512, 256, 4), (16, 16, 7)] {
        let geometry = ConvGeometry { c_in, c_out, kernel: 3, stride: 1, pad_before: 1, pad_after: 1 };
        for level in Level::tested() {
            for shape in activations {
                let (direct, transformed) = errors::<Half>(level, &geometry, (side, 2), shape);
                assert!(transformed < 1.25 * direct && direct < 5e-3, "{level:?}: {direct} {transformed}");
            }
        }
    }
}
