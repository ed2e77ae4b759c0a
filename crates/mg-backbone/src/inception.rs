use mg_kernels::{Clip, MapId, Window};

use crate::Result;
use crate::layers::Layers;

/// What a block makes, in the order of its channels.
type Parts = Vec<MapId>;

/// The network of 2015-12-05 (Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016),
/// as the inception score and the Fréchet inception distance use it: means over the last 8 x 8 map, 2048 per image.
/// It differs from later releases in two ways: mean pools leave out the padding, and the last block pools by maximum.
pub(crate) fn features(net: &mut Layers<'_>) -> Result<MapId> {
    let x = net.graph.image();
    let x = unit(net, x, "Conv2d_1a_3x3", Window::square(3, 2, 0))?;
    let x = unit(net, x, "Conv2d_2a_3x3", Window::square(3, 1, 0))?;
    let x = unit(net, x, "Conv2d_2b_3x3", Window::same(3, 3))?;
    let x = net.graph.max_pool(x, Window::square(3, 2, 0))?;
    let x = unit(net, x, "Conv2d_3b_1x1", Window::square(1, 1, 0))?;
    let x = unit(net, x, "Conv2d_4a_3x3", Window::square(3, 1, 0))?;
    let mut x = net.graph.max_pool(x, Window::square(3, 2, 0))?;
    for block in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
        x = of_squares(net, x, block)?;
    }
    x = first_reduction(net, x, "Mixed_6a")?;
    for block in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
        x = of_lines(net, x, block)?;
    }
    x = second_reduction(net, x, "Mixed_7a")?;
    x = of_fans(net, x, "Mixed_7b", false)?;
    x = of_fans(net, x, "Mixed_7c", true)?;
    Ok(net.graph.mean(x)?)
}

/// Convolution, batch norm, ReLU.
fn unit(net: &mut Layers<'_>, from: MapId, name: &str, window: Window) -> Result<MapId> {
    net.conv(from, window, (&format!("{name}.conv.weight"), &format!("{name}.bn")), Clip::Relu)
}

/// Units one after the other, each a part of `block`'s name and a window that keeps the side.
fn chain(net: &mut Layers<'_>, from: MapId, block: &str, units: &[(&str, usize, usize)]) -> Result<MapId> {
    units.iter().try_fold(from, |x, (name, rows, columns)| {
        unit(net, x, &format!("{block}.{name}"), Window::same(*rows, *columns))
    })
}

/// The branch of every block that pools first.
fn pooled(net: &mut Layers<'_>, from: MapId, block: &str, by_maximum: bool) -> Result<MapId> {
    let window = Window::same(3, 3);
    let pooled = match by_maximum {
        true => net.graph.max_pool(from, window)?,
        false => net.graph.mean_pool(from, window)?,
    };
    chain(net, pooled, block, &[("branch_pool", 1, 1)])
}

fn joined(net: &mut Layers<'_>, parts: Parts) -> Result<MapId> {
    Ok(net.graph.concat(&parts)?)
}

fn of_squares(net: &mut Layers<'_>, x: MapId, block: &str) -> Result<MapId> {
    let one = chain(net, x, block, &[("branch1x1", 1, 1)])?;
    let five = chain(net, x, block, &[("branch5x5_1", 1, 1), ("branch5x5_2", 5, 5)])?;
    let units = [("branch3x3dbl_1", 1, 1), ("branch3x3dbl_2", 3, 3), ("branch3x3dbl_3", 3, 3)];
    let three = chain(net, x, block, &units)?;
    let pool = pooled(net, x, block, false)?;
    joined(net, vec![one, five, three, pool])
}

fn first_reduction(net: &mut Layers<'_>, x: MapId, block: &str) -> Result<MapId> {
    let half = Window::square(3, 2, 0);
    let three = unit(net, x, &format!("{block}.branch3x3"), half)?;
    let double = chain(net, x, block, &[("branch3x3dbl_1", 1, 1), ("branch3x3dbl_2", 3, 3)])?;
    let double = unit(net, double, &format!("{block}.branch3x3dbl_3"), half)?;
    let pool = net.graph.max_pool(x, half)?;
    joined(net, vec![three, double, pool])
}

fn of_lines(net: &mut Layers<'_>, x: MapId, block: &str) -> Result<MapId> {
    let one = chain(net, x, block, &[("branch1x1", 1, 1)])?;
    let units = [("branch7x7_1", 1, 1), ("branch7x7_2", 1, 7), ("branch7x7_3", 7, 1)];
    let seven = chain(net, x, block, &units)?;
    let units = [
        ("branch7x7dbl_1", 1, 1),
        ("branch7x7dbl_2", 7, 1),
        ("branch7x7dbl_3", 1, 7),
        ("branch7x7dbl_4", 7, 1),
        ("branch7x7dbl_5", 1, 7),
    ];
    let double = chain(net, x, block, &units)?;
    let pool = pooled(net, x, block, false)?;
    joined(net, vec![one, seven, double, pool])
}

fn second_reduction(net: &mut Layers<'_>, x: MapId, block: &str) -> Result<MapId> {
    let half = Window::square(3, 2, 0);
    let three = chain(net, x, block, &[("branch3x3_1", 1, 1)])?;
    let three = unit(net, three, &format!("{block}.branch3x3_2"), half)?;
    let units = [("branch7x7x3_1", 1, 1), ("branch7x7x3_2", 1, 7), ("branch7x7x3_3", 7, 1)];
    let seven = chain(net, x, block, &units)?;
    let seven = unit(net, seven, &format!("{block}.branch7x7x3_4"), half)?;
    let pool = net.graph.max_pool(x, half)?;
    joined(net, vec![three, seven, pool])
}

fn of_fans(net: &mut Layers<'_>, x: MapId, block: &str, by_maximum: bool) -> Result<MapId> {
    let one = chain(net, x, block, &[("branch1x1", 1, 1)])?;
    let stem = chain(net, x, block, &[("branch3x3_1", 1, 1)])?;
    let three = fan(net, stem, block, ["branch3x3_2a", "branch3x3_2b"])?;
    let stem = chain(net, x, block, &[("branch3x3dbl_1", 1, 1), ("branch3x3dbl_2", 3, 3)])?;
    let double = fan(net, stem, block, ["branch3x3dbl_3a", "branch3x3dbl_3b"])?;
    let pool = pooled(net, x, block, by_maximum)?;
    joined(net, [vec![one], three, double, vec![pool]].concat())
}

/// A row and a column of three, beside each other.
fn fan(net: &mut Layers<'_>, from: MapId, block: &str, names: [&str; 2]) -> Result<Parts> {
    let row = chain(net, from, block, &[(names[0], 1, 3)])?;
    Ok(vec![row, chain(net, from, block, &[(names[1], 3, 1)])?])
}
