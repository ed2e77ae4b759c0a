use super::columns::Columns;
use super::conjugate::Conjugate;
use super::direct;
use super::line_search::Line;
use super::point::{ClassFit, Point};
use super::problem::Problem;
use super::space::Space;
use crate::{Error, Result};

/// Weights of all classes in the coordinates of a space.
pub(super) struct Solution {
    pub(super) coordinates: Columns,
    pub(super) fits: Vec<ClassFit>,
}

/// Newton steps after which a problem counts as too badly scaled; about eight suffice.
const MAX_STEPS: usize = 100;
/// Gap, as a share of the objective, that is rounding alone.
pub(super) const ROUNDING: f64 = f64::EPSILON;
/// Rows up to which every class gets factors of its own: so few often depend on each other, and factors cost nothing.
const SMALL: usize = 256;
/// Gap that is accepted when rounding keeps it from falling further.
const LARGEST_GAP: f64 = 1e-10;

/// Minimises the objective of every column of `signs` [n, k], which holds +1 for rows of the class and -1 for others,
/// until the gap is at most `enough` of it.
///
/// # Errors
/// When products of features overflow, or rounding keeps a gap above 1e-10 of the objective.
pub(super) fn solve(space: &Space, signs: &Columns, c: f64, enough: f64) -> Result<Solution> {
    let problem = Problem::new(space, signs, c)?;
    let mut u = Columns::zeros(space.dim()?, signs.width);
    let mut at = problem.at(&u)?;
    let first = at.gaps();
    let (mut last, mut done) = (vec![f64::INFINITY; signs.width], vec![false; signs.width]);
    for _ in 0..MAX_STEPS {
        for (done, (fit, last)) in done.iter_mut().zip(at.fits.iter().zip(&last)) {
            let stuck = fit.gap >= 0.5 * last && fit.gap <= LARGEST_GAP * fit.objective;
            *done |= fit.gap <= enough * fit.objective || stuck;
        }
        if !done.contains(&false) {
            return Ok(Solution { coordinates: u, fits: at.fits });
        }
        let is_exact = |k: usize| {
            let (gap, last) = (at.fits[k].gap, last[k]);
            space.is_span() && !done[k] && (u.rows() <= SMALL || !(gap > 0.0 && gap < 0.5 * last))
        };
        let exact: Vec<usize> = (0..done.len()).filter(|&k| is_exact(k)).collect();
        let passed: Vec<bool> =
            done.iter().enumerate().map(|(k, done)| *done || exact.contains(&k)).collect();
        last = at.gaps();
        let (mut direction, mut image) = direction(&problem, &at, &first, &passed)?;
        for k in exact {
            let column = direct::direction(&problem, &u, &at, k)?;
            image.set_column(k, &space.image(&column)?);
            direction.set_column(k, &column);
        }
        let steps = steps(&problem, &u, &at, (&direction, &image), &done);
        u.add_scaled(&steps, &direction);
        at = problem.at(&u)?;
    }
    let gap = at.fits.iter().map(|fit| fit.gap / fit.objective).fold(0.0, f64::max);
    Err(Error::Unsolved { c, steps: MAX_STEPS, gap })
}

/// Newton's direction and its image, the more exact the nearer the point is to the minimum.
fn direction(problem: &Problem<'_>, at: &Point, first: &[f64], done: &[bool]) -> Result<(Columns, Columns)> {
    let nearness = at.fits.iter().zip(first).map(|(fit, first)| (fit.gap / first).sqrt().min(1e-2));
    Conjugate::begin(problem, &at.gradient, nearness.collect(), done)?.solve(at)
}

/// How far to go from u along the direction, per class.
fn steps(
    problem: &Problem<'_>,
    u: &Columns,
    at: &Point,
    (direction, image): (&Columns, &Columns),
    done: &[bool],
) -> Vec<f64> {
    let drift = problem.space.dots(u, direction, image);
    let length = problem.space.dots(direction, direction, image);
    let step = |k: usize| {
        if done[k] {
            return 0.0;
        }
        let rows = at.image.column(k).zip(image.column(k)).zip(problem.signs.column(k));
        let margins: Vec<(f64, f64)> = rows.map(|((f, growth), y)| (y * f, y * growth)).collect();
        Line { margins: &margins, drift: drift[k], length: length[k], c: problem.c }.minimum()
    };
    (0..done.len()).map(step).collect()
}
