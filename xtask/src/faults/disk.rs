//! A model of a folder on a disk: what the system has been told, and what the disk is known to keep.
//!
//! What is written to a file is on the disk once that file is flushed; a name, new, other or gone, is there once the folder
//! that it stands in is flushed. Until then the disk may have some of it and not the rest, in whatever order: POSIX promises
//! no more, and file systems differ in what else they keep.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::log::{Event, EventKind};
use super::tree::{Entry, Tree};

/// A folder and the files in it.
#[derive(Clone)]
pub(super) struct Disk {
    /// Every file there ever was, with and without a name.
    files: Vec<File>,
    /// The last of them that had a number.
    numbers: BTreeMap<u64, usize>,
    /// Names that the disk has.
    kept: Names,
    /// What became of names since, in its order.
    pending: Vec<NameChange>,
    /// Names as the system sees them.
    names: Names,
}

/// Paths to what they name.
type Names = BTreeMap<String, Node>;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Folder,
    File(usize),
    Link(String),
}

#[derive(Clone, Default)]
struct File {
    /// What the disk has.
    kept: Vec<u8>,
    /// What became of it since, in its order.
    pending: Vec<Change>,
}

/// A change of what a file holds.
#[derive(Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

#[derive(Clone)]
enum NameChange {
    Add(String, Node),
    Remove(String),
    Move(String, String),
}

/// Says what the disk had of what it was told when the power went.
pub(super) trait Loss {
    /// Whether a change of names was kept.
    fn keeps_name(&mut self) -> bool;

    /// The part of a change of a file that was kept.
    fn kept(&mut self, change: &Change) -> Option<Change>;
}

impl Disk {
    /// A disk that has this tree, and has been told nothing else.
    pub(super) fn new(tree: &Tree) -> Self {
        let (mut files, mut names) = (Vec::new(), Names::new());
        for (path, entry) in tree {
            let node = match entry {
                Entry::Folder => Node::Folder,
                Entry::Link(target) => Node::Link(target.clone()),
                Entry::File(bytes) => {
                    files.push(File { kept: bytes.clone(), pending: Vec::new() });
                    Node::File(files.len() - 1)
                }
            };
            names.insert(path.clone(), node);
        }
        Disk { files, numbers: BTreeMap::new(), kept: names.clone(), pending: Vec::new(), names }
    }

    /// Bytes of all files that have names.
    pub(super) fn bytes(&self) -> usize {
        let length = |node: &Node| match node {
            Node::File(file) => self.files[*file].content().len(),
            Node::Folder | Node::Link(_) => 0,
        };
        self.names.values().map(length).sum()
    }

    /// What a path holds, as the system sees it.
    pub(super) fn content(&self, path: &str) -> Option<Vec<u8>> {
        match self.names.get(path)? {
            Node::File(file) => Some(self.files[*file].content()),
            Node::Folder | Node::Link(_) => None,
        }
    }

    /// What a call did.
    pub(super) fn apply(&mut self, event: &Event) -> Result<()> {
        let path = || event.path.clone();
        match event.kind {
            EventKind::New => {
                self.files.push(File::default());
                self.numbers.insert(event.file, self.files.len() - 1);
                self.change_names(NameChange::Add(path(), Node::File(self.files.len() - 1)));
            }
            EventKind::Open => {
                if let Some(Node::File(file)) = self.names.get(&event.path) {
                    self.numbers.insert(event.file, *file);
                }
                if event.more == "cut" {
                    self.file(event)?.pending.push(Change::Cut(0));
                }
            }
            EventKind::Write => {
                let (at, bytes) = (event.number()?, event.bytes.clone());
                self.file(event)?.pending.push(Change::Write { at, bytes });
            }
            EventKind::Cut => {
                let length = event.number()?;
                self.file(event)?.pending.push(Change::Cut(length));
            }
            EventKind::Sync
                if event.path.is_empty() || self.names.get(&event.path) == Some(&Node::Folder) =>
            {
                self.flush_names_of(&event.path);
            }
            EventKind::Sync => {
                let file = self.file(event)?;
                *file = File { kept: file.content(), pending: Vec::new() };
            }
            EventKind::Rename => self.change_names(NameChange::Move(path(), event.more.clone())),
            EventKind::Unlink | EventKind::Rmdir => self.change_names(NameChange::Remove(path())),
            EventKind::Mkdir => self.change_names(NameChange::Add(path(), Node::Folder)),
            EventKind::Symlink => {
                self.change_names(NameChange::Add(path(), Node::Link(event.more.clone())));
            }
            EventKind::Read | EventKind::Close | EventKind::Denied | EventKind::Failed => {}
        }
        Ok(())
    }

    /// What is there when the power comes back.
    pub(super) fn after(&self, loss: &mut dyn Loss) -> Result<Tree> {
        let mut names = self.kept.clone();
        for change in &self.pending {
            if loss.keeps_name() {
                change.apply(&mut names);
            }
        }
        let mut tree = Tree::new();
        // Folders stand before what lies in them; what lies in a folder that was lost is lost with it.
        for (path, node) in &names {
            let has_folder = path.rsplit_once('/').is_none_or(|(folder, _)| tree.contains_key(folder));
            let entry = match node {
                Node::Folder => Entry::Folder,
                Node::Link(target) => Entry::Link(target.clone()),
                Node::File(file) => Entry::File(self.files[*file].after(loss)),
            };
            if has_folder {
                tree.insert(path.clone(), entry);
            }
        }
        Ok(tree)
    }

    fn file(&mut self, event: &Event) -> Result<&mut File> {
        let number = self.numbers.get(&event.file);
        let number =
            *number.with_context(|| format!("{} of a file that was not opened", event.describe()))?;
        match self.files.get_mut(number) {
            Some(file) => Ok(file),
            None => bail!("no file {number}"),
        }
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn flush_names_of(&mut self, folder: &str) {
        let (now, later): (Vec<_>, Vec<_>) =
            self.pending.drain(..).partition(|change| change.folder() == folder);
        now.iter().for_each(|change| change.apply(&mut self.kept));
        self.pending = later;
    }
}

impl File {
    fn content(&self) -> Vec<u8> {
        let mut content = self.kept.clone();
        self.pending.iter().for_each(|change| change.apply(&mut content));
        content
    }

    fn after(&self, loss: &mut dyn Loss) -> Vec<u8> {
        let mut content = self.kept.clone();
        for change in &self.pending {
            if let Some(change) = loss.kept(change) {
                change.apply(&mut content);
            }
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Cut(length) => content.resize(*length, 0),
            Change::Write { at, bytes } => {
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

impl NameChange {
    /// The folder that must be flushed for it. Files keep to their folders.
    fn folder(&self) -> &str {
        let (NameChange::Add(path, _) | NameChange::Remove(path) | NameChange::Move(_, path)) = self;
        path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Add(path, node) => drop(names.insert(path.clone(), node.clone())),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Move(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}
