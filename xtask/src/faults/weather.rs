//! What a disk has kept of what it was told and did not flush yet.

use super::dice::Dice;
use super::disk::{Change, Loss};

/// A way in which power is lost.
pub(super) enum Weather {
    /// Nothing is lost, as when the process is killed and the machine goes on.
    Calm,
    /// All is lost that was not flushed.
    Clear,
    /// Names are kept, what files hold is lost.
    NamesStay,
    /// What files hold is kept, names are lost.
    DataStay,
    /// Every change is kept or lost by itself, so that later ones are there without earlier ones, and writes are torn.
    Mixed(Dice),
}

/// How many there are.
pub(super) const WEATHERS: usize = 6;
/// What a disk writes at once.
const SECTOR: usize = 512;

impl Weather {
    /// The weather of a number below [`WEATHERS`]; dice are for the mixed ones.
    pub(super) fn of(number: usize, dice: Dice) -> Self {
        match number {
            0 => Weather::Calm,
            1 => Weather::Clear,
            2 => Weather::NamesStay,
            3 => Weather::DataStay,
            _ => Weather::Mixed(dice),
        }
    }

    pub(super) fn describe(&self) -> &'static str {
        match self {
            Weather::Calm => "nothing is lost",
            Weather::Clear => "all that was not flushed is lost",
            Weather::NamesStay => "names stay, data that was not flushed is lost",
            Weather::DataStay => "data stays, names that were not flushed are lost",
            Weather::Mixed(_) => "some of what was not flushed is lost",
        }
    }
}

impl Loss for Weather {
    fn keeps_name(&mut self) -> bool {
        match self {
            Weather::Calm | Weather::NamesStay => true,
            Weather::Clear | Weather::DataStay => false,
            Weather::Mixed(dice) => dice.coin(),
        }
    }

    fn kept(&mut self, change: &Change) -> Option<Change> {
        let dice = match self {
            Weather::Calm | Weather::DataStay => return Some(change.clone()),
            Weather::Clear | Weather::NamesStay => return None,
            Weather::Mixed(dice) => dice,
        };
        match change {
            Change::Write { at, bytes } if bytes.len() > SECTOR && dice.coin() => {
                // Up to the border of a sector, which is one of the file's too.
                let sectors = dice.below(bytes.len() / SECTOR + 1);
                let end = ((at / SECTOR + sectors) * SECTOR).saturating_sub(*at).min(bytes.len());
                (end > 0).then(|| Change::Write { at: *at, bytes: bytes[..end].to_vec() })
            }
            change => dice.coin().then(|| change.clone()),
        }
    }
}
