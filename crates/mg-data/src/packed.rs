//! The packed file: a head of 64 bytes, the pixels, the labels, a JSON header.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `\x89MGPACK\n` |
//! | 8 | 4 | version, 1 |
//! | 12 | 4 | zero |
//! | 16 | 8 | P, bytes of pixels = count side^2 channels |
//! | 24 | 8 | L, bytes of labels = 4 count, or 0 without labels |
//! | 32 | 8 | H, bytes of the header |
//! | 40 | 24 | zero |
//! | 64 | P | pixels: image after image, rows from the top, RGB interleaved |
//! | 64 + P | L | labels, 32 bits each |
//! | 64 + P + L | H | [`Header`] as JSON |
//!
//! Numbers are little-endian. The header comes last because the count and the hash are known last.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::limits::{CHANNELS, MAX_SIDE};
use crate::skipped::Skipped;
use crate::{Error, Result};

pub(crate) const MAGIC: [u8; 8] = *b"\x89MGPACK\n";
pub(crate) const VERSION: u32 = 1;
pub(crate) const HEAD: usize = 64;
/// Bytes of a header: room for the names of many bad images, and no more.
const MAX_HEADER: u64 = 1 << 26;

/// What a packed file says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) side: usize,
    pub(crate) channels: usize,
    pub(crate) count: u64,
    pub(crate) labelled: bool,
    pub(crate) classes: Vec<String>,
    pub(crate) source: String,
    pub(crate) resize: String,
    pub(crate) split: Option<String>,
    pub(crate) licence: Option<String>,
    pub(crate) sha256: String,
    pub(crate) skipped: Skipped,
}

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

/// The first 64 bytes of a file with sections of these lengths.
pub(crate) fn head(pixels: u64, labels: u64, header: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (at, length) in [(16, pixels), (24, labels), (32, header)] {
        head[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }
    head
}

/// An open packed file; every length in it has been checked.
pub(crate) struct Packed {
    path: PathBuf,
    file: File,
    map: Mmap,
    pixels: usize,
    pub(crate) header: Header,
    pub(crate) labels: Option<Vec<u32>>,
}

impl Packed {
    /// Maps the file and checks its head, its header and its labels, not its pixels.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let damaged = |reason: String| Error::Packed { path: path.to_owned(), reason };
        let map = map(&file).map_err(Error::io("map", path))?;
        let [pixels, labels, header] = sections(&map).map_err(damaged)?;
        let parsed: Header = serde_json::from_slice(&map[HEAD + pixels + labels..][..header])
            .map_err(|error| damaged(format!("its header is not readable ({error})")))?;
        check(&parsed, pixels, labels).map_err(damaged)?;
        let words = map[HEAD + pixels..][..labels].chunks_exact(4);
        let labels: Vec<u32> = words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
        if let Some(label) = labels.iter().find(|&&label| label as usize >= parsed.classes.len()) {
            return Err(damaged(format!("label {label} with {} classes", parsed.classes.len())));
        }
        let labels = parsed.labelled.then_some(labels);
        Ok(Packed { path: path.to_owned(), file, map, pixels, header: parsed, labels })
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
    /// When the file has been cut since it was opened, or the disk fails.
    pub(crate) fn read(&self, start: usize, buffer: &mut [u8]) -> Result<()> {
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

/// Lengths of pixels, labels and header, which together fill the file.
fn sections(map: &[u8]) -> Result<[usize; 3], String> {
    if map.len() < HEAD || map[..8] != MAGIC {
        return Err("it does not begin like one".to_owned());
    }
    let version = u32::from_le_bytes([map[8], map[9], map[10], map[11]]);
    if version != VERSION {
        return Err(format!("it has version {version}, this program reads version {VERSION}"));
    }
    let length = |at: usize| map[at..at + 8].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
    let lengths = [length(16), length(24), length(32)];
    let total = lengths.iter().try_fold(HEAD as u64, |sum, &length| sum.checked_add(length));
    if total != Some(map.len() as u64) {
        let [pixels, labels, header] = lengths;
        let found = map.len();
        return Err(format!("{found} bytes instead of {HEAD} + {pixels} + {labels} + {header}"));
    }
    if lengths[2] > MAX_HEADER {
        return Err(format!("a header of {} bytes, more than {MAX_HEADER}", lengths[2]));
    }
    Ok(lengths.map(|length| length as usize))
}

fn check(header: &Header, pixels: usize, labels: usize) -> Result<(), String> {
    let Header { side, channels, count, labelled, .. } = *header;
    if channels != CHANNELS || side == 0 || side > MAX_SIDE {
        return Err(format!("images of side {side} with {channels} channels"));
    }
    if count == 0 || count.checked_mul((side * side * channels) as u64) != Some(pixels as u64) {
        return Err(format!("{pixels} bytes of pixels for {count} images of side {side}"));
    }
    let expected = if labelled { count.checked_mul(4) } else { Some(0) };
    if expected != Some(labels as u64) {
        return Err(format!("{labels} bytes of labels for {count} images"));
    }
    Ok(())
}
