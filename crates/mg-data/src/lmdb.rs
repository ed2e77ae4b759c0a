//! LMDB environments, as LSUN comes: a tree of pages in one file. Read page by page and checked, for the usual library maps
//! the file into memory and believes what it finds there.
//!
//! A file begins with two meta pages, of which the younger counts. Numbers are little-endian; a page begins with 16 bytes:
//! its number, two unused bytes, its flags, and where its pointers end. Format: `lmdb.h` and `mdb.c` of OpenLDAP, version 1.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::hex::hex;
use crate::limits::MAX_FILE;
use crate::record::{Content, Record};
use crate::{Error, Result};

/// The name of the file inside an environment's folder.
pub(crate) const DATA: &str = "data.mdb";

const HEAD: usize = 16;
const MAGIC: u32 = 0xbeef_c0de;
const VERSION: u32 = 1;
/// Bytes of a meta, which follows a page's head: magic, version, address, size, two tables of 48, last page, transaction.
const META_BYTES: usize = 8 + 16 + 2 * TABLE_BYTES + 16;
const TABLE_BYTES: usize = 48;
/// A tree of no pages.
const NO_PAGE: u64 = u64::MAX;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
/// A value that has pages of its own.
const BIG: u16 = 1;
/// Tables with several values for a key.
const SEVERAL: u16 = 4 | 16 | 32 | 64;
/// No tree is deeper.
const MAX_DEPTH: usize = 32;
/// No key of an image is longer.
const MAX_KEY: usize = 511;

/// An environment whose meta pages are sound; the tree is checked as it is read.
pub(crate) struct Lmdb {
    path: PathBuf,
    page: usize,
    /// Pages that the file has room for.
    pages: u64,
    root: u64,
    entries: u64,
}

/// Whether the first bytes of a file are those of an environment, which may be a file of any name.
pub(crate) fn begins_like_one(start: &[u8]) -> bool {
    start.len() >= HEAD + 4 && word(start, HEAD) == MAGIC
}

impl Lmdb {
    /// Opens an environment's folder, or the file that it is.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join(DATA) } else { path.to_owned() };
        let mut file = File::open(&path).map_err(Error::io("open", &path))?;
        let length = file.metadata().map_err(Error::io("read", &path))?.len();
        let damaged = |reason: String| Error::damaged(&path, None, reason);
        let mut meta = |at: u64| -> Result<Option<Vec<u8>>> {
            let mut bytes = vec![0; HEAD + META_BYTES];
            if at + bytes.len() as u64 > length {
                return Ok(None);
            }
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(Error::io("read", &path))?;
            let known = (word(&bytes, HEAD), word(&bytes, HEAD + 4)) == (MAGIC, VERSION);
            Ok(known.then(|| bytes.split_off(HEAD)))
        };
        let Some(first) = meta(0)? else {
            return Err(damaged(format!("no LMDB environment of version {VERSION}")));
        };
        // The table of free pages holds the size of a page.
        let page = word(&first, 24) as usize;
        if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
            return Err(damaged(format!("pages of {page} bytes")));
        }
        let second = meta(page as u64)?;
        let transaction = |meta: &[u8]| long(meta, META_BYTES - 8);
        let meta = second.filter(|second| transaction(second) > transaction(&first)).unwrap_or(first);
        let main = &meta[24 + TABLE_BYTES..][..TABLE_BYTES];
        let (entries, root, pages) = (long(main, 32), long(main, 40), length / page as u64);
        if half(main, 4) & SEVERAL != 0 {
            return Err(damaged("it keeps several values for a key, which are no images".into()));
        }
        if entries > pages.saturating_mul(page as u64 / 8) {
            return Err(damaged(format!("{entries} entries do not fit into {pages} pages")));
        }
        Ok(Lmdb { path, page, pages, root, entries })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.entries
    }

    /// Entries in the order of their keys, which become names.
    pub(crate) fn records(&self) -> Entries<'_> {
        Entries { of: self, file: None, stack: Vec::new(), seen: 0, row: 0, ended: false }
    }
}

/// Iterator over the entries of an [`Lmdb`].
pub(crate) struct Entries<'a> {
    of: &'a Lmdb,
    /// Open from the first page on.
    file: Option<File>,
    /// The pages from the root to the open leaf, with the number of the next node of each.
    stack: Vec<(Vec<u8>, usize)>,
    /// Pages read so far.
    seen: u64,
    row: u64,
    ended: bool,
}

impl Iterator for Entries<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        self.ended = !matches!(next, Ok(Some(_)));
        self.row += 1;
        next.transpose()
    }
}

impl Entries<'_> {
    fn advance(&mut self) -> Result<Option<Record>> {
        if self.row == 0 && self.of.root != NO_PAGE {
            let root = self.page(self.of.root)?;
            self.stack.push((root, 0));
        }
        while let Some((page, node)) = self.stack.last_mut() {
            if *node == nodes(page) {
                self.stack.pop();
                continue;
            }
            let (leaf, found) = (half(page, 10) & LEAF != 0, node_of(page, *node));
            *node += 1;
            let Some(found) = found else {
                return Err(self.damaged("a node that is not within its page".to_owned()));
            };
            if leaf {
                // A tree that leads to its own pages again would never end.
                if self.row >= self.of.entries {
                    return Err(self.damaged(format!("more than its {} entries", self.of.entries)));
                }
                return self.record(found).map(Some);
            }
            if self.stack.len() == MAX_DEPTH {
                return Err(self.damaged(format!("a tree deeper than {MAX_DEPTH} pages")));
            }
            let child = self.page(found.child)?;
            self.stack.push((child, 0));
        }
        match self.row == self.of.entries {
            true => Ok(None),
            false => Err(self.damaged(format!("it has {} entries instead of {}", self.row, self.of.entries))),
        }
    }

    fn record(&mut self, node: Node) -> Result<Record> {
        let value = match node.flags {
            0 => node.value,
            BIG => {
                let Ok(start) = <[u8; 8]>::try_from(node.value.as_slice()) else {
                    return Err(self.damaged("a large value without a page".to_owned()));
                };
                self.large(u64::from_le_bytes(start), node.size)?
            }
            flags => return Err(self.damaged(format!("a value with flags {flags:#x}, which is no image"))),
        };
        let name = match std::str::from_utf8(&node.key) {
            Ok(key) if !key.contains(char::is_control) => key.to_owned(),
            _ => hex(&node.key),
        };
        Ok(Record { name, label: None, content: Content::Bytes(value) })
    }

    /// A value of `size` bytes on pages of its own.
    fn large(&mut self, number: u64, size: usize) -> Result<Vec<u8>> {
        let room = self.of.pages.saturating_sub(number).saturating_mul(self.of.page as u64);
        if size as u64 > MAX_FILE || (HEAD + size) as u64 > room {
            return Err(self.damaged(format!("a value of {size} bytes on page {number} is too long")));
        }
        let mut bytes = self.read(number, HEAD + size)?;
        let pages = u64::from(word(&bytes, 12));
        if long(&bytes, 0) != number
            || half(&bytes, 10) & OVERFLOW == 0
            || pages * (self.of.page as u64) < (HEAD + size) as u64
        {
            return Err(self.damaged(format!("page {number} holds no value of {size} bytes")));
        }
        bytes.drain(..HEAD);
        Ok(bytes)
    }

    /// A page of the tree.
    fn page(&mut self, number: u64) -> Result<Vec<u8>> {
        if number < 2 || number >= self.of.pages {
            return Err(self.damaged(format!("no page {number} in a tree of {} pages", self.of.pages)));
        }
        let page = self.read(number, self.of.page)?;
        let (flags, lower) = (half(&page, 10), half(&page, 12) as usize);
        let sound = (HEAD..=page.len()).contains(&lower) && lower.is_multiple_of(2);
        if long(&page, 0) != number || (flags & (BRANCH | LEAF)).count_ones() != 1 || !sound {
            return Err(self.damaged(format!("page {number} is not a page of the tree")));
        }
        Ok(page)
    }

    /// So many bytes from the beginning of a page on.
    fn read(&mut self, page: u64, length: usize) -> Result<Vec<u8>> {
        // One way leads to a page. Were there two to every page, a tree of thirty would take days.
        self.seen += (length as u64).div_ceil(self.of.page as u64);
        if self.seen > self.of.pages {
            return Err(self.damaged(format!("its {} pages are led to more than once", self.of.pages)));
        }
        let (mut bytes, path) = (vec![0; length], &self.of.path);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(File::open(path).map_err(Error::io("open", path))?),
        };
        let read =
            file.seek(SeekFrom::Start(page * self.of.page as u64)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Error::io("read", path))?;
        Ok(bytes)
    }

    fn damaged(&self, reason: String) -> Error {
        Error::damaged(&self.of.path, Some(self.row), reason)
    }
}

/// A node of a page.
struct Node {
    flags: u16,
    key: Vec<u8>,
    /// Of a leaf: bytes of the value.
    size: usize,
    /// Of a leaf: the value, or where it lies.
    value: Vec<u8>,
    /// Of a branch: the page below.
    child: u64,
}

/// Nodes of a page of the tree.
fn nodes(page: &[u8]) -> usize {
    (half(page, 12) as usize - HEAD) / 2
}

/// Node number `at` of those there are; `None` when it leaves the page.
fn node_of(page: &[u8], at: usize) -> Option<Node> {
    let head = page.get(half(page, HEAD + 2 * at) as usize..)?;
    if head.len() < 8 {
        return None;
    }
    let (low, high, flags) = (half(head, 0), half(head, 2), half(head, 4));
    let size = usize::from(low) | usize::from(high) << 16;
    let key_size = usize::from(half(head, 6));
    let key = head[8..].get(..key_size)?.to_vec();
    let leaf = half(page, 10) & LEAF != 0;
    let stored = match (leaf, flags & BIG) {
        (false, _) => 0,
        (true, 0) => size,
        (true, _) => 8,
    };
    let value = head[8 + key_size..].get(..stored)?.to_vec();
    let child = u64::from(low) | u64::from(high) << 16 | u64::from(flags) << 32;
    (key_size <= MAX_KEY).then_some(Node { flags, key, size, value, child })
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(half(bytes, at)) | u32::from(half(bytes, at + 2)) << 16
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
