//! The modules of a crate, and what their paths lead to.

use std::collections::BTreeMap;

use super::imports::Imports;
use super::sources::SourceFile;
use crate::tokens::tokens;

/// All files of a crate.
pub(super) struct Modules<'a> {
    /// The folder of its sources.
    pub(super) root: &'a str,
    /// By their paths from the root, which is the empty path.
    pub(super) files: BTreeMap<ModulePath, Module<'a>>,
}

/// Names from the root of the crate downwards.
pub(super) type ModulePath = Vec<String>;

pub(super) struct Module<'a> {
    pub(super) file: &'a str,
    pub(super) imports: Imports,
}

/// Where a path leads: a module, or something that is defined in it.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    module: ModulePath,
    is_item: bool,
}

/// More steps than any chain of re-exports has; circles of them end here.
const MAX_STEPS: usize = 16;

impl<'a> Modules<'a> {
    /// Of every crate, in order of path.
    pub(super) fn of_all(files: &'a [SourceFile<'_>]) -> Vec<Self> {
        let mut crates: BTreeMap<&str, Modules<'a>> = BTreeMap::new();
        for file in files {
            let Some(root) = file.root() else { continue };
            let Some(path) = module_path(&file.path[root.len() + 1..]) else { continue };
            let modules = crates.entry(root).or_insert(Modules { root, files: BTreeMap::new() });
            let imports = Imports::read(&tokens(file.lines()));
            modules.files.insert(path, Module { file: file.path, imports });
        }
        crates.into_values().collect()
    }

    /// The module that a path leads to which stands in the module `from`, through re-exports; `None` outside the crate.
    pub(super) fn target(&self, from: &[String], path: &[String]) -> Option<ModulePath> {
        self.place(from, path, MAX_STEPS).map(|place| place.module)
    }

    /// The module that `name` leads to which all names of `module` were taken for; `None` where it has no such name.
    pub(super) fn target_of_name(&self, module: &[String], name: &str) -> Option<ModulePath> {
        self.name(module, name, MAX_STEPS).map(|place| place.module)
    }

    fn place(&self, from: &[String], path: &[String], steps: usize) -> Option<Place> {
        let steps = steps.checked_sub(1)?;
        let mut place = Place { module: from.to_vec(), is_item: false };
        for (at, part) in path.iter().enumerate() {
            match part.as_str() {
                "crate" => place.module.clear(),
                "self" => {}
                "super" => drop(place.module.pop()?),
                name => match self.name(&place.module, name, steps) {
                    Some(next) => place = next,
                    // The name of another crate.
                    None if at == 0 => return None,
                    None => place.is_item = true,
                },
            }
            if place.is_item {
                break;
            }
        }
        Some(place)
    }

    /// A name in a module: a module below it, something it defines, or something it takes from elsewhere.
    fn name(&self, module: &[String], name: &str, steps: usize) -> Option<Place> {
        let below = [module, &[name.to_owned()]].concat();
        if self.files.contains_key(&below) {
            return Some(Place { module: below, is_item: false });
        }
        let imports = &self.files.get(module)?.imports;
        if imports.items.contains(name) {
            return Some(Place { module: module.to_vec(), is_item: true });
        }
        let steps = steps.checked_sub(1)?;
        if let Some(used) = imports.uses.iter().find(|used| used.name == name) {
            return self.place(module, &used.path, steps);
        }
        let of_all = imports.uses.iter().filter(|used| used.is_of_all());
        of_all.filter_map(|used| self.place(module, &used.path, steps)).find_map(|place| {
            let is_elsewhere = !place.is_item && place.module != module;
            is_elsewhere.then(|| self.name(&place.module, name, steps))?
        })
    }
}

/// The module of a file below the folder of sources; `None` of programs of their own.
fn module_path(file: &str) -> Option<ModulePath> {
    let file = file.strip_suffix(".rs")?;
    let mut path: ModulePath = file.split('/').map(str::to_owned).collect();
    if path.len() > 1 && path[0] == "bin" {
        return None;
    }
    if path.last().is_some_and(|last| last == "mod") || ["lib", "main"].contains(&file) {
        path.pop();
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::super::sources;
    use super::*;
    use crate::repo::Repo;

    fn target(files: &[(&str, &str)], from: &str, path: &str) -> Option<String> {
        let repo = Repo::of(files);
        let files = sources::all(&repo);
        let modules = Modules::of_all(&files);
        let split = |path: &str| {
            path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        Some(modules[0].target(&split(from), &split(path))?.join("::"))
    }

    #[test]
    fn files_are_modules() {
        for (file, path) in
            [("a.rs", "a"), ("a/mod.rs", "a"), ("a/b.rs", "a::b"), ("lib.rs", ""), ("main.rs", "")]
        {
            assert_eq!(module_path(file).map(|path| path.join("::")).as_deref(), Some(path), "{file}");
        }
        assert_eq!(module_path("bin/tool.rs"), None);
    }

    #[test]
    fn paths_lead_through_re_exports_to_where_a_thing_is_defined() {
        let files = [
            (
                "crates/x/src/lib.rs",
                "mod a; mod b; pub use a::Thing as Renamed; pub use b::*; pub struct Here;",
            ),
            ("crates/x/src/a.rs", "mod deep; pub use deep::Thing; use serde::Serialize;"),
            ("crates/x/src/a/deep.rs", "pub struct Thing;"),
            ("crates/x/src/b.rs", "pub fn work() {} pub use crate::a::Thing as Other;"),
        ];
        for (from, path, expected) in [
            ("b", "crate::Renamed", Some("a::deep")),
            ("b", "crate::a::Thing::new", Some("a::deep")),
            ("b", "crate::Other", Some("a::deep")),
            ("a", "crate::work", Some("b")),
            ("a::deep", "super::super::b::work", Some("b")),
            ("a::deep", "super::unknown", Some("a")),
            ("a", "deep::Thing", Some("a::deep")),
            ("a", "crate::Here", Some("")),
            ("a", "serde::Serialize", None),
            ("a", "Serialize", None),
            ("a", "super::super::super::x", None),
        ] {
            assert_eq!(target(&files, from, path).as_deref(), expected, "{path} in {from}");
        }
    }

    #[test]
    fn re_exports_in_a_circle_end() {
        let files = [
            ("crates/x/src/a.rs", "pub use crate::b::X; pub use crate::b::*;"),
            ("crates/x/src/b.rs", "pub use crate::a::X; pub use crate::a::*;"),
        ];
        assert!(target(&files, "a", "crate::b::X").is_some(), "it does not go on for ever");
    }
}
