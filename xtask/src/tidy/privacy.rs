//! The project stands alone: no path of somebody's machine, no host that only some can reach.

use crate::finding::Finding;
use crate::repo::Repo;

/// Folders of somebody's machine, written in halves so that this file passes its own check.
const FOLDERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers\\"),
];

/// Last labels of names that no public server answers to.
const PRIVATE_SUFFIXES: &[&str] = &["internal", "local", "localdomain", "lan", "corp", "intranet", "home"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts() {
        for (i, line) in text.lines().enumerate() {
            if let Some(folder) = folder(line) {
                let message =
                    format!("names `{folder}`, a folder of one machine; use a path from the repository");
                findings.push(Finding::new(path, i + 1, message));
            }
            for host in hosts(line).filter(|host| is_private(host)) {
                let message = format!("names the host `{host}`, which not everybody reaches; remove it");
                findings.push(Finding::new(path, i + 1, message));
            }
            if path == "Cargo.lock" && line.starts_with("source = ") && !line.contains(CRATES_IO) {
                let message = "a package from elsewhere than crates.io; take it from crates.io";
                findings.push(Finding::new(path, i + 1, message));
            }
        }
    }
    findings
}

/// The first of `FOLDERS` that begins a path in `line`.
fn folder(line: &str) -> Option<&'static str> {
    let begins = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "\"'`(=:,<[".contains(c))
    };
    FOLDERS.iter().copied().find(|folder| line.match_indices(folder).any(|(at, _)| begins(at)))
}

/// The hosts of all web, ssh and git addresses in `line`.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let starts = line
        .match_indices("://")
        .filter(|(at, _)| ["http", "https", "ssh", "git"].iter().any(|scheme| line[..*at].ends_with(scheme)));
    starts.map(|(at, _)| {
        let rest = &line[at + 3..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._@".contains(c))).unwrap_or(rest.len());
        let host = &rest[..end];
        host.rsplit('@').next().unwrap_or(host).trim_end_matches('.')
    })
}

fn is_private(host: &str) -> bool {
    let labels: Vec<&str> = host.split('.').collect();
    let numbers: Vec<u8> = labels.iter().filter_map(|label| label.parse().ok()).collect();
    match (labels.as_slice(), numbers.as_slice()) {
        ([""] | ["localhost"], _) => false,
        ([_], _) => true,
        (_, [10, _, _, _] | [192, 168, _, _] | [172, 16..=31, _, _]) => true,
        _ => labels.last().is_some_and(|last| PRIVATE_SUFFIXES.contains(last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> usize {
        check(&Repo::of(&[("a.md", text)])).len()
    }

    #[test]
    fn machine_paths_are_found() {
        for folder in FOLDERS {
            for line in [format!("cd {folder}main"), format!("\"{folder}x\""), format!("{folder}x")] {
                assert_eq!(of(&line), 1, "{line}");
            }
        }
    }

    #[test]
    fn paths_inside_other_paths_are_fine() {
        for folder in FOLDERS.iter().filter(|folder| folder.starts_with('/')) {
            assert_eq!(of(&format!("https://example.org{folder}x $DIR{folder}x a{folder}b")), 0, "{folder}");
        }
    }

    #[test]
    fn private_hosts_are_found() {
        for host in
            ["proxy", "registry.corp", "10.0.0.7", "192.168.1.1", "ci.example.internal:8080", "u@nas.lan"]
        {
            assert_eq!(of(&format!("see http://{host}/x")), 1, "{host}");
        }
    }

    #[test]
    fn public_hosts_and_this_machine_are_fine() {
        for host in ["example.org", "localhost:8080", "127.0.0.1:3000", "docs.rs.", "{host}"] {
            assert_eq!(of(&format!("see https://{host}/x")), 0, "{host}");
        }
    }

    #[test]
    fn a_mirror_in_the_lock_file_is_found() {
        let lock =
            |source: &str| check(&Repo::of(&[("Cargo.lock", &format!("source = \"{source}\""))])).len();
        assert_eq!(lock(CRATES_IO), 0);
        assert_eq!(lock("sparse+https://mirror.example.org/index/"), 1);
    }
}
