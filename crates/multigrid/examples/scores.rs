//! How near the images of one folder are to those of another.
//!
//! ```text
//! cargo run --release -p multigrid --example scores -- [images] [reference]
//! ```
//!
//! Without folders, the embedded portraits are compared with themselves: distances are 0, precision and recall are 1.

use multigrid::prelude::*;

fn main() -> multigrid::Result<()> {
    let folder = |at| std::env::args().nth(at).unwrap_or_else(|| "portraits".to_owned());
    println!("{}", Scores::between_folders(folder(1), folder(2))?);
    Ok(())
}
