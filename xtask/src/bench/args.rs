//! What `cargo xtask bench` is asked for.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::choices::{Device, Method, Network, Norm, Precision, What, name};

/// Time the Langevin sweep, a single image, every convolution, the growth of the cost, support vector machines, compared
/// systems, or backbones.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to time
    #[arg(value_enum, default_value = "sweep")]
    pub(super) what: What,
    /// A Python that has torch, for svm scikit-learn; the peer runs only with it [sweep, single, svm,
    /// baselines, backbone]
    #[arg(long, value_name = "PYTHON")]
    pub(super) peer: Option<String>,
    /// The peer's script, which prints the same JSON line
    /// [default: xtask/peer/torch_multigrid.py; svm: xtask/peer/sklearn_svm.py; baselines:
    /// xtask/peer/torch_baselines.py; backbone: xtask/peer/torch_backbones.py]
    #[arg(long, value_name = "FILE")]
    pub(super) peer_script: Option<PathBuf>,
    /// How often everything is run; the tables hold medians and extremes of the runs
    #[arg(long, default_value_t = 3)]
    pub(super) runs: usize,
    /// Arithmetic of both sides [default: f32; micro: both]
    #[arg(long, value_enum)]
    precision: Option<Precision>,
    /// Normalisation of the nets [default: none]
    #[arg(long, value_enum)]
    norm: Option<Norm>,
    /// Images per batch [default: 100; single: 1; baselines: the method's own]
    #[arg(long)]
    batch: Option<usize>,
    /// The compared system [baselines; default: dcgan]
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// The network [backbone; default: lite0]
    #[arg(long, value_enum)]
    network: Option<Network>,
    /// Labelled images of a draw, all classes together [default: 1000]
    #[arg(long)]
    labels: Option<usize>,
    /// Draws in a run [default: 1]
    #[arg(long)]
    draws: Option<usize>,
    /// Threads of both sides [default: 2; micro: 1]
    #[arg(long)]
    threads: Option<usize>,
    /// Where both sides compute; a GPU builds ours with cudnn or metal [sweep, single]
    #[arg(long, value_enum)]
    device: Option<Device>,
    /// Let the peer compile its nets (torch.compile) [sweep, single]
    #[arg(long)]
    pub(super) peer_compile: bool,
    /// Timed steps of each grid in a run [default: 5; single: 50]
    #[arg(long)]
    repeats: Option<usize>,
    /// Write the runs to this file, and a table (and plot) of the same name beside it
    #[arg(long, value_name = "FILE.json")]
    pub(super) json: Option<PathBuf>,
}

impl Args {
    /// An option that would change nothing is a misunderstanding.
    pub(super) fn check(&self) -> Result<()> {
        use What::{Backbone, Baselines, Scaling, Single, Svm, Sweep};
        ensure!(self.runs > 0, "--runs 0 measures nothing; give at least 1");
        let numbers = [
            ("--batch", self.batch),
            ("--labels", self.labels),
            ("--draws", self.draws),
            ("--threads", self.threads),
            ("--repeats", self.repeats),
        ];
        for (option, number) in numbers {
            ensure!(number != Some(0), "{option} 0 measures nothing; give at least 1");
        }
        let given = [
            ("--peer", self.peer.is_some(), &[Sweep, Single, Svm, Baselines, Backbone][..]),
            ("--device", self.device.is_some(), &[Sweep, Single]),
            ("--peer-compile", self.peer_compile, &[Sweep, Single]),
            ("--precision", self.precision.is_some(), &[Sweep, Single, Scaling, Baselines]),
            ("--norm", self.norm.is_some(), &[Sweep, Single, Scaling]),
            ("--batch", self.batch.is_some(), &[Sweep, Scaling, Baselines, Backbone]),
            ("--method", self.method.is_some(), &[Baselines]),
            ("--network", self.network.is_some(), &[Backbone]),
            ("--labels", self.labels.is_some(), &[Svm]),
            ("--draws", self.draws.is_some(), &[Svm]),
            ("--threads", self.threads.is_some(), &[Sweep, Single, Scaling, Svm, Baselines, Backbone]),
            ("--repeats", self.repeats.is_some(), &[Sweep, Single, Scaling, Baselines, Backbone]),
        ];
        for (option, _, with) in given.into_iter().filter(|(_, given, _)| *given) {
            let what = name(&self.what);
            ensure!(with.contains(&self.what), "`bench {what}` takes no {option}; leave it away");
        }
        if let Some(path) = &self.json {
            let path_shown = path.display();
            ensure!(
                path.extension().is_some_and(|end| end == "json"),
                "--json {path_shown}: the name must end in .json; the table goes beside it as .md"
            );
        }
        Ok(())
    }

    pub(super) fn device(&self) -> Device {
        self.device.unwrap_or(Device::Cpu)
    }

    pub(super) fn threads(&self) -> usize {
        if self.what == What::Micro { 1 } else { self.threads.unwrap_or(2) }
    }

    /// The options that both sides understand.
    pub(super) fn options(&self) -> Vec<String> {
        let number = |given: Option<usize>, otherwise: usize| given.unwrap_or(otherwise).to_string();
        let precision = ("--precision", name(&self.precision.unwrap_or(Precision::F32)));
        let threads = ("--threads", self.threads().to_string());
        let pairs = match self.what {
            What::Svm => {
                vec![("--labels", number(self.labels, 1000)), ("--draws", number(self.draws, 1)), threads]
            }
            What::Backbone => vec![
                ("--network", name(&self.network.unwrap_or(Network::Lite0))),
                ("--batch", number(self.batch, 50)),
                threads,
                ("--repeats", number(self.repeats, 5)),
            ],
            What::Baselines => {
                let method = self.method.unwrap_or(Method::Dcgan);
                vec![
                    ("--method", name(&method)),
                    precision,
                    ("--batch", number(self.batch, method.batch())),
                    threads,
                    ("--repeats", number(self.repeats, 10)),
                ]
            }
            What::Sweep | What::Single | What::Micro | What::Scaling => {
                let (batch, repeats) = if self.what == What::Single { (1, 50) } else { (100, 5) };
                vec![
                    ("--device", name(&self.device())),
                    precision,
                    ("--norm", name(&self.norm.unwrap_or(Norm::None))),
                    ("--batch", number(self.batch, batch)),
                    threads,
                    ("--repeats", number(self.repeats, repeats)),
                ]
            }
        };
        pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
    }

    /// What was measured, for the report.
    pub(super) fn settings(&self) -> String {
        let how = match self.what {
            What::Micro => {
                "one thread, no normalisation, a block of images, the least of 25 times".to_string()
            }
            _ => format!("`{}`", self.options().join(" ")),
        };
        format!("{how}; runs: {}", self.runs)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Args {
        Line::try_parse_from(format!("bench {line}").split_whitespace()).expect("a command line").args
    }

    #[test]
    fn without_a_word_it_is_the_sweep() {
        let args = parse("--peer python");
        assert_eq!(args.what, What::Sweep);
        assert!(args.check().is_ok());
        let options = "--device cpu --precision f32 --norm none --batch 100 --threads 2 --repeats 5";
        assert_eq!(args.options().join(" "), options);
    }

    #[test]
    fn a_single_image_is_a_batch_of_one_with_more_repeats() {
        let options = parse("single --precision bf16 --threads 1").options().join(" ");
        assert_eq!(options, "--device cpu --precision bf16 --norm none --batch 1 --threads 1 --repeats 50");
    }

    #[test]
    fn support_vector_machines_have_options_of_their_own() {
        let args = parse("svm --labels 2000 --peer python");
        assert!(args.check().is_ok());
        assert_eq!(args.options().join(" "), "--labels 2000 --draws 1 --threads 2");
    }

    #[test]
    fn compared_systems_have_batches_of_their_own() {
        let options = |line: &str| parse(line).options().join(" ");
        let dcgan = "--method dcgan --precision f32 --batch 128 --threads 2 --repeats 10";
        assert_eq!(options("baselines"), dcgan);
        let wgan = "--method wgan --precision bf16 --batch 64 --threads 2 --repeats 10";
        assert_eq!(options("baselines --method wgan --precision bf16"), wgan);
        let cooperative = "--method cooperative --precision f32 --batch 100 --threads 2 --repeats 3";
        assert_eq!(options("baselines --method cooperative --repeats 3"), cooperative);
    }

    #[test]
    fn options_that_would_change_nothing_are_errors() {
        for line in [
            "single --batch 2",
            "micro --peer python",
            "micro --threads 2",
            "scaling --device cuda",
            "scaling --peer python",
            "svm --batch 2",
            "sweep --network lite0",
            "backbone --norm none",
            "svm --labels 0",
            "sweep --labels 100",
            "sweep --method dcgan",
            "baselines --norm none",
            "sweep --runs 0",
            "sweep --batch 0",
            "sweep --json results/bench.md",
        ] {
            assert!(parse(line).check().is_err(), "{line}");
        }
        let error = parse("micro --norm none").check().unwrap_err().to_string();
        assert_eq!(error, "`bench micro` takes no --norm; leave it away");
    }
}
