//! What the numbers were measured on.

use std::path::Path;

use crate::spawn;

/// The processor, the load before the first run, and the revision of the code.
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    /// The vector extensions that matter to convolutions.
    pub(crate) features: Vec<String>,
    /// Mean number of running processes over the last minute, before anything was built.
    pub(crate) load: Option<f64>,
    pub(crate) revision: String,
    pub(crate) rustc: String,
}

const FEATURES: &[&str] =
    &["avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "bf16", "sve"];

impl Machine {
    pub(crate) fn read(root: &Path) -> Self {
        let ask = |program: &str, args: &[&str]| {
            spawn::output(root, program, args).map(|text| text.trim().to_string()).unwrap_or_default()
        };
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let mut cpu = field(&info, "model name").unwrap_or_default().to_string();
        if cpu.is_empty() {
            cpu = ask("sysctl", &["-n", "machdep.cpu.brand_string"]);
        }
        if cpu.is_empty() {
            cpu = std::env::var("PROCESSOR_IDENTIFIER").unwrap_or_else(|_| "unknown".to_string());
        }
        let flags = field(&info, "flags").or(field(&info, "Features")).unwrap_or_default();
        let has = |feature: &&&str| flags.split(' ').any(|flag| flag == **feature);
        let load =
            std::fs::read_to_string("/proc/loadavg").ok().or(Some(ask("sysctl", &["-n", "vm.loadavg"])));
        Machine {
            cpu,
            cores: std::thread::available_parallelism().map_or(0, |n| n.get()),
            features: FEATURES.iter().filter(has).map(|feature| feature.to_string()).collect(),
            load: load.and_then(|text| text.trim_start_matches('{').split_whitespace().next()?.parse().ok()),
            revision: ask("git", &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]),
            rustc: ask("rustc", &["--version"]),
        }
    }

    /// What computes, in a line.
    pub(crate) fn describe(&self) -> String {
        format!("{}, {} cores, {}", self.cpu, self.cores, self.features.join(" "))
    }

    /// A busy machine measures its neighbours.
    pub(crate) fn warn_if_busy(&self, threads: usize) {
        let Some(load) = self.load else { return };
        let room = (self.cores as f64 - threads as f64).max(0.0) + 0.5;
        if load > room {
            eprintln!(
                "warning: load average {load} on {} cores leaves no {threads} threads idle; \
                 times and ratios will be off, stop other work first",
                self.cores
            );
        }
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_is_described() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU\nflags\t\t: fma avx2\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name"), Some("Fast CPU"));
        assert_eq!(field(text, "name"), None);
    }
}
