use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use mg_figures::Curves;
use mg_train::RunRecord;
use serde_json::json;

use crate::output::{JsonArgs, make_folder};

/// What quantities are, in words.
const TITLES: [(&str, &str); 3] = [
    ("gap", "mean f(synthesized) - mean f(observed)"),
    ("deviation", "deviation of pixels, chains and data"),
    ("difference", "mean difference of images and their chains, of 255"),
];

/// Curves of one run: a picture for every quantity, a line in it for everything that has it, as `grid4` and `grid16` have a
/// `gap`. What is said of data beside something else stands in its picture.
pub(super) fn plot(run: &RunRecord, out: &Path, json: &JsonArgs) -> Result<()> {
    make_folder(out)?;
    let mut quantities: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names(run) {
        let quantity = name.rsplit('.').next().unwrap_or(name);
        quantities.entry(quantity.strip_prefix("data_").unwrap_or(quantity)).or_default().push(name);
    }
    let mut files = Vec::new();
    for (quantity, names) in quantities {
        let title = TITLES.iter().find(|(known, _)| *known == quantity).map_or(quantity, |(_, title)| title);
        let mut curves = Curves::new(title, "iteration", quantity);
        for name in names {
            let points = run
                .reports
                .iter()
                .filter_map(|report| Some((report.iteration as f64, *report.values.get(name)?)));
            curves = curves.line(&told(name, quantity), points.collect::<Vec<_>>());
        }
        let file = out.join(format!("{quantity}.svg"));
        curves.save(&file)?;
        files.push(file);
    }
    if json.write(&json!({ "files": files }))? {
        for file in files {
            say!("{}", file.display());
        }
    }
    Ok(())
}

/// Names of the values of a run, sorted as people count.
pub(super) fn names(run: &RunRecord) -> Vec<&str> {
    let mut names: Vec<&str> =
        run.reports.iter().flat_map(|report| report.values.keys().map(String::as_str)).collect();
    names.sort_by_key(|name| (number(name), *name));
    names.dedup();
    names
}

/// The first number in a name: grid4 stands before grid16.
fn number(name: &str) -> u64 {
    let digits: String =
        name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// "16x16" of `grid16.gap`, "16x16 data" of `grid16.data_deviation`, the name itself of others.
fn told(name: &str, quantity: &str) -> String {
    let (owner, own) = name.rsplit_once('.').unwrap_or(("", name));
    let owner = owner.strip_prefix("grid").map_or_else(|| owner.to_owned(), |side| format!("{side}x{side}"));
    match own == quantity {
        true if owner.is_empty() => own.to_owned(),
        true => owner,
        false => format!("{owner} data").trim_start().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named_by_their_owner() {
        assert_eq!(told("grid16.gap", "gap"), "16x16");
        assert_eq!(told("grid16.data_deviation", "deviation"), "16x16 data");
        assert_eq!(told("generator.loss", "loss"), "generator");
        assert_eq!(told("loss", "loss"), "loss");
        assert!(number("grid4.gap") < number("grid16.gap"));
    }
}
