//! One call of `mg` whose result is kept under a name that says everything it depends on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::spawn;

/// A stage of a row with everything filled in.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its folder.
    pub(super) out: PathBuf,
    /// Words of `mg`.
    pub(super) words: Vec<String>,
    /// What it depends on, hashed.
    pub(super) key: String,
}

/// What a finished stage leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    /// The command line.
    pub(super) command: String,
    pub(super) seconds: f64,
    /// Of a training.
    #[serde(skip)]
    pub(super) iterations: Option<u64>,
    /// Of the code that ran.
    pub(super) revision: String,
    /// That it ran on.
    pub(super) machine: String,
}

impl Done {
    /// The command with what it took, as a comment.
    pub(super) fn line(&self) -> String {
        let Done { command, seconds, revision, .. } = self;
        let iterations = self.iterations.map_or(String::new(), |n| format!("{n} iterations, "));
        format!("{command}  # {seconds:.0} s, {iterations}{revision}")
    }
}

/// What fills in the words of stages.
pub(super) struct Filler<'a> {
    /// Folder of all results of a profile.
    pub(super) folder: &'a Path,
    pub(super) vars: BTreeMap<&'a str, &'a str>,
    /// What lies where a variable points.
    pub(super) contents: &'a BTreeMap<String, String>,
    /// Of everything that decides what `mg train` does, beside its words.
    pub(super) presets: &'a str,
}

const DONE: &str = "done.json";

impl Filler<'_> {
    /// Fills in a template; `earlier` holds the stages before it, by name.
    pub(super) fn call(
        &self,
        name: &str,
        template: &str,
        seed: u64,
        earlier: &BTreeMap<&str, Call>,
    ) -> Result<Call> {
        let (seed, mut words, mut identity) = (seed.to_string(), Vec::new(), vec![self.presets.to_owned()]);
        for word in self.expanded(template)?.split_whitespace() {
            let (mut filled, mut named) = (String::new(), String::new());
            for piece in pieces(word) {
                let (value, means) = match piece {
                    Piece::Text(text) => (text.to_owned(), text.to_owned()),
                    Piece::Name("out") => ("{out}".to_owned(), "{out}".to_owned()),
                    Piece::Name("seed") => (seed.clone(), seed.clone()),
                    Piece::Name(name) => match (earlier.get(name), self.vars.get(name)) {
                        (Some(call), _) => (call.out.display().to_string(), call.key.clone()),
                        (None, Some(value)) => {
                            let means = self.contents.get(*value).cloned();
                            (value.to_string(), means.unwrap_or_else(|| value.to_string()))
                        }
                        (None, None) => bail!("stage {name} is neither a stage before nor a variable"),
                    },
                };
                filled += &value;
                named += &means;
            }
            words.push(filled);
            identity.push(named);
        }
        let key: String =
            Sha256::digest(identity.join("\n")).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let out = self.folder.join(format!("{name}-{key}"));
        let words = words.iter().map(|word| word.replace("{out}", &out.display().to_string())).collect();
        Ok(Call { out, words, key })
    }

    /// Variables that are several words are words of the template.
    fn expanded(&self, template: &str) -> Result<String> {
        let mut text = template.to_owned();
        for (name, value) in &self.vars {
            if !name.starts_with("data") {
                text = text.replace(&format!("{{{name}}}"), value);
            }
        }
        ensure!(
            text.matches('{').count() == text.matches('}').count(),
            "braces of `{template}` do not match"
        );
        Ok(text)
    }
}

enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// `--json={out}/x` as text, name, text.
fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        pieces.extend([Piece::Text(before), Piece::Name(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

impl Call {
    /// The command line, to copy and paste.
    pub(super) fn line(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        spawn::line("mg", &words, &[])
    }

    /// What it left when it was done, if it was.
    pub(super) fn done(&self) -> Option<Done> {
        let done: Done = serde_json::from_slice(&fs::read(self.out.join(DONE)).ok()?).ok()?;
        Some(Done { iterations: iterations(&self.out), ..done })
    }

    /// Runs it, or goes on with it, within a time, and says whether it came to its end.
    pub(super) fn run(
        &self,
        root: &Path,
        mg: &str,
        (revision, machine): (&str, &str),
        resume: bool,
        left: Option<Duration>,
    ) -> Result<bool> {
        let is_training = self.words.first().is_some_and(|word| word == "train");
        let begun = self.out.join("config.toml").is_file();
        let mut words = self.words.clone();
        if is_training && begun && resume {
            words = resumed(&words, seconds_so_far(&self.out));
        } else if self.out.exists() {
            fs::remove_dir_all(&self.out).with_context(|| format!("cannot empty {}", self.out.display()))?;
        }
        fs::create_dir_all(&self.out).with_context(|| format!("cannot make {}", self.out.display()))?;
        let mut is_cut = false;
        if let (true, Some(left)) = (is_training, left) {
            let minutes = left.as_secs_f64() / 60.0;
            let own = position(&words, "--minutes").and_then(|at| words.get(at + 1)?.parse::<f64>().ok());
            if own.is_none_or(|own| own > minutes) {
                is_cut = true;
                set_option(&mut words, "--minutes", &format!("{minutes:.2}"));
            }
        }
        let (start, earlier) = (Instant::now(), seconds_so_far(&self.out));
        spawn::run(root, mg, &words.iter().map(String::as_str).collect::<Vec<_>>(), &[])?;
        if is_cut && !is_whole(&self.out) {
            return Ok(false);
        }
        let seconds = start.elapsed().as_secs_f64() + if resume { earlier } else { 0.0 };
        let done = Done {
            command: self.line(),
            seconds,
            iterations: None,
            revision: revision.to_owned(),
            machine: machine.to_owned(),
        };
        let text = serde_json::to_string_pretty(&done)?;
        let path = self.out.join(DONE);
        fs::write(path.with_extension("part"), text)
            .with_context(|| format!("cannot write {}", path.display()))?;
        fs::rename(path.with_extension("part"), &path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(true)
    }

    /// The numbers that a stage measured.
    pub(super) fn value(&self, pointer: &str) -> Result<f64> {
        let path = self.out.join("scores.json");
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let scores: serde_json::Value = serde_json::from_slice(&text).context("scores are no JSON")?;
        let value = scores.pointer(pointer).and_then(serde_json::Value::as_f64);
        value.with_context(|| format!("{} has no number at {pointer}", path.display()))
    }
}

/// The words that go on with a run: its configuration stays, and of its time the rest is left.
fn resumed(words: &[String], seconds: f64) -> Vec<String> {
    let value = |name: &str| position(words, name).and_then(|at| words.get(at + 1)).cloned();
    let mut resumed = vec!["train".to_owned(), "--resume".to_owned()];
    for name in ["--run", "--minutes", "--threads"] {
        if let Some(value) = value(name) {
            let value = match (name, value.parse::<f64>()) {
                ("--minutes", Ok(minutes)) => format!("{:.3}", (minutes - seconds / 60.0).max(0.0)),
                _ => value,
            };
            resumed.extend([name.to_owned(), value]);
        }
    }
    resumed
}

fn position(words: &[String], name: &str) -> Option<usize> {
    words.iter().position(|word| word == name)
}

fn set_option(words: &mut Vec<String>, name: &str, value: &str) {
    match position(words, name) {
        Some(at) if at + 1 < words.len() => words[at + 1] = value.to_owned(),
        _ => words.extend([name.to_owned(), value.to_owned()]),
    }
}

/// Seconds that a run has learned for.
fn seconds_so_far(run: &Path) -> f64 {
    last_line(&run.join("times.jsonl")).and_then(|line| line["seconds"].as_f64()).unwrap_or(0.0)
}

/// Iterations that a run has done.
fn iterations(run: &Path) -> Option<u64> {
    last_line(&run.join("metrics.jsonl"))?["iteration"].as_u64()
}

/// Whether a run has done all its iterations.
fn is_whole(run: &Path) -> bool {
    let config = fs::read_to_string(run.join("config.toml")).unwrap_or_default();
    let config = config.parse::<toml::Table>().unwrap_or_default();
    let of = config.get("learn").and_then(|learn| learn.get("iterations")?.as_integer());
    iterations(run).zip(of).is_some_and(|(done, of)| i64::try_from(done).is_ok_and(|done| done >= of))
}

fn last_line(path: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(fs::read_to_string(path).ok()?.lines().next_back()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filler<'a>(
        vars: &[(&'a str, &'a str)],
        contents: &'a BTreeMap<String, String>,
        presets: &'a str,
    ) -> Filler<'a> {
        Filler { folder: Path::new("results"), vars: vars.iter().copied().collect(), contents, presets }
    }

    #[test]
    fn words_are_filled_in_and_the_key_says_what_they_depend_on() {
        let (none, earlier) = (BTreeMap::new(), BTreeMap::new());
        let of = |vars: &[(&'static str, &'static str)], presets, seed| {
            filler(vars, &none, presets)
                .call("train", "train {method} --seed {seed} --run {out}", seed, &earlier)
                .unwrap()
        };
        let call = of(&[("method", "--preset full,cd1")], "p", 3);
        assert_eq!(call.line(), format!("mg train --preset full,cd1 --seed 3 --run {}", call.out.display()));
        assert_ne!(call.key, of(&[("method", "--preset full")], "p", 3).key);
        assert_ne!(call.key, of(&[("method", "--preset full,cd1")], "q", 3).key);
        assert_ne!(call.key, of(&[("method", "--preset full,cd1")], "p", 4).key);
        assert_eq!(call.key, of(&[("method", "--preset full,cd1")], "p", 3).key);
    }

    #[test]
    fn a_result_depends_on_what_the_data_are_and_not_on_where() {
        let earlier = BTreeMap::new();
        let contents = [
            ("a".to_owned(), "h1".to_owned()),
            ("b".to_owned(), "h1".to_owned()),
            ("c".to_owned(), "h2".to_owned()),
        ]
        .into();
        let key = |data| {
            filler(&[("data", data)], &contents, "")
                .call("x", "eval --input {data}", 1, &earlier)
                .unwrap()
                .key
        };
        assert_eq!(key("a"), key("b"));
        assert_ne!(key("a"), key("c"));
        assert_ne!(key("a"), key("d"));
    }

    #[test]
    fn a_later_stage_depends_on_the_earlier_one() {
        let none = BTreeMap::new();
        let (filler, before) = (filler(&[], &none, ""), BTreeMap::new());
        let train = |steps: &str| {
            filler.call("train", &format!("train --steps {steps} --run {{out}}"), 1, &before).unwrap()
        };
        let eval = |steps: &str| {
            let earlier = [("train", train(steps))].into();
            filler.call("eval", "eval --input {train} --json={out}/scores.json", 1, &earlier).unwrap()
        };
        assert_ne!(eval("1").key, eval("2").key);
        assert!(eval("1").line().contains(&train("1").out.display().to_string()));
        assert!(filler.call("eval", "eval {nothing}", 1, &before).is_err());
    }

    #[test]
    fn a_resumed_training_keeps_its_folder_and_the_rest_of_its_time() {
        let words: Vec<String> =
            "train --preset full --minutes 10 --run r".split(' ').map(str::to_owned).collect();
        assert_eq!(resumed(&words, 90.0).join(" "), "train --resume --run r --minutes 8.500");
    }
}
