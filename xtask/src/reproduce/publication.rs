//! A report in its folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::measured::Measured;
use super::report::Report;
use super::{markdown, page};

/// Writes README.md, scores.json, index.html and the pictures; where the experiment wants it, a page for every row too.
/// Returns the table.
pub(super) fn write(measured: &Measured<'_>, folder: &Path) -> Result<String> {
    let report = Report::of(measured)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for figure in report.figures() {
        put(&folder.join(&figure.file), &figure.bytes)?;
    }
    put(&folder.join("README.md"), markdown::of(&report).as_bytes())?;
    put(&folder.join("scores.json"), serde_json::to_string_pretty(&measured.scores())?.as_bytes())?;
    for row in &report.rows {
        if let Some(file) = &row.page {
            put(&folder.join(file), page::of_row(&report, row).as_bytes())?;
        }
    }
    put(&folder.join("index.html"), page::of_all(&report).as_bytes())?;
    Ok(markdown::table(&report))
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::done::Done;
    use super::super::measured::tests::{experiment, measured};
    use super::super::outcome::{Outcome, Picture, SeedRun};
    use super::*;

    #[test]
    fn every_row_that_ran_has_a_page_of_its_own_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs::write(&path, [1, 2, 3]).unwrap();
        let mut experiment = experiment();
        experiment.rows[0].name = "multi-grid & more".to_owned();
        experiment.page_per_row = true;
        let mut rows: Vec<Outcome> = experiment.rows.iter().map(Outcome::new).collect();
        rows[0].runs.push(SeedRun {
            seed: 1,
            commands: vec![Done { command: "mg train".to_owned(), ..Done::default() }],
            pictures: vec![Picture::new(path, "faces", false)],
            ..SeedRun::default()
        });
        let out = folder.path().join("report");
        write(&measured(&experiment, rows), &out).unwrap();
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        let (index, row) = (read("index.html"), read("multi-grid---more.html"));
        assert!(index.contains("<a href=\"multi-grid---more.html\">multi-grid &amp; more</a>"));
        assert!(!index.contains("data:image") && row.contains("data:image/png;base64,AQID"));
        assert!(row.contains("<title>multi-grid &amp; more, p</title>") && row.contains("mg train"));
        assert!(!out.join("q.html").exists(), "q was not run");
        assert!(
            read("README.md").contains("![multi-grid & more, seed 1: faces](01.png)")
                && out.join("01.png").is_file()
        );
    }
}
