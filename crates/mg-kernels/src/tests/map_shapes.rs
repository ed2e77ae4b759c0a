use crate::{Activation, MapLayer, MapShape, Norm};

const LEAKY: Activation = Activation::LeakyRelu { slope: 0.2 };
const BATCH: Norm = Norm::Batch { eps: 1e-5 };

/// A discriminator, a generator, a net that narrows to a vector and widens again, one with all kinds of odd sides and
/// paddings, and one of vectors.
pub(super) fn shapes() -> Vec<MapShape> {
    let discriminator = vec![
        MapLayer::down((3, 8), 4, 2, (1, 1)).with_activation(LEAKY),
        MapLayer::down((8, 20), 4, 2, (1, 1)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::down((20, 1), 4, 1, (0, 0)).without_bias(),
    ];
    let generator = vec![
        MapLayer::up((24, 40), 4, 1, (0, 0), 4).with_norm(BATCH).with_activation(Activation::RELU),
        MapLayer::up((40, 12), 5, 2, (1, 2), 8).with_norm(BATCH).with_activation(Activation::RELU),
        MapLayer::up((12, 3), 4, 2, (1, 1), 16).without_bias().with_activation(Activation::Tanh),
    ];
    let bottleneck = vec![
        MapLayer::down((3, 8), 4, 2, (1, 1)).with_activation(LEAKY),
        MapLayer::down((8, 33), 4, 1, (0, 0)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::up((33, 18), 4, 1, (0, 0), 4).with_norm(BATCH).with_activation(Activation::Silu),
        MapLayer::up((18, 3), 4, 2, (1, 1), 8).with_activation(Activation::Tanh),
    ];
    let odd = vec![
        MapLayer::down((5, 17), 3, 1, (0, 1)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::down((17, 34), 3, 1, (1, 1)).with_activation(LEAKY),
        MapLayer::up((34, 16), 3, 1, (1, 1), 8).with_norm(BATCH).with_activation(Activation::Silu),
        MapLayer::up((16, 2), 5, 3, (1, 0), 25).with_activation(Activation::Tanh),
    ];
    let vectors = vec![
        MapLayer::down((7, 50), 1, 1, (0, 0)).with_norm(BATCH).with_activation(Activation::RELU),
        MapLayer::down((50, 20), 1, 1, (0, 0)).with_activation(Activation::Softplus),
        MapLayer::down((20, 10), 1, 1, (0, 0)),
    ];
    // Wide and large enough that strides of 2 go by Winograd's transforms, with large tiles and with small ones.
    let strided = vec![
        MapLayer::down((3, 16), 4, 2, (1, 1)).with_activation(LEAKY),
        MapLayer::down((16, 32), 5, 2, (1, 2)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::up((32, 16), 4, 2, (1, 1), 16).with_norm(BATCH).with_activation(Activation::RELU),
        MapLayer::down((16, 16), 5, 2, (2, 1)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::up((16, 16), 5, 2, (1, 2), 16).with_activation(Activation::Tanh),
    ];
    let small = vec![
        MapLayer::down((16, 32), 5, 2, (1, 2)).with_activation(LEAKY),
        MapLayer::down((32, 16), 4, 2, (1, 1)).with_norm(BATCH).with_activation(LEAKY),
        MapLayer::up((16, 16), 4, 2, (1, 1), 10).with_norm(BATCH).with_activation(Activation::RELU),
        MapLayer::down((16, 32), 6, 2, (2, 2)).with_activation(LEAKY),
        MapLayer::up((32, 16), 5, 2, (1, 2), 10).with_activation(Activation::Tanh),
    ];
    [
        (3, 16, discriminator),
        (24, 1, generator),
        (3, 8, bottleneck),
        (5, 9, odd),
        (7, 1, vectors),
        (3, 32, strided),
        (16, 20, small),
    ]
    .into_iter()
    .map(|(channels, side, layers)| MapShape { channels, side, layers })
    .collect()
}
