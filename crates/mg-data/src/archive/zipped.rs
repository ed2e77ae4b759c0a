use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::entry::{Entry, path_of};

/// A zip archive, whose files are found by their numbers.
pub(super) struct Zipped(ZipArchive<BufReader<File>>);

/// The files and links of an archive.
pub(super) fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let Zipped(mut archive) = Zipped::open(path)?;
    let mut entries = Vec::new();
    for number in 0..archive.len() {
        // The name and the size alone: what is compressed in other ways, or encrypted, is told when it is read.
        let file = archive.by_index_raw(number)?;
        if file.is_file() || file.is_symlink() {
            let (name, is_link) = (path_of(file.name_raw()), file.is_symlink());
            entries.push(Entry { name, at: number as u64, size: file.size(), is_link });
        }
    }
    Ok(entries)
}

impl Zipped {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Zipped(ZipArchive::new(BufReader::new(File::open(path)?))?))
    }

    /// The bytes of a file.
    pub(super) fn read(&mut self, file: &Entry) -> io::Result<Vec<u8>> {
        let number = usize::try_from(file.at).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        // One byte more than was said, to see a file that is longer.
        let read = self.0.by_index(number)?.take(file.size + 1).read_to_end(&mut bytes)? as u64;
        match read == file.size {
            true => Ok(bytes),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{read} bytes or more instead of {}", file.size),
            )),
        }
    }
}
