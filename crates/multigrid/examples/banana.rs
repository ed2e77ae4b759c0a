//! A law of the plane that no single step size suits, sampled by NUTS.
//!
//! ```text
//! cargo run --release -p multigrid --example banana -- [seed]
//! ```

use multigrid::prelude::*;

fn main() -> multigrid::Result<()> {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let banana = Banana { centre: 0.0, spread: 1.0, curvature: 0.5, width: 0.5 };
    let warmup = Warmup { target: Some(0.95), ..Warmup::default() };
    let sampling = Sampling { n_chains: 4, n_draws: 1000, warmup, ..Sampling::default() };
    let draws = sampling.run(&Nuts::default(), &banana, 2, Key::new(seed))?;
    println!("{}", draws.summary()?);
    Ok(())
}
