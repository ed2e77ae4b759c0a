//! `mg`: learns, samples and measures energy-based generative ConvNets.

use std::process::ExitCode;

fn main() -> ExitCode {
    mg_cli::main(mg_baselines::METHODS)
}
