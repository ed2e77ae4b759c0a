use super::columns::Columns;
use super::point::{ClassFit, Point};
use super::space::{Curvature, Space};
use crate::Result;

/// The objectives of all classes, one for every column of `signs` [n, k], which holds +1 for rows of the class and -1 for
/// others.
pub(super) struct Problem<'a> {
    pub(super) space: &'a Space,
    pub(super) signs: &'a Columns,
    pub(super) c: f64,
    pub(super) curvature: Curvature<'a>,
}

impl<'a> Problem<'a> {
    /// # Errors
    /// When products of features overflow.
    pub(super) fn new(space: &'a Space, signs: &'a Columns, c: f64) -> Result<Self> {
        Ok(Problem { space, signs, c, curvature: space.curvature(c)? })
    }

    /// The objective at u, its gradient w - 2 C sum_i y_i slack_i x_i, and the gap.
    ///
    /// The dual variables 2 C slack_i are feasible, and belong to the weight w - gradient; primal minus dual value is
    /// then half the gradient's squared length.
    pub(super) fn at(&self, u: &Columns) -> Result<Point> {
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
}
