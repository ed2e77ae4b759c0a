use super::cholesky::Cholesky;
use super::columns::Columns;
use super::point::Point;
use super::problem::Problem;
use crate::{Error, Result};

/// Newton's direction of one class in the span of the rows, by one factor of its own, as a column [n].
///
/// Conjugate gradients measure coordinates by the weights they stand for, so they do not see what they add along
/// coordinates of no weight, of which rows that depend on each other have many; it can grow until it drowns the rest. Here
/// the point that the step leads to is solved for: of all rows but those with slack it has coordinate 0, and of those
/// (I + 2 C X_A X_A^T) u_A = 2 C y_A.
pub(super) fn direction(problem: &Problem<'_>, u: &Columns, at: &Point, k: usize) -> Result<Columns> {
    let with_slack = at.slack.column(k).enumerate().filter(|(_, slack)| *slack > 0.0);
    let rows: Vec<u32> = with_slack.map(|(row, _)| row as u32).collect();
    let mut direction: Vec<f64> = u.column(k).map(|u| -u).collect();
    if !rows.is_empty() {
        let factor = Cholesky::of_shifted(&problem.space.products(&rows)?, 2.0 * problem.c)?;
        let factor = factor.ok_or(Error::FeaturesOverflow { c: problem.c })?;
        let signs: Vec<f64> = problem.signs.column(k).collect();
        let values = rows.iter().map(|row| 2.0 * problem.c * signs[*row as usize]).collect();
        let target = factor.solve(&Columns { values, width: 1 });
        for (row, target) in rows.iter().zip(target.values) {
            direction[*row as usize] += target;
        }
    }
    Ok(Columns { values: direction, width: 1 })
}
