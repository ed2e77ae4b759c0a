//! Tables as scores read them: in blocks, in double precision, checked.

use std::borrow::Cow;
use std::ops::Range;

use crate::features::check_finite;
use crate::{Error, Features, Result};

/// Some rows of a table.
pub(crate) struct Part<'a> {
    pub(crate) of: &'a dyn Features,
    /// Invariant: within the table.
    pub(crate) range: Range<usize>,
}

impl Features for Part<'_> {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn dim(&self) -> usize {
        self.of.dim()
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
        let range = self.range.start + range.start..self.range.start + range.end;
        let rows = self.of.rows(range.clone())?;
        // Here, for the number of a bad row is that in the whole table.
        check_finite(&rows, self.dim(), range.start)?;
        Ok(rows)
    }
}

/// Numbers that a score holds of a table at a time: 16 MiB of them.
const BLOCK: usize = 1 << 21;

/// The ranges of rows in which a score reads a table; they depend on nothing but its size.
pub(crate) fn blocks(features: &dyn Features) -> impl Iterator<Item = Range<usize>> {
    let n = features.len();
    let step = (BLOCK / features.dim().max(1)).clamp(1, 1024);
    (0..n).step_by(step).map(move |start| start..n.min(start + step))
}

/// Rows in double precision, checked: whole, and every number finite.
pub(crate) fn read(features: &dyn Features, range: Range<usize>) -> Result<Vec<f64>> {
    let first = range.start;
    let rows = features.rows(range.clone())?;
    if features.dim() == 0 {
        return Err(Error::Ragged { values: rows.len(), dim: 0 });
    }
    if rows.len() != range.len() * features.dim() {
        return Err(Error::NoSuchRows { range, n: features.len() });
    }
    check_finite(&rows, features.dim(), first)?;
    Ok(rows.iter().map(|&value| value.into()).collect())
}

/// Refuses two tables of different widths, and of none.
pub(crate) fn check_dims(a: &dyn Features, b: &dyn Features) -> Result<()> {
    if a.dim() == b.dim() && a.dim() > 0 {
        return Ok(());
    }
    Err(Error::Dims { first: a.dim(), second: b.dim() })
}

/// Refuses tables of fewer rows than a score needs.
pub(crate) fn check_rows(features: &dyn Features, score: &'static str, needed: usize) -> Result<()> {
    if features.len() >= needed {
        return Ok(());
    }
    Err(Error::TooFewRows { score, needed, n: features.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::tests::{Broken, normal};

    #[test]
    fn blocks_cover_every_row_once() {
        for (n, dim) in [(0, 3), (1, 1), (1023, 4), (1024, 4), (2050, 4), (7, 3_000_000)] {
            let ranges: Vec<_> = blocks(&Sized { n, dim }).collect();
            assert!(ranges.iter().cloned().flatten().eq(0..n), "{n} rows of {dim}: {ranges:?}");
            assert!(ranges.iter().all(|range| range.len() == 1 || range.len() * dim <= BLOCK));
        }
    }

    struct Sized {
        n: usize,
        dim: usize,
    }

    impl Features for Sized {
        fn len(&self) -> usize {
            self.n
        }

        fn dim(&self) -> usize {
            self.dim
        }

        fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>> {
            Ok(vec![0.0; range.len() * self.dim].into())
        }
    }

    #[test]
    fn a_part_is_its_rows() {
        let table = normal(9, 2, 1);
        let part = Part { of: &table, range: 3..7 };
        assert_eq!(part.len(), 4);
        assert_eq!(part.rows(1..3).unwrap(), table.rows(4..6).unwrap());
    }

    #[test]
    fn a_table_that_breaks_its_promises_is_found_out() {
        let mut data = vec![0.0; 12];
        data[9] = f32::INFINITY;
        let error = read(&Broken(data), 2..6).unwrap_err().to_string();
        assert!(error.contains("row 4, column 1"), "{error}");
        assert!(read(&Broken(vec![0.0; 8]), 2..6).is_err());
        assert!(read(&Sized { n: 3, dim: 0 }, 0..3).unwrap_err().to_string().contains("0 features"));
    }
}
