//! Architecture checks.
//!
//! Each check is a function from the repository's files to findings, in a file of its own, with what it allows
//! as a table at the top. To allow one thing more, add a row and say why.

mod arrows;
mod changelog;
mod circles;
mod file_access;
mod file_size;
mod function_size;
mod imports;
mod links;
mod metadata;
mod modules;
mod nouns;
mod printing;
mod privacy;
mod sources;
mod stubs;
mod unsafety;

use std::path::Path;

use anyhow::{Result, bail};

use crate::finding::Finding;
use crate::repo::Repo;

type Check = fn(&Repo) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("crates use only the crates below them", arrows::check),
    ("no circle of imports between the files of a crate", circles::check),
    ("unsafe stays where it belongs, with its reason", unsafety::check),
    ("only front ends print", printing::check),
    ("only named files touch the disk", file_access::check),
    ("every crate is fit to publish", metadata::check),
    ("files stay readable in one sitting", file_size::check),
    ("functions fit a screen", function_size::check),
    ("nothing is left half done", stubs::check),
    ("nothing names a machine of ours", privacy::check),
    ("the changelog is open", changelog::check),
    ("every relative link resolves", links::check),
];

/// Runs every check; an error when any of them finds something.
pub(crate) fn run(root: &Path) -> Result<()> {
    let repo = Repo::read(root)?;
    let mut found = 0;
    for (claim, check) in CHECKS {
        let findings = check(&repo);
        println!("{} {claim}", if findings.is_empty() { "ok  " } else { "FAIL" });
        for finding in &findings {
            println!("       {finding}");
        }
        found += findings.len();
    }
    if found > 0 {
        bail!("tidy: {found} findings; each names the place and what to do");
    }
    println!("tidy: {} files, {} checks, nothing found", repo.len(), CHECKS.len());
    Ok(())
}

/// A finding for every row of a table of exceptions that no file needs any more.
fn stale_rows<'a>(rows: impl Iterator<Item = &'a str>, used: &[&str], table: &str) -> Vec<Finding> {
    rows.filter(|row| !used.contains(row))
        .map(|row| Finding::new(row, 0, format!("no longer needs its row in {table}; remove the row")))
        .collect()
}
