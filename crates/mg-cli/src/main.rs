//! `mg`: learns, samples and measures energy-based generative ConvNets.

#![warn(clippy::print_stdout, reason = "`say!` survives a closed pipe")]

#[macro_use]
mod say;

mod config;
mod data;
mod device;
mod estimate;
mod images;
mod inpaint;
mod problem;
mod progress;
mod runs;
mod sample;
mod settings;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Learn, sample and measure energy-based generative ConvNets.
///
/// Data goes to standard output, progress to standard error. MG_LOG=debug says more.
#[derive(Parser)]
#[command(name = "mg", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Learn a model; without arguments, of the embedded portraits
    Train(train::Args),
    /// Draw images from a model, from scratch
    Sample(sample::Args),
    /// Fill in hidden pixels
    Inpaint(inpaint::Args),
    /// List, inspect and pack sets of images
    #[command(subcommand)]
    Data(data::Command),
    /// List and inspect runs
    #[command(subcommand)]
    Runs(runs::Command),
    /// Show and explain configurations
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    start_log();
    let done = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Sample(args) => sample::run(&args),
        Command::Inpaint(args) => inpaint::run(&args),
        Command::Data(command) => data::run(&command),
        Command::Runs(command) => runs::run(&command),
        Command::Config(command) => config::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => problem::report(&error),
    }
}

/// Log lines on standard error: bare on a terminal, with times and without colours in a file.
fn start_log() {
    let filter = EnvFilter::try_from_env("MG_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(progress::LogWriter).with_target(false);
    match progress::is_terminal() {
        true => log.without_time().init(),
        false => log.with_ansi(false).init(),
    }
}
