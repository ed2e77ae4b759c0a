//! What the folders of images mean, on disk and in archives alike.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Component, Path};

use crate::Result;
use crate::readable::readable;
use crate::split::{Split, no_split};

/// Image files that belong to a set, and what their folders say of them.
///
/// Folders that all images share are seen through. First-level folders are splits when all of them have names of splits, or when
/// two splits are among them; then only the wished-for split is read, and folders that all its images share are seen through
/// again. Two or more first-level folders are classes, in the order of their names, unless most images lie beside them.
/// Folders without images are nothing. What is left out is in the notes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tree {
    /// Numbers of the files, in the order that they came in, and their classes.
    pub(crate) files: Vec<(usize, Option<u32>)>,
    pub(crate) split: Option<Split>,
    pub(crate) classes: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// An image file by the folders above it.
struct Place<'a> {
    number: usize,
    path: &'a Path,
    /// From the outermost to the innermost.
    folders: Vec<&'a OsStr>,
}

impl Tree {
    /// What these paths mean, all of them below `source`; of a split where one is wished for.
    ///
    /// # Errors
    /// When the split that is wished for, or `train` where there are splits, is not there.
    pub(crate) fn of<'a>(
        source: &Path,
        paths: impl IntoIterator<Item = &'a Path>,
        wish: Option<Split>,
    ) -> Result<Self> {
        let place = |(number, path)| Place { number, path, folders: folders(path) };
        let mut places: Vec<Place<'_>> = paths.into_iter().enumerate().map(place).collect();
        let mut tree = Tree::default();
        see_through(&mut places);
        tree.choose_split(source, &mut places, wish)?;
        see_through(&mut places);
        tree.find_classes(&places);
        Ok(tree)
    }

    /// Keeps the images of a split, where there are splits.
    fn choose_split(
        &mut self,
        source: &Path,
        places: &mut Vec<Place<'_>>,
        wish: Option<Split>,
    ) -> Result<()> {
        let of = |place: &Place<'_>| place.folders.first().and_then(|name| Split::of_folder(name));
        let found: BTreeSet<Split> = places.iter().filter_map(of).collect();
        let are_all = places.iter().all(|place| of(place).is_some());
        if found.is_empty() || (found.len() < 2 && !are_all) {
            let found = || match folders_of(places).as_slice() {
                [] => "images without folders".to_owned(),
                folders => format!("the folders {}", listed(folders)),
            };
            return wish.map_or(Ok(()), |_| Err(no_split(&source.display().to_string(), wish, &found())));
        }
        let split = wish.unwrap_or(Split::Train);
        if !found.contains(&split) {
            let found = found.iter().map(Split::to_string).collect::<Vec<_>>().join(", ");
            return Err(no_split(&source.display().to_string(), Some(split), &found));
        }
        let beside: Vec<&Place<'_>> = places.iter().filter(|place| of(place).is_none()).collect();
        self.leave_out(&beside, "no split");
        places.retain(|place| of(place) == Some(split));
        places.iter_mut().for_each(|place| {
            place.folders.remove(0);
        });
        self.split = Some(split);
        Ok(())
    }

    /// Takes first-level folders for classes, where they are.
    fn find_classes(&mut self, places: &[Place<'_>]) {
        let names = folders_of(places);
        let (loose, inside): (Vec<_>, Vec<_>) = places.iter().partition(|place| place.folders.is_empty());
        let are_classes = names.len() >= 2 && loose.len() <= inside.len();
        if names.len() >= 2 && !are_classes {
            let (loose, folders) = (loose.len(), listed(&names));
            self.notes.push(format!("the folders {folders} are no classes: {loose} images lie beside them"));
        }
        if !are_classes {
            self.files = places.iter().map(|place| (place.number, None)).collect();
            return;
        }
        self.leave_out(&loose, "no class folder");
        let number: BTreeMap<&OsStr, u32> = names.iter().copied().zip(0..).collect();
        let class = |place: &&Place<'_>| {
            (place.number, place.folders.first().and_then(|name| number.get(name)).copied())
        };
        self.files = inside.iter().map(class).collect();
        self.classes = names.into_iter().map(readable).collect();
    }

    /// Says which images are left out, by their folders, and that these are, or they lie in, `no what`.
    fn leave_out(&mut self, left: &[&Place<'_>], what: &str) {
        let mut by_folder: BTreeMap<Option<&OsStr>, Vec<&Path>> = BTreeMap::new();
        for place in left {
            by_folder.entry(place.folders.first().copied()).or_default().push(place.path);
        }
        for (folder, images) in by_folder {
            let (count, first) =
                (images.len(), images.first().map_or_else(String::new, |image| readable(image.as_os_str())));
            self.notes.push(match (folder, count) {
                (Some(folder), 1) => format!("{} is {what}: the image in it is left out", readable(folder)),
                (Some(folder), _) => {
                    format!("{} is {what}: {count} images in it are left out", readable(folder))
                }
                (None, 1) => format!("{first} lies in {what}: it is left out"),
                (None, _) => {
                    format!("{first} and {} more images lie in {what}: they are left out", count - 1)
                }
            });
        }
    }
}

/// The names of the folders above a file.
fn folders(path: &Path) -> Vec<&OsStr> {
    let above = path.parent().into_iter().flat_map(Path::components);
    above.filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None }).collect()
}

/// Takes off the folders that all images share.
fn see_through(places: &mut [Place<'_>]) {
    while let Some(first) = places.first().and_then(|place| place.folders.first().copied()) {
        if places.iter().any(|place| place.folders.first() != Some(&first)) {
            return;
        }
        places.iter_mut().for_each(|place| {
            place.folders.remove(0);
        });
    }
}

/// The first-level folders, sorted by their bytes.
fn folders_of<'a>(places: &[Place<'a>]) -> Vec<&'a OsStr> {
    let names: BTreeSet<&OsStr> = places.iter().filter_map(|place| place.folders.first().copied()).collect();
    names.into_iter().collect()
}

/// The first names of a list, and how many more there are.
fn listed(names: &[&OsStr]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(|name| readable(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "photos";

    fn tree(paths: &[&str], wish: Option<Split>) -> Result<Tree> {
        Tree::of(Path::new(SOURCE), paths.iter().map(Path::new), wish)
    }

    /// The paths of a tree with the names of their classes.
    fn read(paths: &[&str], wish: Option<Split>) -> Vec<(String, String)> {
        let tree = tree(paths, wish).unwrap();
        let class =
            |label: Option<u32>| label.map_or_else(String::new, |label| tree.classes[label as usize].clone());
        tree.files.iter().map(|&(number, label)| (paths[number].to_owned(), class(label))).collect()
    }

    fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(path, class)| (path.to_owned(), class.to_owned())).collect()
    }

    #[test]
    fn first_level_folders_are_classes_in_the_order_of_their_names() {
        let found = read(&["dog/b.png", "cat/x/deep.jpg", "cat/a.jpg"], None);
        assert_eq!(found, expected(&[("dog/b.png", "dog"), ("cat/x/deep.jpg", "cat"), ("cat/a.jpg", "cat")]));
        assert_eq!(tree(&["b/1.png", "a/1.png"], None).unwrap().classes, ["a", "b"]);
    }

    #[test]
    fn wrapper_folders_are_seen_through_above_and_below_splits() {
        let paths = [
            "set/images/train/img/cat/a.png",
            "set/images/train/img/dog/a.png",
            "set/images/test/img/cat/b.png",
        ];
        assert_eq!(read(&paths, None), expected(&[(paths[0], "cat"), (paths[1], "dog")]));
        assert_eq!(read(&paths, Some(Split::Test)), expected(&[(paths[2], "")]));
        assert_eq!(read(&["only/cat/a.png", "only/dog/a.png"], None).len(), 2);
    }

    #[test]
    fn splits_are_known_in_capitals_and_beside_other_folders() {
        for names in [["Train", "Test"], ["TRAIN", "VAL"], ["training", "testing"]] {
            let paths = [format!("{}/cat/a.png", names[0]), format!("{}/cat/b.png", names[1])];
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            assert_eq!(read(&paths, None), expected(&[(paths[0], "")]), "{names:?}");
        }
        let paths =
            ["annotations/a.png", "pred/a.png", "pred/b.png", "test/a.png", "train/a.png", "x.png", "y.png"];
        let found = tree(&paths, None).unwrap();
        assert_eq!((found.files, found.split), (vec![(4, None)], Some(Split::Train)));
        let notes = [
            "x.png and 1 more images lie in no split: they are left out",
            "annotations is no split: the image in it is left out",
            "pred is no split: 2 images in it are left out",
        ];
        assert_eq!(found.notes, notes);
    }

    #[test]
    fn one_split_beside_other_folders_is_a_class() {
        let found = tree(&["bus/a.png", "train/a.png"], None).unwrap();
        assert_eq!((found.classes, found.split), (vec!["bus".to_owned(), "train".to_owned()], None));
    }

    #[test]
    fn a_few_loose_images_are_left_out_by_name_and_many_make_no_classes() {
        let found = tree(&["cat/a.png", "cat/b.png", "dog/a.png", "loose.png"], None).unwrap();
        assert_eq!(found.files, [(0, Some(0)), (1, Some(0)), (2, Some(1))]);
        assert_eq!(found.notes, ["loose.png lies in no class folder: it is left out"]);
        let found = tree(&["cat/a.png", "dog/a.png", "u.png", "v.png", "w.png"], None).unwrap();
        assert!(found.files.len() == 5 && found.files.iter().all(|(_, label)| label.is_none()));
        assert_eq!(found.notes, ["the folders cat, dog are no classes: 3 images lie beside them"]);
    }

    #[test]
    fn one_folder_or_none_makes_no_classes() {
        for paths in [&["only/a.png", "only/b.png"][..], &["a.png", "b.png"], &["cat/a.png", "b.png"]] {
            assert!(read(paths, None).iter().all(|(_, class)| class.is_empty()), "{paths:?}");
            assert_eq!(tree(paths, None).unwrap().notes, Vec::<String>::new());
        }
    }

    #[test]
    fn a_split_that_is_not_there_is_an_error_that_says_what_is() {
        let error = |paths: &[&str]| tree(paths, Some(Split::Test)).unwrap_err().to_string();
        assert_eq!(
            error(&["train/a.png", "extra/b.png"]),
            "photos: no `test` split here; found train, extra"
        );
        assert_eq!(
            error(&["cat/a.png", "dog/b.png"]),
            "photos: no `test` split here; found the folders cat, dog"
        );
        assert_eq!(error(&["a.png"]), "photos: no `test` split here; found images without folders");
        assert!(
            tree(&["val/a.png", "test/b.png"], None).unwrap_err().to_string().contains("no `train` split")
        );
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_stay_apart() {
        use std::os::unix::ffi::OsStrExt;
        let paths = [&b"\xb9\xb7/0.png"[..], b"\xb9\xb8/0.png", b"caf\xc3\xa9/0.png", b"r\x1bed/0.png"];
        let paths = paths.map(|bytes| Path::new(OsStr::from_bytes(bytes)));
        let found = Tree::of(Path::new(SOURCE), paths, None).unwrap();
        assert_eq!(found.classes, ["café", "r\\u{1b}ed", "\\xb9\\xb7", "\\xb9\\xb8"]);
        assert_eq!(found.files.iter().filter_map(|(_, label)| *label).collect::<BTreeSet<_>>().len(), 4);
    }
}
