//! `mg` with one method more.

use std::process::ExitCode;

fn main() -> ExitCode {
    mg_cli::main(mean_image::METHODS)
}
