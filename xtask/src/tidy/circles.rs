//! Files of a crate that need each other in a circle: none of them can be read, tested or moved without the others.
//!
//! A file and the files below it (`a.rs` and `a/*.rs`) are one noun, seen from outside. Among themselves the files below it
//! are nouns again; the file above them, which declares them and lends them its names, does not count there. So neither
//! `lib.rs` nor `main.rs` ever does.

use std::collections::BTreeMap;

use super::modules::{Module, ModulePath, Modules};
use super::nouns::{Arrow, Nouns};
use super::sources;
use crate::finding::Finding;
use crate::repo::Repo;

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let files = sources::all(repo);
    let folders =
        Modules::of_all(&files).into_iter().flat_map(|modules| nouns_by_folder(&modules).into_values());
    folders
        .flat_map(|nouns| nouns.knots().iter().map(|knot| finding(&nouns, knot)).collect::<Vec<_>>())
        .collect()
}

/// All arrows of a crate, by the folder in which they are between neighbours.
fn nouns_by_folder(modules: &Modules<'_>) -> BTreeMap<String, Nouns> {
    let mut folders: BTreeMap<String, Nouns> = BTreeMap::new();
    for (from, module) in &modules.files {
        for (to, line, name) in taken(modules, from, module) {
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // One lies below the other: they are one noun.
            let (Some(own), Some(other)) = (from.get(shared), to.get(shared)) else { continue };
            let folder = [&[modules.root.to_owned()], &from[..shared]].concat().join("/");
            let arrow = Arrow { file: module.file.to_owned(), line, name };
            folders.entry(folder).or_default().add(own, other, arrow);
        }
    }
    folders
}

/// What a module takes: from which module, at which line, by what name.
fn taken(modules: &Modules<'_>, from: &ModulePath, module: &Module<'_>) -> Vec<(ModulePath, usize, String)> {
    let imports = &module.imports;
    let mut taken = Vec::new();
    for used in &imports.uses {
        let Some(to) = modules.target(from, &used.path) else { continue };
        if used.is_of_all() {
            let words = imports.words.iter().filter(|(word, _)| !imports.items.contains(*word));
            let found = words
                .filter_map(|(word, &line)| Some((modules.target_of_name(&to, word)?, line, word.clone())));
            taken.extend(found);
        }
        taken.push((to, used.line, used.name.clone()));
    }
    for (path, line) in &imports.paths {
        let Some(to) = modules.target(from, path) else { continue };
        taken.push((to, *line, path.last().cloned().unwrap_or_default()));
    }
    taken
}

/// Tells a shortest circle of a knot, arrow by arrow.
fn finding(nouns: &Nouns, knot: &[String]) -> Finding {
    let circle = knot.iter().map(|noun| nouns.circle(noun)).min_by_key(Vec::len).unwrap_or_default();
    let (mut steps, mut places) = (Vec::new(), Vec::new());
    for (at, noun) in circle.iter().enumerate() {
        let next = &circle[(at + 1) % circle.len()];
        let Some(Arrow { file, line, name }) = nouns.arrow(noun, next) else { continue };
        steps.push(format!("{noun} takes `{name}` from {next} ({file}:{line})"));
        places.push((file.as_str(), *line));
    }
    let mut message = format!("a circle: {}", steps.join(", "));
    if circle.len() < knot.len() {
        message += &format!("; in all {} are tied: {}", knot.len(), knot.join(", "));
    }
    message += "; move what both need to a file of its own";
    let (file, line) = places.first().copied().unwrap_or_default();
    Finding::new(file, line, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of the circles in a crate of these files, by their names below its sources.
    fn of(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(name, text)| (format!("crates/x/src/{name}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let found = check(&Repo::of(&files)).into_iter();
        found.map(|finding| finding.message).filter(|message| message.starts_with("a circle")).collect()
    }

    #[test]
    fn a_circle_is_told_arrow_by_arrow() {
        let found = of(&[
            ("a.rs", "use crate::b::B;\npub struct A(B);"),
            ("b.rs", "\nuse crate::c;\npub struct B(c::C);"),
            ("c.rs", "pub struct C(Box<crate::a::A>);"),
            ("d.rs", "use crate::a::A;"),
        ]);
        let expected = "a circle: a takes `B` from b (crates/x/src/a.rs:1), b takes `c` from c (crates/x/src/b.rs:2), \
                        c takes `A` from a (crates/x/src/c.rs:1); move";
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }

    #[test]
    fn names_that_lib_rs_hands_on_belong_to_where_they_are_defined() {
        let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B as Renamed;");
        assert_eq!(
            of(&[
                lib,
                ("a.rs", "use crate::Renamed;\npub struct A;"),
                ("b.rs", "use crate::A;\npub struct B;")
            ])
            .len(),
            1
        );
        assert_eq!(of(&[lib, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A;\npub struct B;")]).len(), 0);
        let own = ("lib.rs", "mod a; mod b; use a::A; pub struct Own;");
        assert_eq!(
            of(&[own, ("a.rs", "use crate::Own; pub struct A;"), ("b.rs", "use crate::a::A;")]).len(),
            0
        );
    }

    #[test]
    fn names_taken_with_a_star_count_where_they_are_used() {
        let parent = ("p.rs", "mod a; mod b; use a::A; use b::B; struct Own;");
        let a = |code| ("p/a.rs", code);
        let b = ("p/b.rs", "use super::a::A; pub struct B;");
        assert_eq!(of(&[parent, b, a("use super::*; pub struct A(B);")]).len(), 1);
        assert_eq!(of(&[parent, b, a("use super::*; pub struct A(Own);")]).len(), 0);
    }

    #[test]
    fn a_file_and_those_below_it_are_one_noun() {
        let up_and_down =
            [("p.rs", "mod a; pub use a::A; pub struct P;"), ("p/a.rs", "use super::P; pub struct A(P);")];
        assert_eq!(of(&up_and_down), [""; 0]);
        for parent in ["p.rs", "p/mod.rs"] {
            let found = of(&[
                (parent, "mod a; mod b; use crate::q::Q;"),
                ("p/a.rs", "use super::b::B;"),
                ("p/b.rs", "pub struct B;"),
                ("q.rs", "mod c; pub struct Q;"),
                ("q/c.rs", "use crate::p::a::x;"),
            ]);
            assert!(found.len() == 1 && found[0].contains("p takes `Q` from q"), "{parent}: {found:?}");
        }
    }

    #[test]
    fn neighbours_below_a_file_are_nouns_too() {
        let found = of(&[
            ("p.rs", "mod a; mod b;"),
            ("p/a.rs", "use super::b::f;"),
            ("p/b.rs", "pub fn f() { super::a::g() }"),
        ]);
        assert!(
            found.len() == 1 && found[0].contains("b takes `g` from a (crates/x/src/p/b.rs:1)"),
            "{found:?}"
        );
    }

    #[test]
    fn tests_comments_and_strings_tie_nothing() {
        let text = "//! [`A`](crate::a::A)\nconst T: &str = \"crate::a::A\";\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}";
        assert_eq!(of(&[("a.rs", "use crate::b::B;"), ("b.rs", text)]), [""; 0]);
        assert_eq!(of(&[("a.rs", "use crate::b::B;"), ("b.rs", "use other::a::A;")]), [""; 0]);
    }

    #[test]
    fn the_shortest_of_several_circles_is_told_and_the_knot_named() {
        let found = of(&[
            ("a.rs", "use crate::{b::x, c::y};"),
            ("b.rs", "use crate::c::y;"),
            ("c.rs", "use crate::a::z;"),
        ]);
        assert!(found[0].contains("in all 3 are tied: a, b, c"), "{found:?}");
        assert_eq!(found[0].matches(" takes ").count(), 2);
    }
}
