//! What folders mean, on disk and in archives alike: splits, classes, and what is left out.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use mg_data::{DataSet, ImageSource, Spec, Split};

use crate::common::write_images;

/// A folder with pictures of these names, and the same as archives.
fn forms(names: &[&str]) -> (tempfile::TempDir, [ImageSource; 3]) {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let folder = path("photos");
    write_images(&folder, names);
    let mut tar = tar::Builder::new(File::create(path("photos.tar")).unwrap());
    let mut zip = zip::ZipWriter::new(File::create(path("photos.zip")).unwrap());
    let mut names = names.to_vec();
    names.sort_unstable();
    for name in names {
        tar.append_path_with_name(folder.join(name), Path::new("photos").join(name)).unwrap();
        let stored = name.contains("cat");
        let method = if stored { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("photos/{name}"), options).unwrap();
        zip.write_all(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    }
    tar.finish().unwrap();
    zip.finish().unwrap();
    let found = ["photos", "photos.tar", "photos.zip"]
        .map(|name| ImageSource::find(path(name).to_str().unwrap()).unwrap());
    (root, found)
}

#[test]
fn archives_in_a_folder_are_read_where_there_is_no_image() {
    let (root, _) = forms(&["cat/0.png", "dog/0.png", "dog/1.png"]);
    let set = |folder: &Path, split| {
        DataSet::open(&Spec { side: 8, split, ..Spec::new(ImageSource::Folder(folder.to_owned())) })
    };
    let alone = root.path().join("alone");
    std::fs::create_dir(&alone).unwrap();
    std::fs::rename(root.path().join("photos.zip"), alone.join("photos.zip")).unwrap();
    let found = set(&alone, None).unwrap();
    assert_eq!((found.len(), found.class_names().to_vec()), (3, classes(["cat", "dog"])));
    // One for each split, here with the split's folder inside and there without.
    let (test, _) = forms(&["test/cat/0.png", "test/dog/0.png"]);
    let splits = root.path().join("splits");
    std::fs::create_dir(&splits).unwrap();
    std::fs::rename(root.path().join("photos.tar"), splits.join("train.tar")).unwrap();
    std::fs::rename(test.path().join("photos.zip"), splits.join("test.zip")).unwrap();
    let (train, test) = (set(&splits, None).unwrap(), set(&splits, Some(Split::Test)).unwrap());
    assert_eq!((train.len(), train.split()), (3, Some("train")));
    assert_eq!((test.len(), test.split(), test.class_names().len()), (2, Some("test"), 2));
    // Which of several is meant must be said.
    std::fs::copy(splits.join("train.tar"), alone.join("more.tar")).unwrap();
    assert!(set(&alone, None).unwrap_err().to_string().contains("point at one of them"));
    // Beside images they are not read, and that is said.
    write_images(&alone, &["a.png"]);
    let notes = set(&alone, None).unwrap().skipped().notes.clone();
    assert!(notes.iter().any(|note| note.contains("archives beside images are not read: 2")), "{notes:?}");
}

/// Number of images, classes, labels, split and what is said, which are the same of a folder and of archives.
type Read = (u64, Vec<String>, Option<Vec<u32>>, Option<String>, Vec<String>);

fn read(names: &[&str], split: Option<Split>) -> Read {
    let (_root, sources) = forms(names);
    let [folder, tar, zip] = sources.map(|source| {
        let set = DataSet::open(&Spec { side: 8, split, ..Spec::new(source) }).unwrap();
        let split = set.split().map(str::to_owned);
        let hash = set.content_hash().to_owned();
        let notes = set.skipped().notes.iter().map(|note| note.replace("photos/", "")).collect();
        (hash, (set.len(), set.class_names().to_vec(), set.labels(), split, notes))
    });
    assert_eq!(folder, tar);
    assert_eq!(folder, zip);
    folder.1
}

fn classes(names: [&str; 2]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

const TREE: [&str; 5] =
    ["train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png", "test/dog/0.png"];

#[test]
fn folders_without_images_beside_splits_are_nothing() {
    let mut names = TREE.to_vec();
    names.extend(["__MACOSX/train/._cat.png", "__MACOSX/._x.png"]);
    let expected = (3, classes(["cat", "dog"]), Some(vec![0, 0, 1]), Some("train".to_owned()), vec![]);
    assert_eq!(read(&names, None), expected);
    let test = (2, classes(["cat", "dog"]), Some(vec![0, 1]), Some("test".to_owned()), vec![]);
    assert_eq!(read(&names, Some(Split::Test)), test);
}

#[test]
fn folders_with_images_beside_splits_are_left_out_by_name() {
    let mut names = TREE.to_vec();
    names.extend(["pred/0.png", "pred/1.png"]);
    let (len, _, _, split, notes) = read(&names, None);
    assert_eq!((len, split.as_deref()), (3, Some("train")));
    assert_eq!(notes, ["pred is no split: 2 images in it are left out"]);
}

#[test]
fn splits_may_be_written_in_capitals() {
    let capitals = TREE.map(|name| name.replace("train", "Train").replace("test", "TEST"));
    let names: Vec<&str> = capitals.iter().map(String::as_str).collect();
    let (len, found, labels, split, notes) = read(&names, None);
    assert_eq!((len, found, labels), (3, classes(["cat", "dog"]), Some(vec![0, 0, 1])));
    assert_eq!((split.as_deref(), notes.len()), (Some("train"), 0));
}

#[test]
fn a_stray_image_beside_class_folders_is_named_and_labels_stay() {
    let (len, found, labels, _, notes) = read(&["000.png", "cat/0.png", "cat/1.png", "dog/0.png"], None);
    assert_eq!((len, found, labels), (3, classes(["cat", "dog"]), Some(vec![0, 0, 1])));
    assert!(notes.len() == 1 && notes[0].contains("000.png lies in no class folder"), "{notes:?}");
}

#[cfg(unix)]
#[test]
fn class_folders_whose_names_are_no_text_stay_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    for (i, name) in [&b"\xb9\xb7"[..], b"\xc4\xf1", b"\xd3\xe3"].into_iter().enumerate() {
        let from = root.path().join(i.to_string());
        write_images(&from, &["0.png", "1.png"]);
        // Not every file system takes such names.
        if std::fs::rename(&from, root.path().join(OsStr::from_bytes(name))).is_err() {
            return;
        }
    }
    let set = DataSet::open(&Spec::new(ImageSource::Folder(root.path().to_owned()))).unwrap();
    assert_eq!(set.labels(), Some(vec![0, 0, 1, 1, 2, 2]));
    assert_eq!(set.class_names(), ["\\xb9\\xb7", "\\xc4\\xf1", "\\xd3\\xe3"]);
}
