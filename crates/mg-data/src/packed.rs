//! Files of packed images; see `format` for their bytes.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::limits::CHANNELS;
use crate::{Error, Result};

mod format;

use self::format::{BLOCK, Sections, check, words};
pub(crate) use self::format::{Checksums, HEAD, Header, MAGIC, head};

/// The hash of a set's content: SHA-256 of all pixels, then of all labels, then of side, channels and count.
#[derive(Clone, Default)]
pub(crate) struct ContentHash(Sha256);

impl ContentHash {
    pub(crate) fn image(&mut self, pixels: &[u8]) {
        self.0.update(pixels);
    }

    pub(crate) fn finish(mut self, labels: &[u32], side: usize, count: u64) -> String {
        for label in labels {
            self.0.update(label.to_le_bytes());
        }
        for number in [side as u64, CHANNELS as u64, count] {
            self.0.update(number.to_le_bytes());
        }
        hex(&self.0.finalize())
    }
}

/// An open packed file; every length in it has been checked, and everything but its pixels.
pub(crate) struct Packed {
    path: PathBuf,
    file: File,
    map: Mmap,
    pixels: usize,
    /// Of every block of pixels, and whether it was found right.
    blocks: Vec<(u32, AtomicBool)>,
    pub(crate) header: Header,
    pub(crate) labels: Option<Vec<u32>>,
}

impl Packed {
    /// Maps the file and checks its head, its header and its labels. Its pixels are checked as they are used; those of the first
    /// version, which has no checksums, now.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |reason: String| Error::Packed { path: path.to_owned(), reason };
        let map = map(&file).map_err(Error::io("map", path))?;
        let Sections { pixels, labels: label_bytes, checksums, header } =
            Sections::of(&map).map_err(damaged)?;
        let parsed: Header =
            serde_json::from_slice(&map[HEAD + pixels + label_bytes + checksums..][..header])
                .map_err(|error| damaged(format!("its header is not readable ({error})")))?;
        check(&parsed, pixels, label_bytes).map_err(damaged)?;
        let labels = words(&map[HEAD + pixels..][..label_bytes]);
        if let Some(label) = labels.iter().find(|&&label| label as usize >= parsed.classes.len()) {
            return Err(damaged(format!("label {label} with {} classes", parsed.classes.len())));
        }
        let blocks = words(&map[HEAD + pixels + label_bytes..][..checksums]);
        let blocks: Vec<_> = blocks.into_iter().map(|checksum| (checksum, AtomicBool::new(false))).collect();
        let is_first_version = blocks.is_empty();
        let labels = parsed.labelled.then_some(labels);
        let packed = Packed { path: path.to_owned(), file, map, pixels, blocks, header: parsed, labels };
        if is_first_version {
            packed.verify(packed.labels.as_deref().unwrap_or_default())?;
        }
        Ok(packed)
    }

    /// Reads every pixel and compares with the hash written when the set was packed.
    pub(crate) fn verify(&self, labels: &[u32]) -> Result<()> {
        let mut hash = ContentHash::default();
        hash.image(self.pixels());
        let found = hash.finish(labels, self.header.side, self.header.count);
        let expected = &self.header.sha256;
        if found == *expected {
            return Ok(());
        }
        let reason = format!("its content has the hash {found} instead of {expected}");
        Err(Error::Packed { path: self.path.clone(), reason })
    }

    /// Pixels from byte `start` to `end`, of blocks that are what they were.
    ///
    /// # Errors
    /// When a block has been altered.
    pub(crate) fn part(&self, bytes: Range<usize>) -> Result<&[u8]> {
        for block in self.doubtful(&bytes) {
            let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(self.pixels));
            self.trust(block, crc32fast::hash(&self.pixels()[start..end]))?;
        }
        Ok(&self.pixels()[bytes])
    }

    /// Blocks that some pixels lie in and that were not compared yet.
    fn doubtful(&self, bytes: &Range<usize>) -> impl Iterator<Item = usize> {
        let blocks = bytes.start / BLOCK..bytes.end.div_ceil(BLOCK).min(self.blocks.len());
        blocks.filter(|&block| !self.blocks[block].1.load(Ordering::Relaxed))
    }

    fn trust(&self, block: usize, found: u32) -> Result<()> {
        let (expected, is_right) = &self.blocks[block];
        if found != *expected {
            let (first, last) = (block * BLOCK, ((block + 1) * BLOCK).min(self.pixels) - 1);
            let image = self.header.side * self.header.side * self.header.channels;
            let (from, to) = (first / image, last / image);
            let reason =
                format!("block {block} of its pixels, which images {from} to {to} lie in, has been altered");
            return Err(Error::Packed { path: self.path.clone(), reason });
        }
        is_right.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// All pixels, image after image.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.map[HEAD..HEAD + self.pixels]
    }

    /// Tells the system that these bytes of the pixels are read next, so that it fetches them all at once. A hint: where it
    /// cannot be given, reading only takes longer.
    pub(crate) fn will_need(&self, bytes: Range<usize>) {
        #[cfg(unix)]
        let _ = self.map.advise_range(memmap2::Advice::WillNeed, HEAD + bytes.start, bytes.len());
        #[cfg(not(unix))]
        let _ = bytes;
    }

    /// Reads the pixels from byte `start` on into `buffer`, not through the map: what is read through the map counts as
    /// memory of the process until the system wants it back.
    ///
    /// # Errors
    /// When a block has been altered, the file has been cut since it was opened, or the disk fails.
    pub(crate) fn read(&self, start: usize, buffer: &mut [u8]) -> Result<()> {
        let mut whole = Vec::new();
        for block in self.doubtful(&(start..start + buffer.len())) {
            whole.resize(BLOCK.min(self.pixels - block * BLOCK), 0);
            self.read_exact(block * BLOCK, &mut whole)?;
            self.trust(block, crc32fast::hash(&whole))?;
        }
        self.read_exact(start, buffer)
    }

    fn read_exact(&self, start: usize, buffer: &mut [u8]) -> Result<()> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, (HEAD + start) as u64);
        #[cfg(windows)]
        let read = read_exact_at(&self.file, buffer, (HEAD + start) as u64);
        read.map_err(Error::io("read", &self.path))
    }
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, at)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                at += read as u64;
                buffer = &mut buffer[read..];
            }
        }
    }
    Ok(())
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only read. Packed files are written under another name and renamed when complete, and
    // nothing in this crate writes to one afterwards; somebody who cuts a file that is in use gets a bus error,
    // somebody who alters it gets other pixels, and no value of a byte is invalid.
    unsafe { Mmap::map(file) }
}
