use super::columns::Columns;
use super::point::Point;
use super::problem::Problem;
use crate::Result;

/// Conjugate gradients for Newton's systems (I + 2 C X_A^T X_A) d = -gradient of all classes side by side, where X_A
/// holds the rows with slack; preconditioned by the system of all rows. Vectors of weights come with their images.
pub(super) struct Conjugate<'a> {
    problem: &'a Problem<'a>,
    solution: (Columns, Columns),
    residual: Columns,
    search: (Columns, Columns),
    /// Squared residuals in the preconditioner's metric, and those that suffice.
    rho: Vec<f64>,
    enough: Vec<f64>,
    /// Classes still to be solved.
    open: Vec<bool>,
}

/// Bounds what a badly scaled problem costs.
const MAX_STEPS: usize = 400;

impl<'a> Conjugate<'a> {
    /// Begins at 0. `shares` of the first squared residuals are good enough; classes that are `done` stay at 0.
    pub(super) fn begin(
        problem: &'a Problem<'a>,
        gradient: &Columns,
        shares: Vec<f64>,
        done: &[bool],
    ) -> Result<Self> {
        let residual =
            Columns { values: gradient.values.iter().map(|g| -g).collect(), width: gradient.width };
        let search = problem.curvature.solve(&residual)?;
        let zeros = |like: &Columns| Columns::zeros(like.rows(), like.width);
        let rho = problem.space.dots(&residual, &search.0, &search.1);
        Ok(Conjugate {
            problem,
            solution: (zeros(&search.0), zeros(&search.1)),
            residual,
            search,
            enough: rho.iter().zip(shares).map(|(rho, share)| share * rho).collect(),
            open: rho.iter().zip(done).map(|(rho, done)| !done && *rho > 0.0).collect(),
            rho,
        })
    }

    /// The direction and its image.
    pub(super) fn solve(mut self, at: &Point) -> Result<(Columns, Columns)> {
        for _ in 0..MAX_STEPS {
            self.advance(at)?;
            let (z, z_image) = self.problem.curvature.solve(&self.residual)?;
            let next = self.problem.space.dots(&self.residual, &z, &z_image);
            for (open, (next, enough)) in self.open.iter_mut().zip(next.iter().zip(&self.enough)) {
                *open &= next > enough;
            }
            if !self.open.contains(&true) {
                break;
            }
            let beta = self.ratios(&next, &self.rho);
            self.search.0.scale_and_add(&beta, &z);
            self.search.1.scale_and_add(&beta, &z_image);
            self.rho = next;
        }
        Ok(self.solution)
    }

    /// To the minimum along the search direction.
    fn advance(&mut self, at: &Point) -> Result<()> {
        let Problem { space, c, .. } = self.problem;
        let (search, image) = &self.search;
        let with_slack = image.zip(&at.slack, |p, slack| if slack > 0.0 { p } else { 0.0 });
        let losses = with_slack.dots(&with_slack);
        let squares = space.dots(search, search, image);
        let curvature: Vec<f64> =
            squares.iter().zip(&losses).map(|(square, loss)| square + 2.0 * c * loss).collect();
        let alpha = self.ratios(&self.rho, &curvature);
        let mut product = space.pull(with_slack)?;
        product.scale_and_add(&vec![2.0 * c; alpha.len()], search);
        self.solution.0.add_scaled(&alpha, search);
        self.solution.1.add_scaled(&alpha, image);
        self.residual.add_scaled(&alpha.iter().map(|alpha| -alpha).collect::<Vec<_>>(), &product);
        Ok(())
    }

    /// a / b of open classes where b is positive, else 0.
    fn ratios(&self, a: &[f64], b: &[f64]) -> Vec<f64> {
        let ratio = |((a, b), open): ((&f64, &f64), &bool)| if *open && *b > 0.0 { a / b } else { 0.0 };
        a.iter().zip(b).zip(&self.open).map(ratio).collect()
    }
}
