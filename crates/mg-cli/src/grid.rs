use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use mg_model::{Energies, GridScores};

/// The grid whose net is asked, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// The one of this side.
    Side(usize),
    /// All, their numbers added.
    Sum,
}

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("sum", _) => Ok(Grid::Sum),
            (_, Ok(side)) => Ok(Grid::Side(side)),
            _ => Err("give the side of a grid, or `sum`".to_string()),
        }
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grid::Side(side) => write!(f, "{side}x{side}"),
            Grid::Sum => f.write_str("sum"),
        }
    }
}

impl Grid {
    /// The grid that was asked for, or the finest of the model.
    pub(crate) fn of(wish: Option<Grid>, model: &dyn Energies) -> Result<Self> {
        let sides = model.sides();
        let finest = sides.last().copied().context("the model has no grid")?;
        match wish.unwrap_or(Grid::Side(finest)) {
            Grid::Side(side) if !sides.contains(&side) => {
                let names = sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                bail!("the model has no grid of side {side}; it has {names}")
            }
            grid => Ok(grid),
        }
    }

    /// Its number, coarse to fine; `None` of the sum.
    pub(crate) fn level(self, model: &dyn Energies) -> Option<usize> {
        model.sides().iter().position(|&side| Grid::Side(side) == self)
    }

    /// Its numbers out of those of all grids.
    pub(crate) fn choose(self, model: &dyn Energies, mut all: Vec<GridScores>) -> GridScores {
        match self.level(model) {
            Some(level) if level < all.len() => all.swap_remove(level),
            _ => GridScores::sum(&all),
        }
    }
}
