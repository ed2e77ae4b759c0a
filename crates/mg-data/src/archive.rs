//! Images in a tar archive, plain or compressed by gzip: read in the archive's order, and never unpacked to disk.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::folder::{class_of, classes, first_level, is_image};
use crate::limits::MAX_FILE;
use crate::record::{Content, Record};
use crate::split::{Split, no_split};
use crate::{Error, Result};

/// The image files of an archive, or of a split of it.
///
/// Folders mean what they mean on disk: below a folder that all files share, first-level folders are splits when all are
/// named so, and classes otherwise.
pub(crate) struct Archive {
    path: PathBuf,
    files: Vec<Entry>,
    pub(crate) split: Option<Split>,
    pub(crate) classes: Vec<String>,
}

/// A file of the archive.
struct Entry {
    /// Below the shared folder and the split's.
    name: PathBuf,
    /// Where its bytes begin in the unpacked archive.
    at: u64,
    size: u64,
}

impl Archive {
    /// Lists an archive. A compressed one is unpacked to nowhere for that.
    pub(crate) fn open(path: &Path, wish: Option<Split>) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, None, reason);
        let mut archive = tar::Archive::new(bytes(path).map_err(Error::io("open", path))?);
        let mut files = Vec::new();
        for entry in archive.entries().map_err(|e| damaged(e.to_string()))? {
            let entry = entry.map_err(|e| damaged(e.to_string()))?;
            let name = entry.path().map_err(|e| damaged(e.to_string()))?.into_owned();
            let kind = entry.header().entry_type();
            if kind.is_symlink() || kind.is_hard_link() {
                return Err(damaged(format!(
                    "{} is a link; archives with links are not read",
                    name.display()
                )));
            }
            if !kind.is_file() || !is_image(&name) {
                continue;
            }
            let name = plain(&name).ok_or_else(|| {
                damaged(format!("{} leads out of the archive, which is not read", name.display()))
            })?;
            if name.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b".")) {
                continue;
            }
            if entry.size() > MAX_FILE {
                let size = entry.size();
                return Err(damaged(format!("{} has {size} bytes, more than {MAX_FILE}", name.display())));
            }
            files.push(Entry { at: entry.raw_file_position(), size: entry.size(), name });
        }
        if files.is_empty() {
            return Err(Error::NoImages(path.to_owned()));
        }
        strip_shared(&mut files);
        let split = choose_split(path, &mut files, wish)?;
        let mut names: Vec<PathBuf> = files.iter().map(|file| file.name.clone()).collect();
        names.sort();
        Ok(Archive { path: path.to_owned(), classes: classes(&names), files, split })
    }

    /// The archive's file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of image files.
    pub(crate) fn len(&self) -> u64 {
        self.files.len() as u64
    }

    /// The records in the archive's order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record>> {
        let mut forward = None;
        self.files.iter().enumerate().map(move |(row, file)| {
            let content = (|| {
                let forward = match &mut forward {
                    Some(forward) => forward,
                    None => forward.insert(Forward { from: bytes(&self.path)?, at: 0 }),
                };
                forward.read(file)
            })();
            let content =
                content.map_err(|error: io::Error| Error::damaged(&self.path, Some(row as u64), error))?;
            let label = class_of(&file.name, &self.classes);
            Ok(Record { name: file.name.display().to_string(), label, content: Content::Bytes(content) })
        })
    }
}

/// The bytes of an archive, which are only read forward.
struct Forward {
    from: Box<dyn Read + Send>,
    at: u64,
}

impl Forward {
    fn read(&mut self, file: &Entry) -> io::Result<Vec<u8>> {
        let skip = file.at.saturating_sub(self.at);
        let skipped = io::copy(&mut (&mut self.from).take(skip), &mut io::sink())?;
        let mut bytes = Vec::new();
        let read = (&mut self.from).take(file.size).read_to_end(&mut bytes)? as u64;
        self.at += skipped + read;
        match skipped == skip && read == file.size {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The unpacked bytes of an archive.
fn bytes(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let gzip = io::BufRead::fill_buf(&mut file)?.starts_with(&GZIP);
    Ok(if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

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

/// Takes off the folders that all files share.
fn strip_shared(files: &mut [Entry]) {
    loop {
        let first = files.first().and_then(|file| first_level(&file.name));
        let Some(first) = first else { return };
        if files.iter().any(|file| first_level(&file.name).as_ref() != Some(&first)) {
            return;
        }
        files.iter_mut().for_each(|file| file.name = file.name.components().skip(1).collect());
    }
}

/// Keeps the files of a split, where the first level consists of splits.
fn choose_split(path: &Path, files: &mut Vec<Entry>, wish: Option<Split>) -> Result<Option<Split>> {
    let of = |file: &Entry| first_level(&file.name).and_then(|level| level.parse::<Split>().ok());
    let all = files.iter().all(|file| of(file).is_some());
    match (all, wish) {
        (false, None) => Ok(None),
        (false, wish) => Err(no_split(&path.display().to_string(), wish, "no folders of splits")),
        (true, wish) => {
            let split = wish.unwrap_or(Split::Train);
            files.retain(|file| of(file) == Some(split));
            if files.is_empty() {
                return Err(no_split(&path.display().to_string(), Some(split), "other splits"));
            }
            files.iter_mut().for_each(|file| file.name = file.name.components().skip(1).collect());
            Ok(Some(split))
        }
    }
}
