use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::readable::readable;
use crate::record::{Content, Record};
use crate::split::Split;
use crate::tree::Tree;
use crate::{Error, Result};

const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// The image files below a folder, sorted by path. Files and folders whose names begin with a dot are passed over.
pub(crate) struct Folder {
    root: PathBuf,
    /// Relative to the root.
    files: Vec<PathBuf>,
    pub(crate) tree: Tree,
}

impl Folder {
    /// Lists the folder, or a split of it; the files themselves are not opened.
    pub(crate) fn open(root: &Path, wish: Option<Split>) -> Result<Self> {
        let mut files = Vec::new();
        let mut ancestors = vec![root.canonicalize().map_err(Error::io("open folder", root))?];
        list(root, Path::new(""), &mut ancestors, &mut files)?;
        if files.is_empty() {
            return Err(Error::NoImages(root.to_owned()));
        }
        files.sort();
        let tree = Tree::of(root, files.iter().map(PathBuf::as_path), wish)?;
        Ok(Folder { root: root.to_owned(), files, tree })
    }

    /// One image file, opened later like the others.
    pub(crate) fn of_one(path: &Path) -> Self {
        let name = path.file_name().map(PathBuf::from).unwrap_or_default();
        let root = path.parent().map(Path::to_owned).unwrap_or_default();
        Folder { root, files: vec![name], tree: Tree { files: vec![(0, None)], ..Tree::default() } }
    }

    /// Number of image files.
    pub(crate) fn len(&self) -> u64 {
        self.tree.files.len() as u64
    }

    /// The files on disk, for the key of a cache.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.tree.files.iter().map(|(number, _)| self.root.join(&self.files[*number]))
    }

    /// The records in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        self.tree.files.iter().map(|&(number, label)| {
            let file = &self.files[number];
            Ok(Record {
                name: readable(file.as_os_str()),
                label,
                content: Content::File(self.root.join(file)),
            })
        })
    }
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
        let folder = Folder::open(root.path(), None).unwrap();
        folder.records().map(|record| record.map(|r| (r.name, r.label)).unwrap()).collect()
    }

    #[test]
    fn images_have_the_classes_of_their_folders() {
        let found =
            listed(&["dog/b.PNG", "cat/x/deep.jpeg", "cat/a.jpg", "dog/a.webp", "dog/notes.txt", "eel/.png"]);
        let expected = [("cat/a.jpg", 0), ("cat/x/deep.jpeg", 0), ("dog/a.webp", 1), ("dog/b.PNG", 1)];
        assert_eq!(found, expected.map(|(name, label)| (name.to_owned(), Some(label))));
    }

    #[test]
    fn hidden_files_are_passed_over() {
        assert_eq!(listed(&[".git/a.png", "._b.png", "c.png"]), [("c.png".to_owned(), None)]);
    }

    #[test]
    fn a_folder_without_images_is_an_error_that_names_it() {
        let root = folder_of(&["readme.txt"]);
        let error = Folder::open(root.path(), None).err().unwrap().to_string();
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
        let folder = Folder::open(root.path(), None).unwrap();
        assert_eq!(folder.files, [Path::new("a/b/c.png"), Path::new("a/broken.png")]);
    }
}
