//! Eight images from a learned model, written into the folder `drawn`.
//!
//! ```text
//! cargo run --release -p multigrid --example eight_images -- [run, model.safetensors or hf:OWNER/NAME]
//! ```
//!
//! Without a model, a small one is learned from the embedded portraits first, for a few seconds.

use multigrid::prelude::*;

fn main() -> multigrid::Result<()> {
    let model = std::env::args().nth(1).map_or_else(small, Model::load)?;
    model.draw(8).seed(1).images()?.save("drawn")
}

fn small() -> multigrid::Result<Model> {
    Model::learn("portraits", &["model.grids=[1, 4, 16]", "model.width=0.25", "learn.iterations=30"])
}
