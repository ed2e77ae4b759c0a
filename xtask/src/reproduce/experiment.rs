//! A table or figure of the paper as data: `experiments/*.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What a file in `experiments/` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Experiment {
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
    /// Words of `mg`. `{out}` is the folder of this stage, `{NAME}` that of an earlier one, all else a variable of the row
    /// or the profile.
    pub(super) run: String,
    /// Numbers in `{out}/scores.json`: the column, and the JSON pointer.
    #[serde(default)]
    pub(super) values: Vec<(usize, String)>,
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
    /// The paper's numbers, in order of the columns; shorter where it gives fewer.
    #[serde(default)]
    pub(super) paper: Vec<f64>,
    /// Stages in place of the usual ones; empty of a method that does not exist here yet.
    pub(super) stages: Option<Vec<String>>,
    /// Its variables.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// How its numbers differ from the paper's, for the reader.
    pub(super) differs: String,
    /// Seeds unless others are asked for.
    pub(super) seeds: Vec<u64>,
    /// Variables. Those that begin with `data` name sets: what lies there counts into the identity of a result.
    pub(super) vars: BTreeMap<String, String>,
    /// Rows that this profile runs; all unless given.
    pub(super) rows: Option<Vec<String>>,
}

impl Experiment {
    /// Reads `experiments/NAME.toml`.
    pub(super) fn read(root: &Path, name: &str) -> Result<Self> {
        let path = root.join("experiments").join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no experiment {name}: there are {}", names(root).unwrap_or_default().join(", "))
        })?;
        let read: Experiment =
            toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))?;
        read.check().with_context(|| format!("{} is wrong", path.display()))?;
        Ok(read)
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
        for stage in &self.stages {
            for (column, _) in &stage.values {
                let columns = self.columns.len();
                ensure!(*column < columns, "stage {} has column {column} of {columns}", stage.name);
            }
        }
        for row in &self.rows {
            ensure!(row.paper.len() <= self.columns.len(), "row {} has too many numbers", row.name);
            for name in row.stages.iter().flatten() {
                let known = self.stages.iter().any(|stage| stage.name == *name);
                ensure!(known, "row {} names the stage {name}, which is not there", row.name);
            }
        }
        for (name, profile) in &self.profiles {
            for row in profile.rows.iter().flatten() {
                let known = self.rows.iter().any(|known| known.name == *row);
                ensure!(known, "profile {name} names the row {row}, which is not there");
            }
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
    fn mistakes_in_an_experiment_are_named() {
        let good = "title = 't'\nabout = 'a'\nsource = 's'\n[[columns]]\nname = 'x'\ndigits = 1\nlower = true\n\
                    [[stages]]\nname = 'one'\nrun = 'train'\n[[rows]]\nname = 'r'\n[profiles.p]\ndiffers = ''\nseeds = [1]\nvars = {}\n";
        let check = |text: &str| {
            toml::from_str::<Experiment>(text).map_err(anyhow::Error::from).and_then(|e| e.check())
        };
        check(good).unwrap();
        for (from, to) in [
            ("run = 'train'", "run = 'train'\nvalues = [[1, '/x']]"),
            ("name = 'r'", "name = 'r'\npaper = [1.0, 2.0]"),
            ("name = 'r'", "name = 'r'\nstages = ['two']"),
            ("vars = {}", "vars = {}\nrows = ['q']"),
            ("title = 't'", "titel = 't'"),
        ] {
            assert!(check(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
