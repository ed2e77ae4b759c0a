//! A table or figure of the paper as data: `experiments/*.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::template::Template;
use super::variables::{self, Variables};

/// What a file in `experiments/` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Experiment {
    /// Where it is said, from the root.
    #[serde(skip)]
    pub(super) file: String,
    /// As the paper calls it: "Table 2".
    pub(super) title: String,
    /// What it shows, in a sentence.
    pub(super) about: String,
    /// Where in the paper.
    pub(super) source: String,
    /// What else must be said beside every number.
    #[serde(default)]
    pub(super) notes: Vec<String>,
    /// Whether every row is shown on a page of its own.
    #[serde(default)]
    pub(super) page_per_row: bool,
    /// Headings of the numbers; none of a figure.
    #[serde(default)]
    pub(super) columns: Vec<Column>,
    /// What is run for a row, in order, unless the row names stages.
    pub(super) stages: Vec<Stage>,
    /// Methods.
    pub(super) rows: Vec<Row>,
    /// Scales, by their names.
    pub(super) profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Column {
    pub(super) name: String,
    /// Digits after the point.
    pub(super) digits: usize,
    /// Whether lower is better, or higher; not given where neither is.
    pub(super) lower: Option<bool>,
}

/// One call of `mg`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    pub(super) name: String,
    /// Words of `mg`. `{out}` is the folder of this stage, `{NAME}` that of an earlier one, `{seed}` the seed, all else a
    /// variable of the row or the profile; `{{` is a brace.
    pub(super) run: Vec<String>,
    /// Numbers in `{out}/scores.json`: to the name of a column the JSON pointer.
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    /// Pictures in `{out}`, and what they show.
    #[serde(default)]
    pub(super) pictures: Vec<(String, String)>,
    /// Whether the pictures show images of the data, beside those synthesized.
    #[serde(default)]
    pub(super) shows_data: bool,
    /// Whether rows do not run it unless they name it.
    #[serde(default)]
    pub(super) on_demand: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) name: String,
    /// Whether it is no method but images of the data, for scale: never the best.
    #[serde(default)]
    pub(super) is_data: bool,
    /// The paper's numbers, by the names of columns.
    #[serde(default)]
    pub(super) paper: BTreeMap<String, f64>,
    /// Stages in place of the usual ones; empty of a method that does not exist here yet.
    pub(super) stages: Option<Vec<String>>,
    /// Its variables, which take the place of the profile's.
    #[serde(default)]
    pub(super) vars: Variables,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// How its numbers differ from the paper's, for the reader.
    pub(super) differs: String,
    /// Seeds unless others are asked for.
    pub(super) seeds: Vec<u64>,
    /// Variables. Those that begin with `data` name sets: what lies there counts into the identity of a result.
    pub(super) vars: Variables,
    /// Rows that this profile runs; all unless given.
    pub(super) rows: Option<Vec<String>>,
}

impl Experiment {
    /// Reads `experiments/NAME.toml`.
    pub(super) fn read(root: &Path, name: &str) -> Result<Self> {
        let file = format!("experiments/{name}.toml");
        let text = std::fs::read_to_string(root.join(&file)).with_context(|| {
            format!("no experiment {name}: there are {}", names(root).unwrap_or_default().join(", "))
        })?;
        Self::parse(&text, file)
    }

    /// Reads what a file says.
    pub(super) fn parse(text: &str, file: String) -> Result<Self> {
        let read = toml::from_str::<Experiment>(text).map_err(anyhow::Error::from);
        let read = read.and_then(|read| read.check().map(|()| read));
        let read = read.with_context(|| format!("{file} is wrong"))?;
        Ok(Experiment { file, ..read })
    }

    pub(super) fn profile(&self, name: &str) -> Result<&Profile> {
        let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        let missing = || format!("{} has no profile {name}, only {}", self.title, names.join(", "));
        self.profiles.get(name).with_context(missing)
    }

    /// The stages of a row, in order.
    pub(super) fn stages_of(&self, row: &Row) -> Vec<&Stage> {
        let wanted = |stage: &&Stage| match &row.stages {
            Some(names) => names.contains(&stage.name),
            None => !stage.on_demand,
        };
        self.stages.iter().filter(wanted).collect()
    }

    fn check(&self) -> Result<()> {
        let stages: Vec<&str> = self.stages.iter().map(|stage| stage.name.as_str()).collect();
        for stage in &self.stages {
            let name = &stage.name;
            self.check_columns(stage.values.keys()).with_context(|| format!("stage {name}"))?;
            for word in &stage.run {
                Template::parse(word).with_context(|| format!("stage {name}"))?;
            }
        }
        for row in &self.rows {
            let name = &row.name;
            self.check_columns(row.paper.keys()).with_context(|| format!("row {name}"))?;
            variables::check(&row.vars, &stages).with_context(|| format!("row {name}"))?;
            for stage in row.stages.iter().flatten() {
                let known = self.stages.iter().any(|known| known.name == *stage);
                ensure!(known, "row {name} names the stage {stage}, which is not there");
            }
        }
        for (name, profile) in &self.profiles {
            variables::check(&profile.vars, &stages).with_context(|| format!("profile {name}"))?;
            for row in profile.rows.iter().flatten() {
                let known = self.rows.iter().any(|known| known.name == *row);
                ensure!(known, "profile {name} names the row {row}, which is not there");
            }
        }
        Ok(())
    }

    fn check_columns<'a>(&self, names: impl Iterator<Item = &'a String>) -> Result<()> {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        for name in names {
            let is_there = columns.contains(&name.as_str());
            ensure!(is_there, "there is no column {name}, only {}", columns.join(" | "));
        }
        Ok(())
    }
}

/// Names of all experiments, tables first.
pub(super) fn names(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("experiments");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort_by_key(|name| (!name.starts_with("table"), name.clone()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_experiment_can_be_read_and_has_every_profile() {
        let root = crate::repo::root();
        let names = names(&root).unwrap();
        for figure in [
            "table1", "table2", "table3", "table4", "figure1", "figure2", "figure3", "figure4", "figure5",
            "figure6",
        ] {
            assert!(names.contains(&figure.to_owned()), "{figure}");
        }
        for name in names {
            let experiment = Experiment::read(&root, &name).unwrap();
            for profile in ["smoke", "cpu", "full"] {
                experiment.profile(profile).unwrap();
            }
        }
    }

    #[test]
    fn the_example_that_explains_the_form_has_it() {
        let page = std::fs::read_to_string(crate::repo::root().join("experiments/README.md")).unwrap();
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let read = Experiment::parse(example, "README.md".to_owned()).unwrap();
        assert_eq!(read.rows.len(), 2);
    }

    #[test]
    fn mistakes_in_an_experiment_are_named() {
        let good = "title = 't'\nabout = 'a'\nsource = 's'\n[[columns]]\nname = 'x'\ndigits = 1\nlower = true\n\
                    [[stages]]\nname = 'one'\nrun = ['train']\n[[rows]]\nname = 'r'\n[profiles.p]\ndiffers = ''\nseeds = [1]\nvars = {}\n";
        let parse = |text: &str| Experiment::parse(text, "experiments/e.toml".to_owned());
        parse(good).unwrap();
        for (from, to, error) in [
            (
                "run = ['train']",
                "run = ['train']\nvalues = { y = '/x' }",
                "stage one: there is no column y, only x",
            ),
            ("run = ['train']", "run = ['{train']", "stage one: `{train` opens a brace"),
            ("run = ['train']", "run = 'train'", "expected a sequence"),
            ("name = 'r'", "name = 'r'\npaper = { y = 1.0 }", "row r: there is no column y, only x"),
            (
                "name = 'r'",
                "name = 'r'\nvars = { seed = '1' }",
                "row r: the variable seed needs another name",
            ),
            ("name = 'r'", "name = 'r'\nvars = { one = '1' }", "row r: the variable one needs another name"),
            ("name = 'r'", "name = 'r'\nvars = { a = ['}'] }", "row r: variable a: `}` closes a brace"),
            ("name = 'r'", "name = 'r'\nstages = ['two']", "row r names the stage two"),
            ("vars = {}", "vars = {}\nrows = ['q']", "profile p names the row q"),
            ("title = 't'", "titel = 't'", "unknown field `titel`"),
        ] {
            let said = format!("{:#}", parse(&good.replace(from, to)).unwrap_err());
            assert!(
                said.starts_with("experiments/e.toml is wrong: ") && said.contains(error),
                "{to}: {said}"
            );
        }
    }
}
