//! One bit of a file is another.
//!
//! A flipped bit is **silent** when the calls that read the file succeed, and what they print or leave differs from what they
//! print and leave of the sound file, and no warning of theirs names the file. What is not silent is one of these: an error
//! names the file; a warning names it, and the calls go on without what was damaged; all that is printed and left is the same
//! to the byte, so the bit has no effect. Not compared are the damaged file itself and files that tell the time.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::dice::Dice;
use super::format::{FORMATS, Format};
use super::kind::Kind;
use super::program::Place;
use super::tree::{self, Tree};
use super::workshop::Workshop;

/// Cases are bits that the dice choose, of every format in turn.
pub(super) struct Bits<'a> {
    workshop: &'a Workshop,
    formats: Vec<Prepared>,
}

struct Prepared {
    format: &'static Format,
    before: Tree,
    /// What is printed and left of the sound file.
    sound: Left,
}

/// What calls printed, and what they left.
struct Left {
    printed: Vec<String>,
    tree: Tree,
}

/// How calls went.
enum Read {
    /// All succeeded; with what they said besides.
    Done(Left, String),
    /// One failed; with what it said.
    Refused(String),
}

const CASES: usize = 50_000;
/// Beginnings of paths that tell the time, or where the folder is.
const ELSEWHERE: [&str; 4] = [
    "run/times.jsonl",
    "run/sessions.jsonl",
    "home/hub/datasets--some-one--images/multigrid/",
    "home/hub/multigrid-packed/",
];
/// So near the ends of a file every second flip is: there it says what it is.
const ENDS: usize = 2048;

impl<'a> Bits<'a> {
    pub(super) fn new(workshop: &'a Workshop) -> Result<Self> {
        let mut formats = Vec::new();
        for format in &FORMATS {
            let before = workshop.made_by("bits", format.before)?;
            format.file(&before)?;
            let (place, _hub) = workshop.place(&workshop.folder.join("prepared/bits"), &before)?;
            settle(workshop, format, &place)?;
            let Read::Done(sound, _) = read(workshop, format, &place)? else {
                bail!("the sound {} is refused", format.name)
            };
            formats.push(Prepared { format, before, sound });
        }
        Ok(Bits { workshop, formats })
    }

    /// The format of a case, the path of its file, the byte and the bit.
    fn of(&self, case: usize) -> Result<(&Prepared, &str, usize, u32)> {
        let prepared = &self.formats[case % self.formats.len()];
        let (path, bytes) = prepared.format.file(&prepared.before)?;
        let mut dice = Dice::of("bits", case);
        let byte = match (dice.coin(), dice.below(2 * ENDS)) {
            (true, place) if place < ENDS => place.min(bytes.len() - 1),
            (true, place) => bytes.len().saturating_sub(1 + place - ENDS),
            (false, _) => dice.below(bytes.len()),
        };
        Ok((prepared, path, byte, dice.below(8) as u32))
    }
}

/// Calls that must have been made before the bit flips.
fn settle(workshop: &Workshop, format: &Format, place: &Place) -> Result<()> {
    format.settle.map_or(Ok(()), |words| workshop.call(place, words)?.succeeded())
}

fn read(workshop: &Workshop, format: &Format, place: &Place) -> Result<Read> {
    let (mut printed, mut said) = (Vec::new(), String::new());
    for words in format.reads {
        let ending = workshop.call(place, words)?;
        if !ending.judged()? {
            return Ok(Read::Refused(ending.stderr));
        }
        printed.push(ending.stdout);
        said += &ending.stderr;
    }
    Ok(Read::Done(Left { printed, tree: tree::read(&place.folder)? }, said))
}

/// Flips a bit; the file's time stays as it is.
fn flip(path: &Path, byte: usize, bit: u32) -> Result<()> {
    let context = || format!("cannot flip a bit of {}", path.display());
    let time = fs::metadata(path).and_then(|metadata| metadata.modified()).with_context(context)?;
    let mut bytes = fs::read(path).with_context(context)?;
    bytes[byte] ^= 1 << bit;
    fs::write(path, bytes).with_context(context)?;
    let file = fs::File::options().append(true).open(path).with_context(context)?;
    file.set_modified(time).with_context(context)
}

impl Left {
    /// The first difference, but for the damaged file.
    fn difference(&self, sound: &Left, damaged: &str) -> Option<String> {
        if let Some((ours, _)) = self.printed.iter().zip(&sound.printed).find(|(a, b)| a != b) {
            return Some(format!("it printed\n{ours}"));
        }
        let counts = |path: &&String| *path != damaged && !ELSEWHERE.iter().any(|b| path.starts_with(b));
        let mut paths = self.tree.keys().chain(sound.tree.keys()).filter(counts);
        paths
            .find(|path| self.tree.get(*path) != sound.tree.get(*path))
            .map(|path| format!("it left another {path}"))
    }
}

/// Whether some warning or list of what is unreadable names the file.
fn is_told(format: &Format, path: &str, printed: &[String], said: &str) -> bool {
    let is_warning = |line: &&str| line.contains(" WARN ") || line.contains("unreadable");
    let unreadable =
        printed.iter().filter_map(|text| text.split_once("\"unreadable\"")).map(|(_, list)| list);
    said.lines().filter(is_warning).chain(unreadable).any(|text| format.is_named(path, text))
}

impl Kind for Bits<'_> {
    fn cases(&self) -> usize {
        CASES
    }

    fn describe(&self, case: usize) -> String {
        match self.of(case) {
            Ok((prepared, path, byte, bit)) => {
                format!("{}: bit {bit} of byte {byte} of {path}", prepared.format.name)
            }
            Err(error) => error.to_string(),
        }
    }

    fn check(&self, case: usize, folder: &Path) -> Result<&'static str> {
        let (Prepared { format, before, sound }, path, byte, bit) = self.of(case)?;
        let (place, _hub) = self.workshop.place(folder, before)?;
        settle(self.workshop, format, &place)?;
        flip(&place.folder.join(path), byte, bit)?;
        let (left, said) = match read(self.workshop, format, &place)? {
            Read::Done(left, said) => (left, said),
            Read::Refused(said) => {
                ensure!(format.is_named(path, &said), "refused, but not by name:\n{said}");
                return Ok("refused by name");
            }
        };
        match left.difference(sound, path) {
            None => Ok("without effect"),
            Some(_) if is_told(format, path, &left.printed, &said) => Ok("told and gone on"),
            Some(difference) => bail!("SILENT: {difference}"),
        }
    }
}
