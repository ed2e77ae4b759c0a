//! LMDB environments of a few pages; see `mg-data/src/lmdb.rs` for their bytes.

use image::ImageFormat;

use crate::Input;
use crate::pictures::{encoded, picture};

/// Bytes of a page.
const PAGE: usize = 512;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const META: u16 = 8;
/// Bytes of a page's head, and of a node's.
const HEAD: usize = 16;
const NODE: usize = 8;

pub(crate) fn all() -> Vec<Input> {
    let small = encoded(picture(1), ImageFormat::Png);
    let large: Vec<u8> = [small.clone(), vec![0; 600]].concat();
    // A value of its own page is named by a page's number, and its flag says so.
    let big = node(large.len(), 1, b"b", &5u64.to_le_bytes());
    let leaf = page(3, LEAF, &[node(small.len(), 0, b"a", &small)]);
    let other = page(4, LEAF, &[big]);
    let root = page(2, BRANCH, &[node(3, 0, b"", b""), node(4, 0, b"b", b"")]);
    let two = environment(2, 2, &[root, leaf.clone(), other, overflow(5, &large)]);
    let one = environment(1, 2, &[page(2, LEAF, &[node(small.len(), 0, b"a", &small)])]);
    vec![
        ("lmdb", "two-leaves.mdb".into(), two),
        ("lmdb", "one-leaf.mdb".into(), one),
        ("lmdb", "found-by-thought-every-page-twice.mdb".into(), every_page_twice()),
    ]
}

/// A tree of few pages whose branches lead to the same page twice: 2^29 ways from the root to a leaf without entries.
fn every_page_twice() -> Vec<u8> {
    let last = 31;
    let branch = |number: u64| {
        page(
            number,
            BRANCH,
            &[node(number as usize + 1, 0, b"", b""), node(number as usize + 1, 0, b"b", b"")],
        )
    };
    let mut pages: Vec<Vec<u8>> = (2..last).map(branch).collect();
    pages.push(page(last, LEAF, &[]));
    environment(1, 2, &pages)
}

/// Two meta pages, and these from number 2 on.
fn environment(entries: u64, root: u64, pages: &[Vec<u8>]) -> Vec<u8> {
    let meta = |number: u64| {
        let mut bytes = vec![0; PAGE];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[10..12].copy_from_slice(&META.to_le_bytes());
        let words = |bytes: &mut Vec<u8>, at: usize, words: &[u32]| {
            for (i, word) in words.iter().enumerate() {
                bytes[at + 4 * i..][..4].copy_from_slice(&word.to_le_bytes());
            }
        };
        words(&mut bytes, HEAD, &[0xbeef_c0de, 1]);
        // The size of a page stands in the table of free pages.
        words(&mut bytes, HEAD + 24, &[PAGE as u32]);
        let main = HEAD + 24 + 48;
        bytes[main + 32..][..8].copy_from_slice(&entries.to_le_bytes());
        bytes[main + 40..][..8].copy_from_slice(&root.to_le_bytes());
        bytes[main + 48 + 8..][..8].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    [meta(0), meta(1), pages.concat()].concat()
}

/// A page of a tree: pointers from the front, nodes from the end.
fn page(number: u64, flags: u16, nodes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; PAGE];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[10..12].copy_from_slice(&flags.to_le_bytes());
    let (mut lower, mut upper) = (HEAD, PAGE);
    for node in nodes {
        upper -= node.len().next_multiple_of(2);
        bytes[upper..][..node.len()].copy_from_slice(node);
        bytes[lower..][..2].copy_from_slice(&(upper as u16).to_le_bytes());
        lower += 2;
    }
    bytes[12..14].copy_from_slice(&(lower as u16).to_le_bytes());
    bytes[14..16].copy_from_slice(&(upper as u16).to_le_bytes());
    bytes
}

/// A node: of a leaf the bytes of its value, of a branch the page below, in four bytes; flags; a key and what follows.
fn node(size: usize, flags: u16, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = (size as u32).to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend((key.len() as u16).to_le_bytes());
    assert_eq!(bytes.len(), NODE);
    bytes.extend(key);
    bytes.extend(value);
    bytes
}

/// Pages of one value.
fn overflow(number: u64, value: &[u8]) -> Vec<u8> {
    let pages = (HEAD + value.len()).div_ceil(PAGE);
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(OVERFLOW.to_le_bytes());
    bytes.extend((pages as u32).to_le_bytes());
    bytes.extend(value);
    bytes.resize(pages * PAGE, 0);
    bytes
}
