use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::record::{Content, Record};
use crate::split::Split;
use crate::{Error, Result};

const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The image files below a folder, sorted by path, and the classes its first-level folders name.
///
/// When every image lies in a first-level folder and there are at least two such folders with images, they are the
/// classes, in the order of their names; otherwise the images have no labels. Files and folders whose names begin
/// with a dot are passed over.
pub(crate) struct Folder {
    root: PathBuf,
    /// Relative to the root.
    files: Vec<PathBuf>,
    pub(crate) classes: Vec<String>,
}

impl Folder {
    /// Lists the folder; the files themselves are not opened.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut ancestors = vec![root.canonicalize().map_err(Error::io("open folder", root))?];
        list(root, Path::new(""), &mut ancestors, &mut files)?;
        if files.is_empty() {
            return Err(Error::NoImages(root.to_owned()));
        }
        files.sort();
        let classes = classes(&files);
        Ok(Folder { root: root.to_owned(), files, classes })
    }

    /// One image file, opened later like the others.
    pub(crate) fn of_one(path: &Path) -> Self {
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let root = path.parent().map(Path::to_owned).unwrap_or_default();
        Folder { root, files: vec![name], classes: Vec::new() }
    }

    /// Number of image files.
    pub(crate) fn len(&self) -> u64 {
        self.files.len() as u64
    }

    /// The files on disk, for the key of a cache.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|file| self.root.join(file))
    }

    /// The records in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        self.files.iter().map(|file| {
            Ok(Record {
                name: file.display().to_string(),
                label: class_of(file, &self.classes),
                content: Content::File(self.root.join(file)),
            })
        })
    }
}

/// The folder's own sub-folder for a split, when its first level consists of splits.
pub(crate) fn split_folder(root: &Path, split: Split) -> Option<PathBuf> {
    let folders =
        std::fs::read_dir(root).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let named =
        folders.map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
    let visible: Vec<_> = named.filter(|(name, _)| !name.starts_with('.')).collect();
    let all_splits = visible.iter().all(|(name, _)| name.parse::<Split>().is_ok());
    let mut wanted = visible.into_iter().filter(|(name, _)| name.parse().ok() == Some(split));
    wanted.next().filter(|_| all_splits).map(|(_, path)| path)
}

fn list(root: &Path, below: &Path, ancestors: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read folder", &folder))? {
        let entry = entry.map_err(Error::io("read folder", &folder))?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            // A link to a folder above would never end.
            let real = path.canonicalize().map_err(Error::io("open folder", &path))?;
            if !ancestors.contains(&real) {
                ancestors.push(real);
                list(root, &below.join(&name), ancestors, files)?;
                ancestors.pop();
            }
        } else if is_image(&path) && (path.is_file() || !path.exists()) {
            files.push(below.join(name));
        }
    }
    Ok(())
}

/// Whether the name is that of an image.
pub(crate) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// The first folder of a path.
pub(crate) fn first_level(file: &Path) -> Option<String> {
    let mut parts = file.components();
    let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
    parts.next().map(|_| first)
}

/// The classes that the first-level folders of these files are, sorted as the files are; none when a file lies in none, or
/// there is one folder.
pub(crate) fn classes(files: &[PathBuf]) -> Vec<String> {
    let mut names = Vec::new();
    for file in files {
        match first_level(file) {
            Some(name) if names.last() == Some(&name) => {}
            Some(name) => names.push(name),
            None => return Vec::new(),
        }
    }
    if names.len() < 2 { Vec::new() } else { names }
}

/// The class that a file's first folder is.
pub(crate) fn class_of(file: &Path, classes: &[String]) -> Option<u32> {
    let folder = first_level(file)?;
    classes.iter().position(|class| *class == folder).map(|class| class as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        root
    }

    fn listed(files: &[&str]) -> Vec<(String, Option<u32>)> {
        let root = folder_of(files);
        let folder = Folder::open(root.path()).unwrap();
        folder.records().map(|record| record.map(|r| (r.name, r.label)).unwrap()).collect()
    }

    #[test]
    fn first_level_folders_are_classes_in_the_order_of_their_names() {
        let found =
            listed(&["dog/b.PNG", "cat/x/deep.jpeg", "cat/a.jpg", "dog/a.webp", "dog/notes.txt", "eel/.png"]);
        let expected = [("cat/a.jpg", 0), ("cat/x/deep.jpeg", 0), ("dog/a.webp", 1), ("dog/b.PNG", 1)];
        assert_eq!(found, expected.map(|(name, label)| (name.to_owned(), Some(label))));
    }

    #[test]
    fn one_folder_or_loose_images_make_no_classes() {
        assert!(listed(&["only/a.png", "only/b.png"]).iter().all(|(_, label)| label.is_none()));
        assert!(listed(&["cat/a.png", "dog/b.png", "c.png"]).iter().all(|(_, label)| label.is_none()));
    }

    #[test]
    fn hidden_files_are_passed_over() {
        assert_eq!(listed(&[".git/a.png", "._b.png", "c.png"]), [("c.png".to_owned(), None)]);
    }

    #[test]
    fn a_folder_without_images_is_an_error_that_names_it() {
        let root = folder_of(&["readme.txt"]);
        let error = Folder::open(root.path()).err().unwrap().to_string();
        assert!(
            error.starts_with(&root.path().display().to_string()) && error.contains("no image"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_ends() {
        let root = folder_of(&["a/b/c.png"]);
        std::os::unix::fs::symlink(root.path(), root.path().join("a/b/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("a/broken.png")).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        assert_eq!(folder.files, [Path::new("a/b/c.png"), Path::new("a/broken.png")]);
    }
}
