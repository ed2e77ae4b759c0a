//! What a report shows, worked out and ready to be written down.

use std::fs;

use anyhow::{Context, Result};

use super::experiment::{Column, Experiment};
use super::measured::Measured;
use super::outcome::{Outcome, Picture};

pub(super) struct Report {
    pub(super) title: String,
    /// What it shows, in a sentence.
    pub(super) about: String,
    /// Where in the paper.
    pub(super) source: String,
    pub(super) profile: String,
    /// How its numbers differ from the paper's.
    pub(super) differs: String,
    pub(super) columns: Vec<Heading>,
    pub(super) rows: Vec<Line>,
    pub(super) notes: Vec<String>,
    /// Of the checkout that wrote it.
    pub(super) revision: String,
    /// A sentence on what computed.
    pub(super) machines: String,
}

/// The heading of a column.
pub(super) struct Heading {
    pub(super) name: String,
    /// Whether the paper has a number in it.
    pub(super) has_paper: bool,
}

/// A row.
pub(super) struct Line {
    pub(super) name: String,
    /// The file of its own page, where it has one.
    pub(super) page: Option<String>,
    /// In the order of the columns.
    pub(super) cells: Vec<Numbers>,
    pub(super) commands: Vec<String>,
    pub(super) figures: Vec<Figure>,
}

/// What stands in a cell.
pub(super) struct Numbers {
    /// Ours, with the deviation over seeds.
    pub(super) ours: String,
    /// The paper's, where its column has any number of the paper.
    pub(super) paper: Option<String>,
    /// Whether ours is the best of its column.
    pub(super) is_best: bool,
}

/// A picture.
pub(super) struct Figure {
    /// Name of its file in the report.
    pub(super) file: String,
    pub(super) shows: String,
    pub(super) bytes: Vec<u8>,
}

impl Report {
    /// # Errors
    /// A picture that cannot be read.
    pub(super) fn of(measured: &Measured<'_>) -> Result<Self> {
        let Experiment { title, about, source, columns, .. } = measured.experiment;
        let heading =
            |column: &Column| Heading { name: column.name.clone(), has_paper: measured.has_paper(column) };
        let rows = measured.rows.iter().map(|row| Line::of(measured, row)).collect::<Result<_>>()?;
        Ok(Report {
            title: title.clone(),
            about: about.clone(),
            source: source.clone(),
            profile: measured.profile_name.to_owned(),
            differs: measured.differs(),
            columns: columns.iter().map(heading).collect(),
            rows,
            notes: measured.notes(),
            revision: measured.revision.to_owned(),
            machines: measured.machines(),
        })
    }

    /// All pictures, row by row.
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.rows.iter().flat_map(|row| &row.figures)
    }
}

impl Line {
    fn of(measured: &Measured<'_>, row: &Outcome) -> Result<Self> {
        let commands: Vec<String> = row.commands().map(|done| done.line()).collect();
        let has_page = measured.experiment.page_per_row && !commands.is_empty();
        let figures = row.pictures().map(|(seed, picture)| {
            let shows = format!("{}, seed {seed}: {}", row.name, picture.shows);
            Figure::read(picture, shows)
        });
        Ok(Line {
            name: row.name.clone(),
            page: has_page.then(|| page_name(&row.name)),
            cells: measured
                .experiment
                .columns
                .iter()
                .map(|column| Numbers::of(measured, row, column))
                .collect(),
            figures: figures.collect::<Result<_>>()?,
            commands,
        })
    }
}

impl Numbers {
    fn of(measured: &Measured<'_>, row: &Outcome, column: &Column) -> Self {
        let digits = column.digits;
        let paper = row.paper.get(&column.name).map_or("-".to_owned(), |value| format!("{value:.digits$}"));
        Numbers {
            ours: ours(row, column),
            paper: measured.has_paper(column).then_some(paper),
            is_best: measured.is_best(row, column),
        }
    }
}

fn ours(row: &Outcome, column: &Column) -> String {
    let digits = column.digits;
    match row.statistics(&column.name) {
        Some((mean, Some(deviation))) => format!("{mean:.digits$} ± {deviation:.digits$}"),
        Some((mean, None)) => format!("{mean:.digits$}"),
        None if row.failures().next().is_some() => "failed".to_owned(),
        None if row.commands().next().is_none() => "not run".to_owned(),
        None => "-".to_owned(),
    }
}

impl Figure {
    fn read(picture: &Picture, shows: String) -> Result<Self> {
        let path = &picture.path;
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Figure { file: picture.file.clone(), shows, bytes })
    }
}

/// The file of a row's own page.
fn page_name(row: &str) -> String {
    let word: String =
        row.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    format!("{word}.html")
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::{experiment, measured, rows};
    use super::*;

    #[test]
    fn methods_are_compared_and_images_of_the_data_are_not() {
        let mut experiment = experiment();
        let of = |experiment: &Experiment| {
            let report = Report::of(&measured(experiment, rows(experiment))).unwrap();
            report
                .rows
                .into_iter()
                .map(|row| (row.cells[0].is_best, row.cells[0].ours.clone()))
                .collect::<Vec<_>>()
        };
        let cells = of(&experiment);
        assert_eq!(cells.iter().filter(|(is_best, _)| *is_best).count(), 1);
        assert_eq!(cells[0], (true, "2.0 ± 1.4".to_owned()));
        experiment.columns[0].lower = None;
        assert!(of(&experiment).iter().all(|(is_best, _)| !is_best), "a column may have no best at all");
    }

    #[test]
    fn pictures_are_numbered_through_all_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs::write(&path, [1, 2, 3]).unwrap();
        let experiment = experiment();
        let mut rows = rows(&experiment);
        for row in [0, 0, 1] {
            let picture = Picture::new(path.clone(), "faces", false);
            rows[row].runs[0].pictures.push(picture);
        }
        let report = Report::of(&measured(&experiment, rows)).unwrap();
        assert_eq!(
            report.figures().map(|figure| figure.file.as_str()).collect::<Vec<_>>(),
            ["01.png", "02.png", "03.png"]
        );
        assert_eq!(report.rows[1].figures[0].bytes, [1, 2, 3]);
    }
}
