//! Speed of the inner loops against the processor's peak, one thread, counting a direct convolution's operations
//! (Winograd's passes the peak). Run on an idle machine:
//! `cargo test --release -p mg-kernels --lib throughput -- --ignored --nocapture`.
#![allow(unsafe_code, reason = "times a register-only loop of the vector unit")]

use std::time::Instant;

use candle_core::{Device, Tensor};

use crate::engine::{Kept, Lane, Pass, Plan, Scratch};
use crate::format::{Format, Half, Whole};
use crate::share::Block;
use crate::simd::Level;
use crate::{Activation, ConvGeometry, LayerShape, LayerWeights, Norm, Result, ScoreShape, ScoreWeights};

/// Least seconds of a few runs.
fn least(mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..25).map(run).fold(f64::MAX, f64::min)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn multiply_adds_512(rounds: usize) -> f32 {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
    let (a, b) = (_mm512_set1_ps(1.000_1), _mm512_set1_ps(-0.5));
    let mut sums = [_mm512_set1_ps(0.1); 16];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
}

#[cfg(target_arch = "x86_64")]
fn peak() -> Option<f64> {
    const ROUNDS: usize = 100_000;
    if Level::best() == Level::Portable || Level::best() == Level::Avx2 {
        return None;
    }
    // SAFETY: the processor has AVX-512, just checked.
    let seconds = least(|| {
        std::hint::black_box(unsafe { multiply_adds_512(std::hint::black_box(ROUNDS)) });
    });
    Some(ROUNDS as f64 * 16.0 * 16.0 * 2.0 / seconds / 1e9)
}

fn net(side: usize, layers: &[(usize, usize, usize)]) -> Result<(ScoreShape, ScoreWeights)> {
    let (mut c_in, mut shapes, mut weights) = (3, vec![], vec![]);
    for &(c_out, kernel, stride) in layers {
        let (pad_before, pad_after) = (kernel / 2, kernel / 2);
        let conv = ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after };
        let activation = Activation::LeakyRelu { slope: 0.2 };
        shapes.push(LayerShape { conv, norm: Norm::None, activation });
        let tensor = |dims: &[usize]| Tensor::full(0.01f32, dims, &Device::Cpu);
        let (weight, bias) = (tensor(&conv.weight_dims())?, tensor(&[c_out])?);
        weights.push(LayerWeights { weight, bias, affine: None, statistics: None });
        c_in = c_out;
    }
    let shape = ScoreShape { channels: 3, side, layers: shapes };
    let side = shape.sides()?[layers.len()];
    let head = Tensor::full(0.01f32, c_in * side * side, &Device::Cpu)?;
    let head_bias = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu)?;
    Ok((shape, ScoreWeights { layers: weights, head, head_bias }))
}

#[test]
#[ignore = "a measurement"]
fn throughput() -> Result<()> {
    #[cfg(target_arch = "x86_64")]
    println!("f32 peak {:.1} GFLOP/s", peak().unwrap_or(0.0));
    println!("f32");
    measure::<Whole<f32>>()?;
    println!("bf16");
    measure::<Half>()
}

fn measure<P: Format<Elem = f32>>() -> Result<()> {
    for (side, layers) in [
        (4, &[(96, 5, 2), (128, 3, 1), (256, 3, 1)][..]),
        (16, &[(96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)][..]),
        (64, &[(96, 5, 2), (128, 3, 2), (256, 3, 1)][..]),
    ] {
        let (shape, weights) = net(side, layers)?;
        let plan = Plan::<P>::new(&shape, &weights, Level::best(), false)?;
        let (mut kept, mut scratch, mut lane) = (Kept::new(&plan), Scratch::new(&plan), Lane::zero(&plan));
        let n = plan.block;
        let mut dx = vec![0f32; n * plan.pixels];
        let x = vec![0.5f32; n * plan.pixels];
        let mut pass = Pass::new(&plan, &mut kept, &mut scratch, Block::of(n));
        let (load, score, pull) = (
            least(|| pass.load(&x)),
            least(|| {
                std::hint::black_box(pass.scores().sum::<f64>());
            }),
            least(|| pass.pull(|_| 1.0)),
        );
        println!("{side:>2} load {:.1}, score {:.1}, pull {:.1} us", load * 1e6, score * 1e6, pull * 1e6);
        for (l, layer) in plan.layers.iter().enumerate() {
            let g = layer.conv;
            let work = (n * layer.raw.side * layer.raw.side * g.c_in * g.c_out * g.kernel * g.kernel * 2)
                as f64
                / 1e9;
            let forward = least(|| pass.convolve(l));
            let backward = least(|| if l > 0 { pass.through_conv(l) } else { pass.reach_images(&mut dx) });
            let gradient = least(|| pass.add_weight_grads(l, &mut lane));
            println!(
                "{side:>2} layer {l}, {n} images: forward {:6.1}, input adjoint {:6.1}, weight adjoint {:6.1} GFLOP/s",
                work / forward,
                work / backward,
                work / gradient
            );
        }
    }
    Ok(())
}
