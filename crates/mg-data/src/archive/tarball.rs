use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::entry::Entry;

/// The files and links of an archive.
pub(super) fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let mut archive = tar::Archive::new(bytes(path)?);
    let mut entries = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let is_link = kind.is_symlink() || kind.is_hard_link();
        if is_link || kind.is_file() {
            let name = entry.path()?.into_owned();
            entries.push(Entry { at: entry.raw_file_position(), size: entry.size(), name, is_link });
        }
    }
    Ok(entries)
}

/// The bytes of an archive, which are only read forward.
pub(super) struct Tarball {
    from: Box<dyn Read + Send>,
    at: u64,
}

impl Tarball {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Tarball { from: bytes(path)?, at: 0 })
    }

    /// The bytes of a file that comes after those read before.
    pub(super) fn read(&mut self, file: &Entry) -> io::Result<Vec<u8>> {
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
