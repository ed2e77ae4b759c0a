use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{EntryType, PaxExtensions};

use super::entry::{Entry, path_of};
use crate::folder::is_image;
use crate::limits::MAX_LISTED;

/// Bytes that an archive may say of a file, its name among them.
const MOST_SAID: u64 = 1 << 20;

/// The images and links of an archive.
pub(super) fn list(path: &Path) -> io::Result<Vec<Entry>> {
    let mut archive = tar::Archive::new(bytes(path)?);
    let (mut entries, mut said) = (Vec::new(), Said::default());
    // Raw: what is said of a file before it is read here, in bounded memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => said.name = Some(bounded(&mut entry)?),
            EntryType::XHeader => said.records = Some(bounded(&mut entry)?),
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            kind => {
                let (size, said) = (entry.size(), std::mem::take(&mut said));
                said.check_size(size)?;
                let is_link = kind.is_symlink() || kind.is_hard_link();
                let name = match said.name() {
                    Some(name) => path_of(name),
                    None => path_of(&entry.path_bytes()),
                };
                // Of what is no image not even the name is kept: an archive may hold millions of empty files.
                if is_link || (kind.is_file() && is_image(&name)) {
                    entries.push(Entry { at: entry.raw_file_position(), size, name, is_link });
                }
                if entries.len() > MAX_LISTED {
                    break; // more than the caller takes
                }
            }
        }
    }
    Ok(entries)
}

/// What an archive says of the next file.
#[derive(Default)]
struct Said {
    /// Its name, as GNU tar writes a long one.
    name: Option<Vec<u8>>,
    /// Keys and values (POSIX.1-2001, pax), a name perhaps.
    records: Option<Vec<u8>>,
}

impl Said {
    fn name(&self) -> Option<&[u8]> {
        match &self.name {
            Some(name) => Some(name.strip_suffix(&[0]).unwrap_or(name)),
            None => self.value("path"),
        }
    }

    fn value(&self, key: &str) -> Option<&[u8]> {
        let records = PaxExtensions::new(self.records.as_deref()?).flatten();
        records
            .into_iter()
            .find(|record| record.key_bytes() == key.as_bytes())
            .map(|record| record.value_bytes())
    }

    /// Refuses a file that is of another size than its header says, as those above 8 GiB are.
    fn check_size(&self, size: u64) -> io::Result<()> {
        match self.value("size") {
            Some(said) if said != size.to_string().as_bytes() => {
                let said = String::from_utf8_lossy(said).into_owned();
                Err(bad(format!("a file of {said} bytes, of which its header says {size}")))
            }
            _ => Ok(()),
        }
    }
}

/// What an entry says of the next one.
fn bounded(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    if entry.size() > MOST_SAID {
        return Err(bad(format!("{} bytes with a name in them, more than {MOST_SAID}", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn bad(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one file after what is said of it.
    fn archive(kind: EntryType, said: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (kind, bytes) in [(kind, said), (EntryType::Regular, b"pixels")] {
            let mut header = tar::Header::new_ustar();
            header.set_path("short.png").unwrap();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            header.set_cksum();
            tar.append(&header, bytes).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn listed(archive: &[u8]) -> io::Result<Vec<(String, u64)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, archive).unwrap();
        Ok(list(&path)?.iter().map(|entry| (entry.shown(), entry.size)).collect())
    }

    #[test]
    fn names_are_those_that_are_said_before_a_file() {
        let of = |kind, said: &[u8]| listed(&archive(kind, said)).unwrap();
        assert_eq!(of(EntryType::GNULongName, b"a/long.png\0"), [("a/long.png".to_owned(), 6)]);
        assert_eq!(of(EntryType::XHeader, b"18 path=b/long.png\n"), [("short.png".to_owned(), 6)]); // a wrong length
        assert_eq!(of(EntryType::XHeader, b"19 path=b/long.png\n"), [("b/long.png".to_owned(), 6)]);
        assert_eq!(of(EntryType::XGlobalHeader, b"19 path=b/long.png\n"), [("short.png".to_owned(), 6)]);
        assert_eq!(
            of(EntryType::Regular, b"other"),
            [("short.png".to_owned(), 5), ("short.png".to_owned(), 6)]
        );
    }

    #[test]
    fn endless_names_and_sizes_that_disagree_are_refused() {
        let error = |kind, said: &[u8]| listed(&archive(kind, said)).unwrap_err().to_string();
        let long = vec![b'a'; MOST_SAID as usize + 1];
        assert!(error(EntryType::GNULongName, &long).contains("1048577 bytes"));
        assert!(error(EntryType::XHeader, &long).contains("1048577 bytes"));
        assert!(error(EntryType::XHeader, b"10 size=7\n").contains("a file of 7 bytes"));
    }
}
