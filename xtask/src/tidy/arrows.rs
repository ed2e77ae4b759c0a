//! Which crate may use which.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::repo::Repo;

/// A crate and the crates of ours that it may use. Each row uses only rows above it, so the graph has no cycle.
const ARROWS: &[(&str, &[&str])] = &[
    ("xtask", &[]),
    ("faulty-disk", &[]),
    ("mg-random", &[]),
    ("mg-files", &[]),
    ("mg-kernels", &[]),
    ("mg-eval", &["mg-random"]),
    ("mg-figures", &["mg-files"]),
    ("mg-backbone", &["mg-eval", "mg-kernels"]),
    ("mg-pyramid", &["mg-random"]),
    ("mg-data", &["mg-files", "mg-random"]),
    ("mg-hub", &["mg-files"]),
    ("mg-energy", &["mg-kernels", "mg-random"]),
    ("mg-langevin", &["mg-energy", "mg-pyramid", "mg-random"]),
    ("mg-model", &["mg-energy", "mg-langevin", "mg-pyramid", "mg-random"]),
    (
        "mg-train",
        &[
            "mg-data",
            "mg-energy",
            "mg-eval",
            "mg-files",
            "mg-langevin",
            "mg-model",
            "mg-pyramid",
            "mg-random",
        ],
    ),
    (
        "mg-probe",
        &["mg-data", "mg-energy", "mg-eval", "mg-kernels", "mg-model", "mg-pyramid", "mg-random", "mg-train"],
    ),
    (
        "mg-baselines",
        &[
            "mg-data",
            "mg-energy",
            "mg-eval",
            "mg-kernels",
            "mg-langevin",
            "mg-model",
            "mg-pyramid",
            "mg-random",
            "mg-train",
        ],
    ),
    (
        "multigrid",
        &[
            "mg-backbone",
            "mg-baselines",
            "mg-data",
            "mg-energy",
            "mg-eval",
            "mg-figures",
            "mg-files",
            "mg-hub",
            "mg-langevin",
            "mg-model",
            "mg-random",
            "mg-train",
        ],
    ),
    (
        "mg-cli",
        &[
            "mg-backbone",
            "mg-baselines",
            "mg-data",
            "mg-energy",
            "mg-eval",
            "mg-figures",
            "mg-files",
            "mg-hub",
            "mg-kernels",
            "mg-langevin",
            "mg-model",
            "mg-probe",
            "mg-pyramid",
            "mg-random",
            "mg-train",
        ],
    ),
    ("mean-image", &["mg-cli", "mg-langevin", "mg-model", "mg-random", "mg-train"]),
    ("readers", &["mg-baselines", "mg-data", "mg-hub", "mg-model", "mg-pyramid", "mg-train"]),
    ("readers-fuzz", &[]),
];

/// What the tests of every crate may use too: they draw numbers.
const TESTS: &str = "mg-random";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let manifests = repo.texts().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(path, 0, format!("is not TOML: {}", error.message()))],
    };
    let Some(name) = table.get("package").and_then(|p| p.get("name")).and_then(Value::as_str) else {
        return vec![Finding::new(path, 0, "has no package.name")];
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(row, _)| *row == name) else {
        let message =
            format!("{name} has no row in xtask/src/tidy/arrows.rs; add one that says what it may use");
        return vec![Finding::new(path, 0, message)];
    };
    let is_allowed =
        |for_tests: bool, used: &str| allowed.contains(&used) || (for_tests && used == TESTS && used != name);
    let ours = |(_, used): &(bool, String)| used.starts_with("mg-") || used == "xtask";
    let used = dependencies(&table).into_iter().filter(ours);
    let forbidden = used.filter(|(for_tests, used)| !is_allowed(*for_tests, used));
    let message = |used: &str| match allowed {
        [] => format!("{name} must not use {used}: it uses no crate of ours; move the code, not the arrow"),
        _ => format!("{name} must not use {used}, only {}; move the code, not the arrow", allowed.join(", ")),
    };
    forbidden.map(|(_, used)| Finding::new(path, line_of(text, &used), message(&used))).collect()
}

/// The packages under every kind of dependency, for every target, and whether they are for tests only.
fn dependencies(table: &Table) -> Vec<(bool, String)> {
    let mut names = Vec::new();
    for (key, value) in table {
        let Value::Table(inner) = value else { continue };
        if key.ends_with("dependencies") {
            let package = |(name, value): (&String, &Value)| {
                let package = value.get("package").and_then(Value::as_str).unwrap_or(name);
                (key == "dev-dependencies", package.to_string())
            };
            names.extend(inner.iter().map(package));
        } else if key == "target" {
            let targets = inner.values().filter_map(Value::as_table);
            names.extend(targets.flat_map(dependencies));
        }
    }
    names
}

fn line_of(text: &str, name: &str) -> usize {
    let names = |line: &str| line.trim_start().starts_with(name) || line.contains(&format!("\"{name}\""));
    text.lines().position(names).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(manifest: &str) -> Vec<Finding> {
        check(&Repo::of(&[("crates/x/Cargo.toml", manifest)]))
    }

    #[test]
    fn an_arrow_upwards_is_found_in_every_kind_of_dependency() {
        for header in
            ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"]
        {
            let found =
                of(&format!("[package]\nname = \"mg-pyramid\"\n[{header}]\nmg-train.workspace = true\n"));
            assert_eq!(found.len(), 1, "{header}");
            assert_eq!(found[0].line, 4);
            assert!(found[0].message.contains("mg-pyramid must not use mg-train"));
        }
    }

    #[test]
    fn a_renamed_dependency_is_found() {
        let found = of(
            "[package]\nname = \"xtask\"\n[dependencies]\nr = { package = \"mg-random\", version = \"1\" }\n",
        );
        assert_eq!((found.len(), found[0].line), (1, 4));
    }

    #[test]
    fn an_arrow_downwards_and_foreign_crates_are_fine() {
        assert_eq!(
            of("[package]\nname = \"mg-pyramid\"\n[dependencies]\nmg-random = \"1\"\nserde = \"1\"\n"),
            []
        );
    }

    #[test]
    fn tests_draw_numbers() {
        let of = |header: &str| {
            of(&format!("[package]\nname = \"mg-kernels\"\n[{header}]\nmg-random = \"1\"\n")).len()
        };
        assert_eq!((of("dev-dependencies"), of("dependencies")), (0, 1));
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        assert!(of("[package]\nname = \"mg-new\"\n")[0].message.contains("no row"));
    }

    #[test]
    fn each_row_uses_rows_above_it() {
        for (row, (name, used)) in ARROWS.iter().enumerate() {
            for used in *used {
                assert!(ARROWS[..row].iter().any(|(above, _)| above == used), "{name} uses {used}");
            }
        }
    }
}
