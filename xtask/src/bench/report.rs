//! What was found, with where and how, as text and as files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::plot;
use crate::machine::Machine;

/// Everything one call of `bench` measured, the command, the machine and the revision.
pub(super) struct Report {
    machine: Machine,
    command: String,
    settings: String,
    findings: Findings,
}

/// What one kind of measurement found.
pub(super) struct Findings {
    /// Markdown.
    pub(super) text: String,
    /// What the programs printed, run by run.
    pub(super) runs: Vec<Value>,
    /// The numbers of the tables.
    pub(super) summary: Value,
    /// Panels of lines.
    pub(super) plot: Option<Value>,
}

impl Report {
    pub(super) fn new(machine: Machine, settings: String, findings: Findings) -> Self {
        // Where a program lies on this machine is of no use on another.
        let name = |arg: String| match Path::new(&arg) {
            path if path.is_absolute() => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            _ => arg,
        };
        let args: Vec<String> = std::env::args().skip(1).map(name).collect();
        Report { machine, command: format!("cargo xtask {}", args.join(" ")), settings, findings }
    }

    /// Tables with the machine above them.
    pub(super) fn markdown(&self) -> String {
        let Machine { load, revision, rustc, .. } = &self.machine;
        let load = load.map_or("unknown".to_string(), |load| load.to_string());
        let mut text = String::new();
        let _ = writeln!(text, "- command: `{}`", self.command);
        let _ = writeln!(text, "- settings: {}", self.settings);
        let _ = writeln!(text, "- machine: {}", self.machine.describe());
        let _ = writeln!(text, "- load average before: {load}; revision {revision}; {rustc}");
        text + &self.findings.text
    }

    fn json(&self) -> Value {
        json!({
            "command": self.command,
            "settings": self.settings,
            "revision": self.machine.revision,
            "rustc": self.machine.rustc,
            "machine": {
                "cpu": self.machine.cpu,
                "cores": self.machine.cores,
                "features": self.machine.features,
                "load_before": self.machine.load,
            },
            "runs": self.findings.runs,
            "summary": self.findings.summary,
        })
    }

    /// Writes the runs to `path`, and table and plot beside it.
    pub(super) fn write(&self, root: &Path, path: &Path) -> Result<()> {
        let mut table = self.markdown();
        if let Some(panels) = &self.findings.plot {
            let file = path.with_extension("svg");
            plot::draw(root, panels, &file)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(table, "\n![seconds, on logarithmic axes]({name})");
        }
        write(path, &(serde_json::to_string_pretty(&self.json())? + "\n"))?;
        write(&path.with_extension("md"), &table)
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_stands_above_the_table_and_in_the_file() {
        let machine = Machine {
            cpu: "cpu".to_string(),
            cores: 2,
            features: vec!["fma".to_string()],
            load: None,
            revision: "r1".to_string(),
            rustc: "rustc 1".to_string(),
        };
        let summary = json!({ "sweep_s": 1 });
        let findings = Findings { text: "\n| a |\n".to_string(), runs: vec![json!(7)], summary, plot: None };
        let report = Report::new(machine, "`--batch 1`".to_string(), findings);
        let text = report.markdown();
        let lines = "- settings: `--batch 1`\n- machine: cpu, 2 cores, fma\n\
                     - load average before: unknown; revision r1; rustc 1\n\n| a |\n";
        assert!(text.ends_with(lines), "{text}");
        let json = report.json();
        assert_eq!((&json["runs"][0], &json["revision"]), (&json!(7), &json!("r1")));
    }
}
