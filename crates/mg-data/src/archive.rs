//! Images in an archive, tar (plain or compressed by gzip) or zip: read in the archive's order, and never unpacked to disk.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::folder::is_image;
use crate::limits::{MAX_FILE, MAX_LISTED};
use crate::listing::entries;
use crate::readable::readable;
use crate::record::{Content, Record};
use crate::split::Split;
use crate::tree::Tree;
use crate::{Error, Result};

mod entry;
mod tarball;
mod zipped;

use self::entry::Entry;
use self::tarball::Tarball;
use self::zipped::Zipped;

/// The image files of an archive.
pub(crate) struct Archive {
    path: PathBuf,
    is_zip: bool,
    files: Vec<Entry>,
    pub(crate) tree: Tree,
}

/// How zip archives begin: with a file, or with their end.
pub(crate) const ZIP: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

impl Archive {
    /// Lists an archive. A compressed tar archive is unpacked to nowhere for that.
    pub(crate) fn open(path: &Path, wish: Option<Split>) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, None, reason);
        let start = start(path).map_err(Error::io("read", path))?;
        let is_zip = ZIP.iter().any(|zip| start.starts_with(zip));
        let listed = if is_zip { zipped::list(path) } else { tarball::list(path) };
        let mut files = Vec::new();
        for entry in listed.map_err(|error| damaged(error.to_string()))? {
            if entry.is_link {
                return Err(damaged(format!(
                    "{} is a link; archives with links are not read",
                    entry.shown()
                )));
            }
            if !is_image(&entry.name) {
                continue;
            }
            let name = plain(&entry.name).ok_or_else(|| {
                damaged(format!("{} leads out of the archive, which is not read", entry.shown()))
            })?;
            if name.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            if entry.size > MAX_FILE {
                let size = entry.size;
                return Err(damaged(format!("{} has {size} bytes, more than {MAX_FILE}", entry.shown())));
            }
            if files.len() == MAX_LISTED {
                return Err(damaged(format!(
                    "more than {MAX_LISTED} images; give them in several archives, or as parquet"
                )));
            }
            files.push(Entry { name, ..entry });
        }
        if files.is_empty() {
            return Err(Error::NoImages(path.to_owned()));
        }
        let tree = Tree::of(path, files.iter().map(|file| file.name.as_path()), wish)?;
        Ok(Archive { path: path.to_owned(), is_zip, files, tree })
    }

    /// The archive in a folder without images: the only one, or that of a split by its name.
    pub(crate) fn of_folder(folder: &Path, wish: Option<Split>) -> Result<Self> {
        let archives = archives_in(folder)?;
        let [first, .., last] = archives.as_slice() else {
            let only = archives.first().ok_or_else(|| Error::NoImages(folder.to_owned()))?;
            return Archive::open(only, wish);
        };
        let split = wish.unwrap_or(Split::Train);
        let is_wished =
            |path: &&PathBuf| Split::of_name(&readable(path.file_name().unwrap_or_default())) == Some(split);
        let mut wished = archives.iter().filter(is_wished);
        let (Some(one), None) = (wished.next(), wished.next()) else {
            let names = format!("{} archives, {} to {}", archives.len(), first.display(), last.display());
            let reason = format!(
                "{names}, of which not one alone is named after the split {split}; point at one of them"
            );
            return Err(Error::damaged(folder, None, reason));
        };
        // Inside may be folders of splits again, or not.
        match Archive::open(one, Some(split)) {
            Err(Error::NoSplit { .. }) => {
                let mut whole = Archive::open(one, None)?;
                whole.tree.split = Some(split);
                Ok(whole)
            }
            opened => opened,
        }
    }

    /// The archive's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of image files.
    pub(crate) fn len(&self) -> u64 {
        self.tree.files.len() as u64
    }

    /// The records in the archive's order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        let mut opened = None;
        self.tree.files.iter().map(move |&(row, label)| {
            let file = &self.files[row];
            let content = (|| {
                let opened = match &mut opened {
                    Some(opened) => opened,
                    None => opened.insert(Opened::of(&self.path, self.is_zip)?),
                };
                opened.read(file)
            })();
            let content =
                content.map_err(|error: io::Error| Error::damaged(&self.path, Some(row as u64), error))?;
            Ok(Record { name: readable(file.name.as_os_str()), label, content: Content::Bytes(content) })
        })
    }
}

/// An archive that is read.
enum Opened {
    Tar(Tarball),
    Zip(Zipped),
}

impl Opened {
    fn of(path: &Path, is_zip: bool) -> io::Result<Self> {
        Ok(if is_zip { Opened::Zip(Zipped::open(path)?) } else { Opened::Tar(Tarball::open(path)?) })
    }

    fn read(&mut self, file: &Entry) -> io::Result<Vec<u8>> {
        match self {
            Opened::Tar(tar) => tar.read(file),
            Opened::Zip(zip) => zip.read(file),
        }
    }
}

/// Whether a file's name is that of an archive.
pub(crate) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz", ".zip"].iter().any(|ending| name.ends_with(ending))
}

/// The archives that lie in a folder, sorted.
pub(crate) fn archives_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = entries(folder)?.into_iter().filter(|path| is_archive(path) && path.is_file());
    let mut archives: Vec<PathBuf> = files.collect();
    archives.sort();
    Ok(archives)
}

/// The first bytes of a file.
fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, 4), &mut start)?;
    Ok(start)
}

/// A path without `.`; `None` when it is absolute or leads upwards.
fn plain(name: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in name.components() {
        match part {
            Component::Normal(part) => plain.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(plain)
}
