//! The packed file: a head of 64 bytes, the pixels, the labels, checksums of the pixels, a JSON header.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `\x89MGPACK\n` |
//! | 8 | 4 | version, 2 |
//! | 12 | 4 | CRC-32 of the 48 bytes that follow |
//! | 16 | 8 | P, bytes of pixels = count side^2 channels |
//! | 24 | 8 | L, bytes of labels = 4 count, or 0 without labels |
//! | 32 | 8 | H, bytes of the header |
//! | 40 | 4 | CRC-32 of labels, checksums and header |
//! | 44 | 20 | zero |
//! | 64 | P | pixels: image after image, rows from the top, RGB interleaved |
//! | 64 + P | L | labels, 32 bits each |
//! | 64 + P + L | C | CRC-32 of every block of 64 KiB of pixels: C = 4 times their number |
//! | 64 + P + L + C | H | [`Header`] as JSON |
//!
//! Numbers are little-endian. The header comes last because the count and the hash are known last. A block of pixels is
//! compared with its checksum when it is first used. Version 1 had zeros and nothing in place of all checksums: such a file is
//! compared with its SHA-256 when it is opened.

use serde::{Deserialize, Serialize};

use crate::limits::{CHANNELS, MAX_SIDE};
use crate::skipped::Skipped;

pub(crate) const MAGIC: [u8; 8] = *b"\x89MGPACK\n";
const VERSION: u32 = 2;
/// Without checksums.
const FIRST_VERSION: u32 = 1;
pub(crate) const HEAD: usize = 64;
/// Bytes of pixels that have a checksum.
pub(super) const BLOCK: usize = 1 << 16;
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

/// The first 64 bytes of a file with sections of these lengths, and this checksum of all but the pixels.
pub(crate) fn head(pixels: u64, labels: u64, header: u64, checksum: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (at, length) in [(16, pixels), (24, labels), (32, header)] {
        head[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }
    head[40..44].copy_from_slice(&checksum.to_le_bytes());
    let own = crc32fast::hash(&head[16..]);
    head[12..16].copy_from_slice(&own.to_le_bytes());
    head
}

/// Checksums of blocks of pixels that are written one after another.
#[derive(Default)]
pub(crate) struct Checksums {
    done: Vec<u32>,
    block: crc32fast::Hasher,
    /// Bytes of the block at hand.
    len: usize,
}

impl Checksums {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.len));
            self.block.update(now);
            self.len += now.len();
            if self.len == BLOCK {
                self.end_block();
            }
            bytes = later;
        }
    }

    fn end_block(&mut self) {
        self.done.push(std::mem::take(&mut self.block).finalize());
        self.len = 0;
    }

    /// The section of a file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.len > 0 {
            self.end_block();
        }
        self.done.iter().flat_map(|checksum| checksum.to_le_bytes()).collect()
    }
}

/// 32-bit numbers.
pub(super) fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect()
}

/// Lengths of the parts of a file, which together fill it.
pub(super) struct Sections {
    pub(super) pixels: usize,
    pub(super) labels: usize,
    pub(super) checksums: usize,
    pub(super) header: usize,
}

impl Sections {
    pub(super) fn of(map: &[u8]) -> Result<Self, String> {
        if map.len() < HEAD || map[..8] != MAGIC {
            return Err("it does not begin like one".to_owned());
        }
        let number = |at: usize| u32::from_le_bytes([map[at], map[at + 1], map[at + 2], map[at + 3]]);
        let version = number(8);
        if version != VERSION && version != FIRST_VERSION {
            return Err(format!("it has version {version}, this program reads versions up to {VERSION}"));
        }
        let is_first = version == FIRST_VERSION;
        if !is_first && crc32fast::hash(&map[16..HEAD]) != number(12) {
            return Err("its head has been altered".to_owned());
        }
        let length =
            |at: usize| map[at..at + 8].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        let [pixels, labels, header] = [length(16), length(24), length(32)];
        let checksums = if is_first { 0 } else { pixels.div_ceil(BLOCK as u64).saturating_mul(4) };
        let lengths = [pixels, labels, checksums, header];
        let total = lengths.iter().try_fold(HEAD as u64, |sum, &length| sum.checked_add(length));
        if total != Some(map.len() as u64) {
            let found = map.len();
            return Err(format!(
                "{found} bytes instead of {HEAD} + {pixels} + {labels} + {checksums} + {header}"
            ));
        }
        if header > MAX_HEADER {
            return Err(format!("a header of {header} bytes, more than {MAX_HEADER}"));
        }
        if !is_first && crc32fast::hash(&map[HEAD + pixels as usize..]) != number(40) {
            return Err("its labels, checksums or header have been altered".to_owned());
        }
        let [pixels, labels, checksums, header] = lengths.map(|length| length as usize);
        Ok(Sections { pixels, labels, checksums, header })
    }
}

/// Whether a header and the lengths fit each other.
pub(super) fn check(header: &Header, pixels: usize, labels: usize) -> Result<(), String> {
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
