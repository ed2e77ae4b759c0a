//! A report as one self-contained page.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::report::{Figure, Line, Report};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #5b6470; --line: #d9dee5; --mark: #e8f3ec; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --paper: #14171b; --soft: #9aa4b1; --line: #2d343d; --mark: #1d3327; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
a { color: inherit; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
p { margin: .5rem 0; }
.soft { color: var(--soft); }
.differs { border-left: 4px solid #c98a1b; padding: .1rem 0 .1rem 1rem; margin: 1.25rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
td { white-space: nowrap; }
th:first-child, td:first-child {
  text-align: left; white-space: normal; min-width: 8rem; position: sticky; left: 0; background: var(--paper);
}
.paper { display: block; color: var(--soft); font-size: .85rem; font-weight: 400; }
td.best { background: var(--mark); font-weight: 600; }
figure { margin: 1.5rem 0; }
figure img {
  display: block; height: auto; max-width: 100%; min-width: min(100%, 24rem);
  background: #fff; border-radius: 4px; image-rendering: pixelated;
}
figcaption { color: var(--soft); font-size: .9rem; margin-top: .4rem; }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 6px; font-size: .85rem; }
";

/// The page of the whole report; pictures are inside it, unless every row has a page of its own.
pub(super) fn of_all(report: &Report) -> String {
    let mut text = head(report, &report.title);
    if !report.columns.is_empty() {
        table(&mut text, report);
    }
    for note in &report.notes {
        let _ = writeln!(text, "<p class=\"soft\">{}</p>", escaped(note));
    }
    for row in report.rows.iter().filter(|row| row.page.is_none()) {
        figures(&mut text, &row.figures);
    }
    commands(&mut text, report, &report.rows);
    text + "</main>\n</html>\n"
}

/// The page of one row.
pub(super) fn of_row(report: &Report, row: &Line) -> String {
    let mut text = head(report, &row.name);
    text.push_str("<p><a href=\"index.html\">All rows</a></p>\n");
    for (column, numbers) in report.columns.iter().zip(&row.cells) {
        let (name, ours) = (escaped(&column.name), escaped(&numbers.ours));
        let _ = writeln!(text, "<p>{name}: <b>{ours}</b></p>");
    }
    figures(&mut text, &row.figures);
    commands(&mut text, report, std::slice::from_ref(row));
    text + "</main>\n</html>\n"
}

fn head(report: &Report, title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{0}, {1}</title>\n\
         <style>{STYLE}</style>\n<main>\n<h1>{0}</h1>\n<p>{2} <span class=\"soft\">({3}; profile {1})</span></p>\n\
         <p class=\"differs\"><b>How this differs from the paper.</b> {4}</p>\n",
        escaped(title),
        escaped(&report.profile),
        escaped(&report.about),
        escaped(&report.source),
        escaped(&report.differs),
    )
}

fn figures(text: &mut String, figures: &[Figure]) {
    for Figure { file, shows, bytes, .. } in figures {
        let kind = if file.ends_with(".svg") { "image/svg+xml" } else { "image/png" };
        let (data, shows) = (STANDARD.encode(bytes), escaped(shows));
        let _ = writeln!(
            text,
            "<figure><img src=\"data:{kind};base64,{data}\" alt=\"{shows}\"><figcaption>{shows}</figcaption></figure>"
        );
    }
}

fn commands(text: &mut String, report: &Report, rows: &[Line]) {
    let _ = writeln!(
        text,
        "<h2>Commands</h2>\n<p class=\"soft\">Revision of this report: {}. {}</p>",
        escaped(&report.revision),
        escaped(&report.machines)
    );
    for row in rows.iter().filter(|row| !row.commands.is_empty()) {
        let lines = escaped(&row.commands.join("\n"));
        let _ = writeln!(text, "<p>{}</p>\n<pre>{lines}</pre>", escaped(&row.name));
    }
}

fn table(text: &mut String, report: &Report) {
    let has_paper = report.columns.iter().any(|column| column.has_paper);
    let legend = if has_paper { format!("ours{}", beside("the paper's")) } else { String::new() };
    let _ = write!(text, "<div class=\"wide\"><table>\n<tr><th>{legend}</th>");
    for column in &report.columns {
        let _ = write!(text, "<th>{}</th>", escaped(&column.name));
    }
    text.push_str("</tr>\n");
    for row in &report.rows {
        let name = escaped(&row.name);
        let _ = match &row.page {
            Some(file) => write!(text, "<tr><td><a href=\"{file}\">{name}</a></td>"),
            None => write!(text, "<tr><td>{name}</td>"),
        };
        for numbers in &row.cells {
            let class = if numbers.is_best { " class=\"best\"" } else { "" };
            let paper = numbers.paper.as_ref().map_or(String::new(), |paper| beside(&escaped(paper)));
            let _ = write!(text, "<td{class}>{}{paper}</td>", escaped(&numbers.ours));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table></div>\n");
}

/// The paper's number, below ours.
fn beside(text: &str) -> String {
    format!("<span class=\"paper\">{text}</span>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
