//! Small images to work on.

use anyhow::Result;

use super::dice::Dice;
use super::tree::{Entry, Tree};

/// Pixels on a side.
const SIDE: usize = 16;

/// A folder of images, and the folders above it.
pub(super) fn folder(name: &str, count: usize) -> Result<Tree> {
    let mut tree = Tree::from([(name.to_owned(), Entry::Folder)]);
    for number in 0..count {
        tree.insert(format!("{name}/{number:03}.png"), Entry::File(picture(name, number)?));
    }
    Ok(tree)
}

/// A file of grey images, in the format of MNIST's: what a bit of it says no other bit confirms.
pub(super) fn grey_file(count: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    for length in [count, SIDE, SIDE] {
        bytes.extend((length as u32).to_be_bytes());
    }
    let mut dice = Dice::of("grey", count);
    bytes.extend((0..count * SIDE * SIDE).map(|place| (place % SIDE * 8 + dice.below(100)) as u8));
    bytes
}

/// A disc on a ground, with some noise.
fn picture(name: &str, number: usize) -> Result<Vec<u8>> {
    let mut dice = Dice::of(name, number);
    let mut colour = || [dice.below(200), dice.below(200), dice.below(200)];
    let (ground, disc) = (colour(), colour());
    let (x, y, radius) = (dice.below(SIDE), dice.below(SIDE), 3 + dice.below(5));
    let mut pixels = Vec::with_capacity(3 * SIDE * SIDE);
    for place in 0..SIDE * SIDE {
        let (across, down) = ((place % SIDE).abs_diff(x), (place / SIDE).abs_diff(y));
        let colour = if across * across + down * down < radius * radius { disc } else { ground };
        pixels.extend(colour.map(|value| (value + dice.below(30)) as u8));
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}
