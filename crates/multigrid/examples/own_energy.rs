//! An energy of one's own on images: neighbours like to be alike, and all values like to be small. Writes `own-energy.png`.
//!
//! ```text
//! cargo run --release -p multigrid --example own_energy
//! ```

use multigrid::prelude::*;

fn main() -> multigrid::Result<()> {
    Images::drawn_from(&energy_fn(smooth), 8, (3, 16, 16), Key::new(1))?.save_sheet("own-energy.png")
}

/// U(x) = 20 (|down - up|^2 + |right - left|^2) / 2 + 2 |x|^2 of every image, [n].
fn smooth(x: &Tensor) -> candle_core::Result<Tensor> {
    let side = x.dim(3)? - 1;
    let down = (x.narrow(2, 1, side)? - x.narrow(2, 0, side)?)?.sqr()?.flatten_from(1)?.sum(1)?;
    let right = (x.narrow(3, 1, side)? - x.narrow(3, 0, side)?)?.sqr()?.flatten_from(1)?.sum(1)?;
    ((down + right)? * 10.0)? + (x.sqr()?.flatten_from(1)?.sum(1)? * 2.0)?
}
