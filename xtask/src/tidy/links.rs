//! Links between the files of the repository.

use crate::finding::Finding;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts().filter(|(path, _)| path.ends_with(".md")) {
        for (line, link) in links(text) {
            let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let Some(target) = resolve(path, target) else {
                findings.push(Finding::new(path, line, format!("link `{link}` leaves the repository")));
                continue;
            };
            let headings = || repo.text(&target).is_none_or(|text| has_heading(text, anchor));
            if !repo.has(&target) {
                let message = format!("link `{link}` leads nowhere: there is no {target}; mend or remove it");
                findings.push(Finding::new(path, line, message));
            } else if !anchor.is_empty() && target.ends_with(".md") && !headings() {
                findings.push(Finding::new(
                    path,
                    line,
                    format!("link `{link}`: {target} has no such heading"),
                ));
            }
        }
    }
    findings
}

/// Line and target of every relative link outside code, from Markdown and from HTML attributes.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (i, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for part in prose.split(open).skip(1) {
                let target = part.split(close).next().unwrap_or_default();
                links.push((i + 1, target.split_whitespace().next().unwrap_or_default().to_string()));
            }
        }
    }
    links.retain(|(_, target)| !target.contains(':') && !target.starts_with("//"));
    links
}

/// The path from the root of a link in `from`; `None` above the root.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_string());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn has_heading(text: &str, anchor: &str) -> bool {
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line.trim_start_matches('#')) == anchor)
}

/// A heading's anchor: lower case, spaces to hyphens, other punctuation gone.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(usize, String)> {
        let repo = Repo::of(&[
            ("docs/a.md", text),
            ("docs/b.md", "# Two words, here\n"),
            ("README.md", ""),
            ("results/a.png", ""),
        ]);
        check(&repo).into_iter().map(|f| (f.line, f.message)).collect()
    }

    #[test]
    fn links_that_resolve_pass() {
        let text = "[b](b.md) [b](./b.md#two-words-here) [up](../README.md) [results](../results/)\n\
                    <img src=\"../results/a.png\"> [web](https://example.org/x) [here](#a-b)\n# A b\n";
        assert_eq!(of(text), []);
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in
            ["[x](c.md)", "![x](../results/b.png)", "<img src=\"c.png\">", "[x](b.md#three)", "[x](#none)"]
        {
            let found = of(&format!("\n{link}\n"));
            assert!(found.len() == 1 && found[0].0 == 2, "{link}: {found:?}");
        }
        assert!(of("[x](../../x.md)")[0].1.contains("leaves the repository"));
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(of("`a[0](x)` \n```\n[x](c.md)\n```\n"), []);
    }
}
