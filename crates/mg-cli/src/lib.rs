//! The command line of Multigrid, for a program with methods of its own.
//!
//! `mg` is this with the methods of this repository. A program that adds one is as short, and has all of its commands:
//! training and going on with it, sampling, scores, publishing.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     mg_cli::main(mg_train::METHODS)
//! }
//! ```

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "`say!` survives a closed pipe, `progress::tell` a closed terminal"
)]

#[macro_use]
mod say;

mod classify;
mod config;
mod data;
mod device;
mod estimate;
mod eval;
mod fetch;
mod grid;
mod hub;
mod inpaint;
mod loglik;
mod ood;
mod output;
mod probe;
mod problem;
mod progress;
mod publish;
mod runs;
mod sample;
mod session;
mod set;
mod settings;
mod svm;
mod train;
mod usage;
mod uses;
mod watcher;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mg_train::Methods;
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
    /// Score images against reference images: inception score, Fréchet and kernel distance, precision and recall
    Eval(Box<eval::Args>),
    /// Judge features by a linear support vector machine on few labels
    Svm(svm::Args),
    /// Measure how a model's energy tells foreign images from its own
    Ood(ood::Args),
    /// Classify images by the models of several classes (equation 3)
    Classify(classify::Args),
    /// Estimate log Z and the log likelihood of images
    Loglik(loglik::Args),
    /// Learn classifiers from few labels and measure their errors
    Probe(probe::Args),
    /// Publish a model on the hub
    Publish(publish::Args),
    /// List, fetch, inspect and pack sets of images
    #[command(subcommand)]
    Data(data::Command),
    /// List and inspect runs
    #[command(subcommand)]
    Runs(runs::Command),
    /// Show and explain configurations
    #[command(subcommand)]
    Config(config::Command),
}

/// Does what the command line says, with these methods.
pub fn main(methods: Methods) -> ExitCode {
    start_log();
    let cli = Cli::try_parse().unwrap_or_else(|error| usage::end(&error));
    let done = match cli.command {
        Command::Train(args) => train::run(&args, methods),
        Command::Sample(args) => sample::run(&args, methods),
        Command::Inpaint(args) => inpaint::run(&args, methods),
        Command::Eval(args) => eval::run(&args, methods),
        Command::Svm(args) => svm::run(&args, methods),
        Command::Ood(args) => ood::run(&args, methods),
        Command::Classify(args) => classify::run(&args, methods),
        Command::Loglik(args) => loglik::run(&args, methods),
        Command::Probe(args) => probe::run(&args, methods),
        Command::Publish(args) => publish::run(&args, methods),
        Command::Data(command) => data::run(&command),
        Command::Runs(command) => runs::run(&command, methods),
        Command::Config(command) => config::run(&command, methods),
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
