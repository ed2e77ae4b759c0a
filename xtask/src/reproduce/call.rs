//! One call of `mg`, under a name that says everything its result depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::code::Code;
use super::content::hex;
use super::experiment::Stage;
use super::scope::Scope;
use crate::spawn;

/// A stage of a row with everything filled in.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Its folder, named after all that its result depends on: the task and the code.
    pub(super) out: PathBuf,
    /// Words of `mg`.
    pub(super) words: Vec<String>,
    /// What it is to do, hashed: the words, where folders of earlier stages count by their tasks and sets by what they are.
    pub(super) task: String,
}

impl Call {
    /// Fills in a stage; `folder` holds all results of a profile.
    pub(super) fn new(stage: &Stage, scope: &Scope<'_>, code: &Code, folder: &Path) -> Result<Self> {
        let words = scope.words(&stage.run).with_context(|| format!("stage {}", stage.name))?;
        let identity: Vec<_> = words.iter().map(|word| word.identity()).collect();
        let task = short_hash(json!(identity));
        let key = short_hash(json!({ "code": code.identity(), "task": task }));
        let out = folder.join(format!("{}-{key}", stage.name));
        let place = out.to_str().context("the folder of results is no text")?;
        let words = words.iter().map(|word| word.text(place)).collect();
        Ok(Call { out, words, task })
    }

    /// The command line, to copy and paste.
    pub(super) fn line(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        spawn::line("mg", &words, &[])
    }

    /// Whether it learns: such a call can be stopped and go on.
    pub(super) fn is_training(&self) -> bool {
        self.words.first().is_some_and(|word| word == "train")
    }

    /// A number that it measured, by its JSON pointer.
    pub(super) fn value(&self, pointer: &str) -> Result<f64> {
        let path = self.out.join("scores.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let scores: Value = serde_json::from_slice(&text).context("scores are no JSON")?;
        let value = scores.pointer(pointer).and_then(Value::as_f64);
        value.with_context(|| format!("{} has no number at {pointer}", path.display()))
    }
}

/// The beginning of a hash.
pub(super) fn short_hash(identity: Value) -> String {
    let mut hash = hex(Sha256::new_with_prefix(identity.to_string()));
    hash.truncate(16);
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::variables::SEED;
    use super::super::word::Meaning;
    use super::*;

    fn code(version: &str, revision: &str, changes: Option<&str>) -> Code {
        Code {
            version: version.to_owned(),
            revision: revision.to_owned(),
            changes: changes.map(str::to_owned),
        }
    }

    fn call(
        run: &str,
        vars: &str,
        known: &[(&str, Meaning)],
        contents: &[(&str, &str)],
        code: &Code,
    ) -> Call {
        let stage: Stage = toml::from_str(&format!("name = 'train'\nrun = {run}")).unwrap();
        let variables = toml::from_str(vars).unwrap();
        let owned = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        let contents = contents.iter().map(owned).collect::<BTreeMap<_, _>>();
        let known = known.iter().map(|(name, meaning)| (name.to_string(), meaning.clone())).collect();
        Call::new(&stage, &Scope { variables: &variables, known, contents: &contents }, code, Path::new("r"))
            .unwrap()
    }

    #[test]
    fn the_folder_says_what_a_result_depends_on() {
        let of = |method: &str, code: &Code, seed: &str| {
            let (run, vars) =
                ("['train', '{method}', '--seed', '{seed}', '--run', '{out}']", format!("method = {method}"));
            call(run, &vars, &[(SEED, Meaning::plain(seed))], &[], code)
        };
        let first = of("['--preset', 'full,cd1']", &code("mg 1", "r", None), "3");
        assert_eq!(
            first.line(),
            format!("mg train --preset full,cd1 --seed 3 --run {}", first.out.display())
        );
        assert_eq!(first.out, of("['--preset', 'full,cd1']", &code("mg 1", "r", None), "3").out);
        for (method, code, seed) in [
            ("['--preset', 'full']", code("mg 1", "r", None), "3"),
            ("['--preset full,cd1']", code("mg 1", "r", None), "3"),
            ("['--preset', 'full,cd1']", code("mg 2", "r", None), "3"),
            ("['--preset', 'full,cd1']", code("mg 1", "s", None), "3"),
            ("['--preset', 'full,cd1']", code("mg 1", "r", Some("c")), "3"),
            ("['--preset', 'full,cd1']", code("mg 1", "r", None), "4"),
        ] {
            assert_ne!(first.out, of(method, &code, seed).out, "{method} {code:?} {seed}");
        }
    }

    #[test]
    fn the_task_is_the_same_with_other_code() {
        let of = |code: &Code, word: &str| call(&format!("['{word}', '{{out}}']"), "", &[], &[], code);
        let (first, second) = (of(&code("mg 1", "r", None), "svm"), of(&code("mg 1", "s", None), "svm"));
        assert!(first.task == second.task && first.out != second.out);
        assert_ne!(first.task, of(&code("mg 1", "r", None), "eval").task);
    }

    #[test]
    fn a_result_depends_on_what_the_data_are_and_not_on_where() {
        let contents = [("a", "h1"), ("b", "h1"), ("c", "h2")];
        let out = |data: &str| {
            call("['eval', '{data}']", &format!("data = '{data}'"), &[], &contents, &code("", "", None)).out
        };
        assert_eq!(out("a"), out("b"));
        assert_ne!(out("a"), out("c"));
        assert_ne!(out("a"), out("d"));
    }

    #[test]
    fn a_later_stage_depends_on_the_earlier_one() {
        let eval = |task: &str| {
            let earlier = Meaning { text: "r/train".to_owned(), identity: task.to_owned() };
            call(
                "['eval', '{train}', '--json={out}/s.json']",
                "",
                &[("train", earlier)],
                &[],
                &code("", "", None),
            )
        };
        assert_ne!(eval("k1").task, eval("k2").task);
        assert!(eval("k1").line().starts_with("mg eval r/train --json=r/train-"));
    }
}
