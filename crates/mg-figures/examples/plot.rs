//! Draws panels of lines that other programs hand over: `cargo xtask bench scaling` does.
//!
//! ```text
//! cargo run --release -p mg-figures --example plot -- plot.svg < panels.json
//! ```
//!
//! The input is a list of panels: `[{"title": "a step", "x": "batch", "y": "seconds", "log_x": true, "log_y": true,
//! "lines": [{"name": "grid 4", "points": [[1, 0.01], [2, 0.02]]}]}]`; the file ends in `.svg` or `.png`.

use std::error::Error;
use std::process::ExitCode;

use mg_figures::{Curves, Panels};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    x: String,
    y: String,
    #[serde(default)]
    log_x: bool,
    #[serde(default)]
    log_y: bool,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

fn main() -> ExitCode {
    match draw() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn draw() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("no file; name one that ends in .svg or .png")?;
    let panels: Vec<Panel> = serde_json::from_reader(std::io::stdin().lock())?;
    Ok(Panels::of(panels.into_iter().map(curves)).save(file)?)
}

fn curves(panel: Panel) -> Curves {
    let mut curves = Curves::new(&panel.title, &panel.x, &panel.y);
    if panel.log_x {
        curves = curves.log_x();
    }
    if panel.log_y {
        curves = curves.log_y();
    }
    panel.lines.into_iter().fold(curves, |curves, line| curves.line(&line.name, line.points))
}
