//! A report as Markdown.

use std::fmt::Write;

use super::report::{Line, Report};

/// The whole report.
pub(super) fn of(report: &Report) -> String {
    let Report { title, about, source, profile, differs, revision, machines, .. } = report;
    let mut text = format!(
        "# {title}, profile `{profile}`\n\n{about} ({source})\n\n**How this differs from the paper:** {differs}\n\n{}\n",
        table(report)
    );
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    for figure in report.figures() {
        let _ = write!(text, "\n![{0}]({1})\n\n{0}\n", figure.shows, figure.file);
    }
    let _ = write!(text, "\n## Commands\n\nRevision of this report: {revision}. {machines}\n\n");
    for row in report.rows.iter().filter(|row| !row.commands.is_empty()) {
        let _ = write!(text, "{}:\n\n```sh\n{}\n```\n\n", row.name, row.commands.join("\n"));
    }
    text
}

/// The table, or the list of what the figure shows.
pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    if report.columns.is_empty() {
        for figure in report.figures() {
            let _ = writeln!(text, "- {}", figure.shows);
        }
        return text;
    }
    let mut headings = Vec::new();
    for column in &report.columns {
        headings.push(column.name.as_str());
        if column.has_paper {
            headings.push("paper");
        }
    }
    let _ = writeln!(text, "| | {} |", headings.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(headings.len()));
    for row in &report.rows {
        let _ = writeln!(text, "| {} | {} |", row.name, cells(row).join(" | "));
    }
    text
}

fn cells(row: &Line) -> Vec<String> {
    let mut cells = Vec::new();
    for numbers in &row.cells {
        let mark = if numbers.is_best { "**" } else { "" };
        cells.push(format!("{mark}{}{mark}", numbers.ours));
        cells.extend(numbers.paper.clone());
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::super::measured::tests::{experiment, measured, rows};
    use super::*;

    #[test]
    fn a_table_holds_our_numbers_beside_the_paper_s() {
        let experiment = experiment();
        let report = Report::of(&measured(&experiment, rows(&experiment))).unwrap();
        let expected = "| | x | paper |\n|---|---:|---:|\n| r | **2.0 ± 1.4** | 4.0 |\n| q | 2.5 | - |\n| data | 0.0 | - |\n| other | not run | 5.0 |\n\
                        | bad | failed | - |\n";
        assert_eq!(table(&report), expected);
        let text = of(&report);
        for part in [
            "profile `p`",
            "mg train  # 1 s, 7 iterations, rev\n```\n",
            "from the paper:** d\n",
            "\n- bad failed, seed 1: it diverged\n- Not shown",
            "\n\nRevision of this report: rev. Rows ran on",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn without_a_number_of_the_paper_there_is_no_column_of_it() {
        let experiment = experiment();
        let mut measured = measured(&experiment, rows(&experiment));
        measured.rows.iter_mut().for_each(|row| row.paper.clear());
        let table = table(&Report::of(&measured).unwrap());
        assert!(table.starts_with("| | x |\n|---|---:|\n| r | **2.0 ± 1.4** |\n"), "{table}");
    }
}
