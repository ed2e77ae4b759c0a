//! Graphs by the fused route against candle's operations in f64.

use crate::common::{distance, normal};
use candle_core::{DType, Device, Tensor};
use mg_kernels::{Clip, Error, Graph, Inference, MapId, Result, Route, Window};
use mg_random::Key;
use proptest::prelude::*;

/// A layer of a random graph; numbers choose among the maps and windows that fit.
#[derive(Clone, Copy, Debug)]
enum Step {
    Conv { channels: usize, rows: usize, columns: usize, stride: usize, clip: Clip },
    Depthwise { kernel: usize, stride: usize, clip: Clip },
    MaxPool { kernel: usize, stride: usize },
    MeanPool { kernel: usize, stride: usize },
    Add,
    Concat,
}

fn steps() -> impl Strategy<Value = Vec<(Step, usize)>> {
    let clip = prop_oneof![Just(Clip::None), Just(Clip::Relu), Just(Clip::Relu6)];
    let channels = prop_oneof![Just(16usize), Just(48usize), Just(24usize), 1usize..40];
    let step = prop_oneof![
        4 => (channels, 1usize..6, 1usize..8, 1usize..3, clip.clone()).prop_map(
            |(channels, rows, columns, stride, clip)| Step::Conv { channels, rows, columns, stride, clip }
        ),
        2 => (1usize..6, 1usize..3, clip)
            .prop_map(|(kernel, stride, clip)| Step::Depthwise { kernel, stride, clip }),
        1 => (1usize..4, 1usize..3).prop_map(|(kernel, stride)| Step::MaxPool { kernel, stride }),
        1 => (1usize..4, 1usize..3).prop_map(|(kernel, stride)| Step::MeanPool { kernel, stride }),
        1 => Just(Step::Add),
        3 => Just(Step::Concat),
    ];
    prop::collection::vec((step, any::<usize>()), 1..12)
}

/// A window that gives `ceil(side / stride)` outputs, as TensorFlow pads.
fn same(side: usize, kernel: [usize; 2], stride: usize) -> Window {
    let padding = kernel.map(|k| ((side.div_ceil(stride) - 1) * stride + k).saturating_sub(side));
    let before = padding.map(|p| p / 2);
    Window { kernel, stride, before, after: [padding[0] - before[0], padding[1] - before[1]] }
}

struct Built {
    graph: Graph,
    key: Key,
    dtype: DType,
}

impl Built {
    fn numbers(&self, at: usize, dims: &[usize]) -> (Tensor, Tensor) {
        let scale = 1.0 / ((dims[1] * dims[2] * dims[3]) as f64).sqrt();
        let weight = normal(self.key.fold(at as u64), dims, self.dtype).affine(scale, 0.0).unwrap();
        (weight, normal(self.key.named("bias").fold(at as u64), &dims[..1], self.dtype))
    }

    fn take(&mut self, at: usize, step: Step, choice: usize, maps: &[MapId]) -> Result<MapId> {
        let from = maps[choice % maps.len()];
        let (c, side) = self.graph.dims(from)?;
        match step {
            Step::Conv { channels, rows, columns, stride, clip } => {
                let (weight, bias) = self.numbers(at, &[channels, c, rows, columns]);
                self.graph.conv(from, same(side, [rows, columns], stride), (&weight, &bias), clip)
            }
            Step::Depthwise { kernel, stride, clip } => {
                let (weight, bias) = self.numbers(at, &[c, 1, kernel, kernel]);
                self.graph.depthwise(from, same(side, [kernel; 2], stride), (&weight, &bias), clip)
            }
            Step::MaxPool { kernel, stride } => self.graph.max_pool(from, same(side, [kernel; 2], stride)),
            Step::MeanPool { kernel, stride } => self.graph.mean_pool(from, same(side, [kernel; 2], stride)),
            Step::Add => {
                let alike =
                    maps.iter().rev().find(|map| self.graph.dims(**map).is_ok_and(|d| d == (c, side)));
                self.graph.add(from, *alike.unwrap_or(&from))
            }
            Step::Concat => {
                let fits = |map: &&MapId| {
                    self.graph.dims(**map).is_ok_and(|(c, s)| s == side && c.is_multiple_of(16))
                };
                let mut parts: Vec<MapId> = maps.iter().rev().filter(fits).take(3).copied().collect();
                parts.push(from);
                self.graph.concat(&parts)
            }
        }
    }
}

/// The outputs of a random graph: its last map, one from the middle, and the mean of the last.
fn outputs(
    (channels, side): (usize, usize),
    steps: &[(Step, usize)],
    key: Key,
    (dtype, route): (DType, Route),
    x: &Tensor,
) -> Vec<Tensor> {
    let mut built = Built { graph: Graph::new(channels, side), key, dtype };
    let mut maps = vec![built.graph.image()];
    for (at, (step, choice)) in steps.iter().enumerate() {
        maps.push(built.take(at, *step, *choice, &maps).unwrap());
    }
    let mean = built.graph.mean(*maps.last().unwrap()).unwrap();
    let asked = [*maps.last().unwrap(), maps[maps.len() / 2], mean];
    let net = Inference::with_route(&built.graph, &asked, route).unwrap();
    net.run(&x.to_dtype(net.dtype()).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_fused_route_computes_what_the_layers_say(
        steps in steps(), channels in prop_oneof![Just(3usize), 1usize..20], side in 1usize..20, seed in any::<u64>()
    ) {
        let key = Key::new(seed);
        let x = normal(key.named("x"), &[3, channels, side, side], DType::F32);
        let found = outputs((channels, side), &steps, key, (DType::F32, Route::Fused), &x);
        let expected = outputs((channels, side), &steps, key, (DType::F64, Route::Tensor), &x);
        for (a, b) in found.iter().zip(&expected) {
            prop_assert_eq!(a.dims(), b.dims());
            prop_assert!(distance(a, b) < 2e-5, "{}", distance(a, b));
        }
    }
}

/// A graph that uses every kind of layer, large enough for Winograd's products and for buffers to serve twice.
fn large() -> Result<(Graph, MapId)> {
    let mut built = Built { graph: Graph::new(3, 50), key: Key::new(3), dtype: DType::F32 };
    let mut maps = vec![built.graph.image()];
    let clip = Clip::Relu;
    let conv = |channels, k| Step::Conv { channels, rows: k, columns: k, stride: 1, clip };
    let steps = [
        (Step::Conv { channels: 32, rows: 3, columns: 3, stride: 2, clip }, 0),
        (conv(48, 3), 1),
        (conv(48, 3), 2),
        (conv(32, 1), 3),
        (Step::Depthwise { kernel: 5, stride: 1, clip: Clip::Relu6 }, 4),
        (Step::Concat, 3),
        (conv(64, 3), 6),
        (Step::MaxPool { kernel: 3, stride: 2 }, 7),
    ];
    for (at, (step, choice)) in steps.into_iter().enumerate() {
        maps.push(built.take(at, step, choice, &maps)?);
    }
    let last = maps[maps.len() - 1];
    Ok((built.graph, last))
}

#[test]
fn an_images_results_have_the_same_bits_in_any_batch_and_on_any_number_of_threads() {
    let (graph, last) = large().unwrap();
    let net = Inference::new(&graph, &[last]).unwrap();
    let x = normal(Key::new(8), &[7, 3, 50, 50], DType::F32);
    let run = |threads: usize, x: &Tensor| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let y = pool.install(|| net.run(x).unwrap());
        y[0].flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let all = run(1, &x);
    assert_eq!(all, run(2, &x));
    assert_eq!(all, run(3, &x));
    let each = all.len() / 7;
    for i in [0, 6] {
        assert_eq!(all[i * each..(i + 1) * each], run(2, &x.narrow(0, i, 1).unwrap()));
    }
}

#[test]
fn a_network_without_images_makes_nothing() {
    let (graph, last) = large().unwrap();
    let net = Inference::new(&graph, &[last]).unwrap();
    let y = net.run(&Tensor::zeros((0, 3, 50, 50), DType::F32, &Device::Cpu).unwrap()).unwrap();
    assert_eq!(y[0].dims(), [0, 64, 13, 13]);
}

#[test]
fn misfits_are_errors_with_their_numbers() {
    let (mut graph, last) = large().unwrap();
    let net = Inference::new(&graph, &[last]).unwrap();
    let refused = |result: Result<MapId>, words: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    let of = |dims: &[usize]| Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap();
    let x = net.run(&of(&[1, 3, 49, 50])).unwrap_err().to_string();
    assert!(x.contains("[1, 3, 49, 50]") && x.contains("[0, 3, 50, 50]"), "{x}");
    let image = graph.image();
    let three = Window::square(3, 1, 0);
    refused(graph.conv(image, three, (&of(&[8, 4, 3, 3]), &of(&[8])), Clip::None), "[8, 4, 3, 3]");
    refused(graph.conv(image, three, (&of(&[8, 3, 3, 3]), &of(&[9])), Clip::None), "[9]");
    refused(graph.depthwise(image, three, (&of(&[2, 1, 3, 3]), &of(&[2])), Clip::None), "[2, 1, 3, 3]");
    refused(
        graph.conv(image, Window::square(60, 1, 0), (&of(&[8, 3, 60, 60]), &of(&[8])), Clip::None),
        "60x60",
    );
    let oblong = Window { kernel: [1, 7], ..Window::square(1, 1, 0) };
    refused(graph.conv(image, oblong, (&of(&[8, 3, 1, 7]), &of(&[8])), Clip::None), "50 rows and 44 columns");
    refused(graph.max_pool(image, Window::square(2, 1, 2)), "outside");
    refused(graph.add(image, last), "(3, 50)");
    refused(graph.concat(&[]), "no maps");
    refused(graph.concat(&[image, last]), "sides");
    refused(graph.concat(&[image, image]), "multiple of 16");
    let other = Graph::new(3, 50);
    assert!(matches!(other.dims(last), Err(Error::Layer { .. })));
    assert!(Inference::new(&other, &[last]).is_err());
}

#[test]
fn the_fused_route_is_for_f32() {
    let mut built = Built { graph: Graph::new(3, 8), key: Key::new(1), dtype: DType::F64 };
    let step = Step::Conv { channels: 4, rows: 3, columns: 3, stride: 1, clip: Clip::None };
    let map = built.take(0, step, 0, &[built.graph.image()]).unwrap();
    assert!(matches!(
        Inference::with_route(&built.graph, &[map], Route::Fused),
        Err(Error::Route { dtype: DType::F64, .. })
    ));
    let x = Tensor::zeros((2, 3, 8, 8), DType::F64, &Device::Cpu).unwrap();
    assert_eq!(Inference::new(&built.graph, &[map]).unwrap().run(&x).unwrap()[0].dims(), [2, 4, 8, 8]);
}
