//! Speed of the inner loops against the processor's peak, one thread, counting a direct convolution's operations
//! (Winograd's passes the peak). Prints JSON lines, rates in GFLOP/s, times in microseconds; `cargo xtask bench micro`
//! makes a table of them. Run on an idle machine:
//! `cargo test --release -p mg-kernels --lib throughput -- --ignored --nocapture`.
#![allow(unsafe_code, reason = "times register-only loops of the vector unit")]

use std::time::Instant;

use candle_core::{Device, Tensor};

use crate::block::Block;
use crate::compiled::Compiled;
use crate::engine::{Kept, Lane, Pass, Plan, Purpose, Scratch};
use crate::format::{Half, Whole};
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

/// The fastest products there are, and their GFLOP/s on one thread.
type Peak = (&'static str, f64);

#[cfg(target_arch = "x86_64")]
mod peak {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use half::bf16;

    use super::{Half, Level, Peak, least};
    use crate::compiled::Compiled;
    use crate::tile_unit::{CHUNK, Product, SIDE};

    const ROUNDS: usize = 100_000;

    #[target_feature(enable = "avx2,fma")]
    fn multiply_adds_256(rounds: usize) -> f32 {
        let (a, b) = (_mm256_set1_ps(1.000_1), _mm256_set1_ps(-0.5));
        let mut sums = [_mm256_set1_ps(0.1); 12];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        sums.iter().map(|sum| _mm256_cvtss_f32(*sum)).sum()
    }

    #[target_feature(enable = "avx512f")]
    fn multiply_adds_512(rounds: usize) -> f32 {
        let (a, b) = (_mm512_set1_ps(1.000_1), _mm512_set1_ps(-0.5));
        let mut sums = [_mm512_set1_ps(0.1); 16];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn pairs_512(rounds: usize) -> f32 {
        let half = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5), _mm512_set1_ps(-0.5));
        let mut sums = [_mm512_set1_ps(0.1); 16];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, half, half);
            }
        }
        sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
    }

    fn rate(flops_per_round: usize, work: impl Fn(usize) -> f32) -> f64 {
        let seconds = least(|| {
            black_box(work(black_box(ROUNDS)));
        });
        (ROUNDS * flops_per_round) as f64 / seconds / 1e9
    }

    // SAFETY (all blocks): the processor has the level, which is one of `Level::available`.
    pub(super) fn f32(level: Level) -> Option<Peak> {
        match level {
            Level::Avx2 => {
                Some(("AVX2 multiply-add", rate(12 * 8 * 2, |rounds| unsafe { multiply_adds_256(rounds) })))
            }
            Level::Avx512 | Level::Avx512Bf16 | Level::Amx => Some((
                "AVX-512 multiply-add",
                rate(16 * 16 * 2, |rounds| unsafe { multiply_adds_512(rounds) }),
            )),
            Level::Portable | Level::PlainTiles => None,
        }
    }

    pub(super) fn bf16(level: Level) -> Option<Peak> {
        match level {
            Level::Avx512Bf16 => Some((
                "AVX-512 products of bf16 pairs",
                rate(16 * 16 * 4, |rounds| unsafe { pairs_512(rounds) }),
            )),
            Level::Amx => tiles(level),
            _ => None,
        }
    }

    /// Tiles have no loop without memory; these operands stay in the first cache.
    fn tiles(level: Level) -> Option<Peak> {
        const CHUNKS: usize = 4;
        let unit = Half::tile_unit(level)?;
        let (panel, weights) = ([bf16::ONE; CHUNKS * CHUNK], [bf16::ONE; CHUNKS * CHUNK]);
        let mut sums = [0f32; SIDE * SIDE];
        let product = Product::<Half> {
            panel: panel.as_ptr(),
            weights: weights.as_ptr(),
            chunks: CHUNKS,
            sums: sums.as_mut_ptr(),
            add: false,
        };
        // SAFETY: within `with`; the arrays have the sizes that a product of CHUNKS chunks reads and writes.
        let multiply = || unsafe { unit.multiply(black_box(&product)) };
        let seconds = unit.with(|| least(|| (0..ROUNDS).for_each(|_| multiply())));
        Some(("AMX tiles", (ROUNDS * 2 * SIDE * CHUNKS * CHUNK) as f64 / seconds / 1e9))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod peak {
    use super::{Level, Peak};

    pub(super) fn f32(_: Level) -> Option<Peak> {
        None
    }

    pub(super) fn bf16(_: Level) -> Option<Peak> {
        None
    }
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
    println!();
    let level = Level::best();
    let f32 = peak::f32(level);
    measure::<Whole<f32>>("f32", f32)?;
    // Without products of bf16 the processor computes in f32.
    measure::<Half>("bf16", peak::bf16(level).or(f32))
}

fn measure<P: Compiled<Elem = f32>>(precision: &str, peak: Option<Peak>) -> Result<()> {
    let (unit, rate) =
        peak.map_or(("unknown", "null".to_string()), |(unit, rate)| (unit, format!("{rate:.2}")));
    println!("{{\"precision\": \"{precision}\", \"unit\": \"{unit}\", \"peak\": {rate}}}");
    for (side, layers) in [
        (4, &[(96, 5, 2), (128, 3, 1), (256, 3, 1)][..]),
        (16, &[(96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)][..]),
        (64, &[(96, 5, 2), (128, 3, 2), (256, 3, 1)][..]),
    ] {
        let (shape, weights) = net(side, layers)?;
        let plan = Plan::<P>::new(&shape, &weights, Level::best(), Purpose::Scores)?;
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
        let [load, score, pull] = [load, score, pull].map(|seconds| 1e6 * seconds);
        println!(
            "{{\"precision\": \"{precision}\", \"side\": {side}, \"images\": {n}, \
             \"load\": {load:.2}, \"score\": {score:.2}, \"pull\": {pull:.2}}}"
        );
        for (l, layer) in plan.layers.iter().enumerate() {
            let ConvGeometry { c_in, c_out, kernel, stride, .. } = layer.conv;
            let map = layer.raw.side;
            let work = (n * map * map * c_in * c_out * kernel * kernel * 2) as f64 / 1e9;
            let forward = work / least(|| pass.convolve(l));
            let input =
                work / least(|| if l > 0 { pass.through_conv(l) } else { pass.reach_images(&mut dx) });
            let weight = work / least(|| pass.add_weight_grads(l, &mut lane));
            println!(
                "{{\"precision\": \"{precision}\", \"side\": {side}, \"images\": {n}, \"layer\": {l}, \
                 \"c_in\": {c_in}, \"c_out\": {c_out}, \"kernel\": {kernel}, \"stride\": {stride}, \
                 \"map\": {map}, \"forward\": {forward:.2}, \"input_adjoint\": {input:.2}, \
                 \"weight_adjoint\": {weight:.2}}}"
            );
        }
    }
    Ok(())
}
