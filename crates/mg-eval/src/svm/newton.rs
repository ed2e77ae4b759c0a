use super::columns::Columns;
use super::conjugate::Conjugate;
use super::line_search::Line;
use super::space::{Curvature, Space};
use crate::{Error, Result};

/// How well one class was fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassFit {
    /// |w|^2 / 2 + C sum_i max(0, 1 - y_i w . x_i)^2, the intercept being part of w.
    pub objective: f64,
    /// The duality gap |gradient|^2 / 2: the objective is at most this far above its minimum.
    pub gap: f64,
}

/// Weights of all classes in the coordinates of a space.
pub(super) struct Solution {
    pub(super) coordinates: Columns,
    pub(super) fits: Vec<ClassFit>,
}

/// Newton steps after which a problem counts as too badly scaled; about eight suffice.
const MAX_STEPS: usize = 100;
/// Gap, as a share of the objective, that is rounding alone.
pub(super) const ROUNDING: f64 = f64::EPSILON;
/// Gap that is accepted when rounding keeps it from falling further.
const LARGEST_GAP: f64 = 1e-10;

/// Minimises the objective of every column of `signs` [n, k], which holds +1 for rows of the class and -1 for others,
/// until the gap is at most `enough` of it.
///
/// # Errors
/// When products of features overflow, or rounding keeps a gap above 1e-10 of the objective.
pub(super) fn solve(space: &Space, signs: &Columns, c: f64, enough: f64) -> Result<Solution> {
    let problem = Problem { space, signs, c, curvature: space.curvature(c)? };
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
        last = at.gaps();
        let (direction, image) = problem.direction(&at, &first, &done)?;
        u.add_scaled(&problem.steps(&u, &at, (&direction, &image), &done), &direction);
        at = problem.at(&u)?;
    }
    let gap = at.fits.iter().map(|fit| fit.gap / fit.objective).fold(0.0, f64::max);
    Err(Error::Unsolved { c, steps: MAX_STEPS, gap })
}

/// The objectives of all classes.
pub(super) struct Problem<'a> {
    pub(super) space: &'a Space,
    pub(super) c: f64,
    pub(super) curvature: Curvature<'a>,
    signs: &'a Columns,
}

/// What is known at a point.
pub(super) struct Point {
    /// X w, [n, k].
    image: Columns,
    /// max(0, 1 - y w . x), [n, k].
    pub(super) slack: Columns,
    /// The gradient, in coordinates.
    gradient: Columns,
    fits: Vec<ClassFit>,
}

impl Point {
    fn gaps(&self) -> Vec<f64> {
        self.fits.iter().map(|fit| fit.gap).collect()
    }
}

impl Problem<'_> {
    /// The objective at u, its gradient w - 2 C sum_i y_i slack_i x_i, and the gap.
    ///
    /// The dual variables 2 C slack_i are feasible, and belong to the weight w - gradient; primal minus dual value is
    /// then half the gradient's squared length.
    fn at(&self, u: &Columns) -> Result<Point> {
        let image = self.space.image(u)?;
        let slack = image.zip(self.signs, |f, y| (1.0 - y * f).max(0.0));
        let pulled = self.space.pull(slack.zip(self.signs, |slack, y| 2.0 * self.c * y * slack))?;
        let gradient = u.zip(&pulled, |u, pulled| u - pulled);
        let squares = self.space.dots(&gradient, &gradient, &self.space.image(&gradient)?);
        let lengths = self.space.dots(u, u, &image);
        let losses = slack.dots(&slack);
        let fit = |k: usize| ClassFit {
            objective: 0.5 * lengths[k] + self.c * losses[k],
            gap: 0.5 * squares[k].max(0.0),
        };
        let fits = (0..squares.len()).map(fit).collect();
        Ok(Point { image, slack, gradient, fits })
    }

    /// Newton's direction and its image, the more exact the nearer the point is to the minimum.
    fn direction(&self, at: &Point, first: &[f64], done: &[bool]) -> Result<(Columns, Columns)> {
        let nearness = at.fits.iter().zip(first).map(|(fit, first)| (fit.gap / first).sqrt().min(1e-2));
        Conjugate::begin(self, &at.gradient, nearness.collect(), done)?.solve(at)
    }

    /// How far to go along the direction, per class.
    fn steps(
        &self,
        u: &Columns,
        at: &Point,
        (direction, image): (&Columns, &Columns),
        done: &[bool],
    ) -> Vec<f64> {
        let drift = self.space.dots(u, direction, image);
        let length = self.space.dots(direction, direction, image);
        let step = |k: usize| {
            if done[k] {
                return 0.0;
            }
            let rows = at.image.column(k).zip(image.column(k)).zip(self.signs.column(k));
            let margins: Vec<(f64, f64)> = rows.map(|((f, growth), y)| (y * f, y * growth)).collect();
            Line { margins: &margins, drift: drift[k], length: length[k], c: self.c }.minimum()
        };
        (0..done.len()).map(step).collect()
    }
}
