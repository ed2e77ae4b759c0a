//! Times the work of one learning iteration on the paper's three networks: Langevin steps (score and image gradient)
//! and one update (weight gradients of two batches). Prints one JSON line.
//!
//! ```text
//! cargo run --release -p mg-kernels --example sweep -- --norm none|batch [--precision f32|bf16] [--batch 100] [--threads 2] [--repeats 5]
//! ```

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use mg_kernels::{
    Activation, ConvGeometry, LayerShape, LayerWeights, Norm, Precision, Result, Route, ScoreNet, ScoreShape,
    ScoreWeights,
};
use mg_random::Key;

/// Per grid, the layers as (channels, kernel, stride).
type Spec = (usize, &'static [(usize, usize, usize)]);
const SPECS: [Spec; 3] = [
    (4, &[(96, 5, 2), (128, 3, 1), (256, 3, 1)]),
    (16, &[(96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)]),
    (64, &[(96, 5, 2), (128, 3, 2), (256, 3, 1)]),
];

struct Options {
    norm: String,
    batch: usize,
    threads: usize,
    repeats: usize,
    precision: Precision,
    route: Route,
}

fn options() -> Options {
    let mut options = Options {
        norm: "none".into(),
        batch: 100,
        threads: 2,
        repeats: 5,
        precision: Precision::Full,
        route: Route::Fused,
    };
    let mut arguments = std::env::args().skip(1);
    while let (Some(key), Some(value)) = (arguments.next(), arguments.next()) {
        let number = value.parse().unwrap_or(1);
        match key.as_str() {
            "--norm" => options.norm = value,
            "--batch" => options.batch = number,
            "--threads" => options.threads = number,
            "--repeats" => options.repeats = number,
            "--precision" if value == "bf16" => options.precision = Precision::Bf16,
            "--precision" if value == "f32" => {}
            "--route" if value == "tensor" => options.route = Route::Tensor,
            _ => eprintln!("{key} {value}: ignored"),
        }
    }
    options
}

fn shape((side, layers): Spec, norm: &str) -> ScoreShape {
    let norm = if norm == "batch" { Norm::Batch { eps: 1e-5 } } else { Norm::None };
    let mut c_in = 3;
    let layer = |&(c_out, kernel, stride): &(usize, usize, usize)| {
        let (pad_before, pad_after) = (kernel / 2, kernel / 2);
        let conv = ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after };
        c_in = c_out;
        LayerShape { conv, norm, activation: Activation::LeakyRelu { slope: 0.2 } }
    };
    ScoreShape { channels: 3, side, layers: layers.iter().map(layer).collect() }
}

fn normal(key: Key, dims: &[usize], scale: f64) -> Result<Tensor> {
    let mut values = vec![0f32; dims.iter().product()];
    key.fill_normal(&mut values);
    Ok((Tensor::from_vec(values, dims, &Device::Cpu)? * scale)?)
}

fn weights(shape: &ScoreShape, key: Key) -> Result<ScoreWeights> {
    let mut layers = vec![];
    for (i, layer) in shape.layers.iter().enumerate() {
        let fan_in = (layer.conv.c_in * layer.conv.kernel * layer.conv.kernel) as f64;
        let weight = normal(key.fold(i as u64), &layer.conv.weight_dims(), (2.0 / fan_in).sqrt())?;
        let vector = |value: f64| Tensor::full(value as f32, layer.conv.c_out, &Device::Cpu);
        let affine = if layer.norm == Norm::None { None } else { Some((vector(1.0)?, vector(0.0)?)) };
        layers.push(LayerWeights { weight, bias: vector(0.0)?, affine, statistics: None });
    }
    let side = shape.sides()?[shape.layers.len()];
    let head = shape.last_channels() * side * side;
    let head_bias = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
    Ok(ScoreWeights { layers, head: normal(key.named("head"), &[head], 0.02)?, head_bias })
}

fn images(key: Key, n: usize, side: usize) -> Result<Tensor> {
    let mut values = vec![0f32; n * 3 * side * side];
    key.fill_uniform(&mut values);
    Ok(Tensor::from_vec(values, (n, 3, side, side), &Device::Cpu)?.affine(2.0, -1.0)?)
}

fn seconds(repeats: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = vec![];
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times[repeats / 2])
}

/// Peak resident memory, where the system tells.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn main() -> Result<()> {
    let options = options();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build();
    let (mut steps, mut update, mut pack) = (vec![], 0.0, 0.0);
    let mut measure = || -> Result<()> {
        for spec in SPECS {
            let (shape, key) = (shape(spec, &options.norm), Key::new(spec.0 as u64));
            let weights = weights(&shape, key)?;
            let build = || ScoreNet::with_route(&shape, &weights, options.precision, options.route);
            pack += seconds(3, || build().map(drop))?;
            let (net, x) = (build()?, images(key, options.batch, spec.0)?);
            net.score_and_grad(&x)?;
            net.score_and_grad(&x)?;
            steps.push(seconds(options.repeats, || net.score_and_grad(&x).map(drop))?);
            let observed = images(key.named("observed"), options.batch, spec.0)?;
            let share = 1.0 / options.batch as f64;
            update += seconds(3, || {
                let net = build()?;
                net.score_and_weight_grads(&observed, &|_, _| share)?;
                net.score_and_weight_grads(&x, &|_, _| -share).map(drop)
            })?;
        }
        Ok(())
    };
    match pool {
        Ok(pool) => pool.install(&mut measure)?,
        Err(_) => measure()?,
    }
    let step: Vec<_> = SPECS.iter().zip(&steps).map(|((side, _), s)| format!("\"{side}\": {s:.4}")).collect();
    println!(
        "{{\"ours\": \"mg-kernels {}\", \"precision\": \"{}\", \"norm\": \"{}\", \"batch\": {}, \"threads\": {}, \"step_s\": {{{}}}, \"sweep_s\": {:.2}, \"update_s\": {:.3}, \"pack_s\": {:.3}, \"peak_mib\": {}}}",
        env!("CARGO_PKG_VERSION"),
        if options.precision == Precision::Bf16 { "bf16" } else { "f32" },
        options.norm,
        options.batch,
        options.threads,
        step.join(", "),
        30.0 * steps.iter().sum::<f64>(),
        update,
        pack,
        peak_mib()
    );
    Ok(())
}
