use std::fmt;

use mg_random::Key;

use super::columns::Columns;
use super::draw::Pool;
use super::features::LabelledFeatures;
use super::gram::{Gram, Precision};
use super::linear::{check_c, signs};
use super::newton::solve;
use super::planes::Planes;
use super::space::Space;
use crate::{Error, Result, Score};

/// How Radford, Metz and Chintala (ICLR 2016) judge features by few labels, and table 2 with them: an L2-SVM is fitted
/// to balanced draws of labelled images; C is the one of largest mean accuracy on validation images; then the errors on
/// test images are averaged over many draws.
///
/// All C see the same draws, so that they are compared on equal terms; the draws for the test are others. A draw is
/// without replacement and independent of the other draws, so two of them may share rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RadfordProtocol {
    /// Labelled images of every class in a draw: 100, 200 and 400 of 10 classes in table 2.
    pub labels_per_class: usize,
    /// Values of C to choose from. Equal accuracies choose the smallest.
    pub c_grid: Vec<f64>,
    /// Draws for the choice of C.
    pub draws_per_c: usize,
    /// Draws for the test error.
    pub final_draws: usize,
}

/// What the protocol found.
#[derive(Clone, Debug, PartialEq)]
pub struct RadfordScore {
    /// Labelled images of a draw, all classes together.
    pub labels: usize,
    /// The C chosen.
    pub c: f64,
    /// Every C, smallest first, with the accuracy on validation images in percent, over the draws.
    pub validation: Vec<(f64, Score)>,
    /// Error on test images in percent, over the draws.
    pub test_error: Score,
}

/// Two-sided 95 % of a normal distribution, in standard deviations.
const NORMAL_95: f64 = 1.96;
/// The largest Gram matrix of all training rows that is kept for all draws; beyond it every draw computes its own.
const LARGEST_GRAM: usize = 1 << 30;
/// The duality gap of a fit, as a share of its objective: decisions are then right to about six digits.
const ENOUGH: f64 = 1e-12;
/// Draws whose test errors are computed together.
const GROUP: usize = 8;

impl Default for RadfordProtocol {
    /// 100 labels a class, C in {1, 2, 5, 10, 20, 50, 100} 1e-4, 10 draws for the choice, 100 for the test.
    fn default() -> Self {
        RadfordProtocol {
            labels_per_class: 100,
            c_grid: vec![1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2],
            draws_per_c: 10,
            final_draws: 100,
        }
    }
}

impl RadfordProtocol {
    /// Checks, before features are computed, that the protocol can be run with these training labels.
    ///
    /// # Errors
    /// When a number of draws, labels or values of C is 0, a C is not positive and finite, a label is not below
    /// `classes`, or a class has fewer images than a draw takes.
    pub fn check(&self, labels: &[u32], classes: usize) -> Result<()> {
        for (name, number) in [
            ("labels_per_class", self.labels_per_class),
            ("c_grid", self.c_grid.len()),
            ("draws_per_c", self.draws_per_c),
            ("final_draws", self.final_draws),
        ] {
            if number == 0 {
                return Err(Error::EmptyProtocol { name });
            }
        }
        self.c_grid.iter().try_for_each(|&c| check_c(c))?;
        Pool::new(labels, classes, self.labels_per_class).map(drop)
    }

    /// The protocol on three sets of features. Draws are named by `key`; `progress` is called with the number of fits
    /// done and the number of all fits.
    ///
    /// Memory beyond the sets: two copies of a draw, its Gram matrix and factor, and, while it takes at most 1 GiB, the
    /// Gram matrix of all training rows, from which those of the draws are then taken.
    ///
    /// # Errors
    /// As for [`check`](RadfordProtocol::check); when the sets differ in width or classes; when a fit fails.
    pub fn run(
        &self,
        train: &LabelledFeatures,
        validation: &LabelledFeatures,
        test: &LabelledFeatures,
        key: Key,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<RadfordScore> {
        validation.check_fits(train)?;
        test.check_fits(train)?;
        self.check(train.labels(), train.classes())?;
        let draws = Draws::new(self, train)?;
        let mut grid = self.c_grid.clone();
        grid.sort_by(f64::total_cmp);
        let choices = grid.len() * self.draws_per_c;
        let of = choices + self.final_draws;
        let right = self.accuracies(&draws, &grid, validation, key, &mut |done| progress(done, of))?;
        let c = grid[first_of_largest(&right)];
        let wrong = self.errors(&draws, c, test, key, &mut |done| progress(choices + done, of))?;
        let accuracies = right.iter().map(|right| Score::of(&percent(right, validation.len())));
        Ok(RadfordScore {
            labels: self.labels_per_class * train.classes(),
            c,
            validation: grid.iter().copied().zip(accuracies.collect::<Result<Vec<_>>>()?).collect(),
            test_error: Score::of(&percent(&wrong, test.len()))?,
        })
    }

    /// Validation rows labelled rightly, for every C, draw by draw.
    fn accuracies(
        &self,
        draws: &Draws<'_>,
        grid: &[f64],
        validation: &LabelledFeatures,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Vec<usize>>> {
        let mut right = vec![Vec::new(); grid.len()];
        for number in 0..self.draws_per_c {
            let draw = draws.draw(key.named("choice").fold(number as u64))?;
            let counts = draw.planes(grid)?.count_right(validation)?;
            right.iter_mut().zip(counts).for_each(|(right, count)| right.push(count));
            done((number + 1) * grid.len());
        }
        Ok(right)
    }

    /// Test rows labelled wrongly, draw by draw. Some draws are tested together, since reading the rows costs most.
    fn errors(
        &self,
        draws: &Draws<'_>,
        c: f64,
        test: &LabelledFeatures,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<usize>> {
        let mut wrong = Vec::with_capacity(self.final_draws);
        for first in (0..self.final_draws).step_by(GROUP) {
            let mut fitted = |number: usize| {
                let planes = draws.draw(key.named("test").fold(number as u64))?.planes(&[c]);
                done(number + 1);
                planes
            };
            let numbers = first..self.final_draws.min(first + GROUP);
            let planes = Planes::beside(&numbers.map(&mut fitted).collect::<Result<Vec<_>>>()?)?;
            wrong.extend(planes.count_right(test)?.iter().map(|right| test.len() - right));
        }
        Ok(wrong)
    }
}

impl RadfordScore {
    /// 1.96 standard deviations (divisor n) of the test error over the draws, in percent: the spread of single draws,
    /// which is what Radford et al. print after their errors.
    pub fn spread(&self) -> f64 {
        NORMAL_95 * self.test_error.std_dev
    }

    /// 1.96 standard errors of the mean test error, in percent: how well the mean is known, as far as the draws
    /// are concerned; `None` for a single draw.
    pub fn mean_uncertainty(&self) -> Option<f64> {
        Some(NORMAL_95 * self.test_error.std_error()?)
    }
}

/// `1000 labels: error 22.83 ± 0.66 % (1.96 standard deviations of 100 draws), C = 0.001`
impl fmt::Display for RadfordScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RadfordScore { labels, c, test_error: Score { mean, n, .. }, .. } = self;
        let spread = self.spread();
        write!(f, "{labels} labels: error {mean:.2} ± {spread:.2} % ")?;
        write!(f, "(1.96 standard deviations of {n} draws), C = {c}")
    }
}

/// Where draws come from.
struct Draws<'a> {
    set: &'a LabelledFeatures,
    pool: Pool,
    /// Of all rows, where it fits memory and saves work.
    gram: Option<Gram>,
}

/// One draw, ready to be fitted.
struct Draw {
    set: LabelledFeatures,
    space: Space,
}

impl<'a> Draws<'a> {
    fn new(protocol: &RadfordProtocol, set: &'a LabelledFeatures) -> Result<Self> {
        let pool = Pool::new(set.labels(), set.classes(), protocol.labels_per_class)?;
        let rows = protocol.labels_per_class * set.classes();
        let draws = protocol.draws_per_c + protocol.final_draws;
        let fits = Gram::bytes(set.len()) <= LARGEST_GRAM && rows <= set.width();
        let saves = set.len().saturating_mul(set.len()) < draws.saturating_mul(rows * rows);
        let gram = (fits && saves).then(|| Gram::of_rows(set.features(), Precision::Single)).transpose()?;
        Ok(Draws { set, pool, gram })
    }

    fn draw(&self, key: Key) -> Result<Draw> {
        let rows = self.pool.draw(key);
        let set = self.set.subset(&rows)?;
        let space = match &self.gram {
            Some(gram) => Space::span(gram.subset(&rows))?,
            None => Space::of(&set, Precision::Single)?,
        };
        Ok(Draw { set, space })
    }
}

impl Draw {
    /// The planes of every C, each class after class.
    fn planes(&self, grid: &[f64]) -> Result<Planes> {
        let signs = signs(&self.set);
        let solved = |&c: &f64| Ok(solve(&self.space, &signs, c, ENOUGH)?.coordinates);
        let solved = grid.iter().map(solved).collect::<Result<Vec<Columns>>>()?;
        Planes::of(&self.set, &self.space, &Columns::beside(&solved.iter().collect::<Vec<_>>()))
    }
}

fn percent(counts: &[usize], of: usize) -> Vec<f64> {
    counts.iter().map(|&count| 100.0 * count as f64 / of as f64).collect()
}

/// The first row of the largest sum: equal accuracies choose the smallest C.
fn first_of_largest(counts: &[Vec<usize>]) -> usize {
    let sums: Vec<usize> = counts.iter().map(|counts| counts.iter().sum()).collect();
    let largest = sums.iter().max();
    sums.iter().position(|sum| Some(sum) == largest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::svm::LinearSvm;

    #[test]
    fn rows_that_depend_on_each_other_are_told_apart() {
        // Images of 12 patterns in three tints: most of their differences are one of two directions.
        let (images, pixels) = (36, 64 * 64);
        let value = |i: usize, at: usize| {
            let pattern = (at % 64) / 4 * 9 + (i / 3) * 31;
            [20 + 100 * (i % 3), pattern % 256, 0].map(|value| value as f32 / 127.5 - 1.0)
        };
        let values: Vec<f32> =
            (0..images).flat_map(|i| (0..pixels).flat_map(move |at| value(i, at))).collect();
        let x = Tensor::from_vec(values, (images, 3 * pixels), &Device::Cpu).unwrap();
        let labels: Vec<u32> = (0..images as u32).map(|i| i % 3).collect();
        let set = LabelledFeatures::new("training", &x, &labels, 3).unwrap();
        let (c_grid, draws_per_c, final_draws) = (RadfordProtocol::default().c_grid, 4, 8);
        let protocol = RadfordProtocol { labels_per_class: 3, c_grid, draws_per_c, final_draws };
        let score = protocol.run(&set, &set, &set, Key::new(0), &mut |_, _| {}).unwrap();
        assert!(score.test_error.mean < 40.0, "{score}");
    }

    /// 40 rows of two classes with 30 features.
    fn set(what: &'static str) -> LabelledFeatures {
        let mut values = vec![0f32; 40 * 30];
        Key::new(3).named(what).fill_normal(&mut values);
        let labels: Vec<u32> = (0..40).map(|i| i % 2).collect();
        values.iter_mut().enumerate().for_each(|(i, v)| *v += 0.6 * labels[i / 30] as f32);
        LabelledFeatures::new(what, &Tensor::from_vec(values, (40, 30), &Device::Cpu).unwrap(), &labels, 2)
            .unwrap()
    }

    #[test]
    fn draws_from_the_gram_matrix_of_all_rows_are_those_from_their_own() {
        let (protocol, set) =
            (RadfordProtocol { labels_per_class: 8, ..RadfordProtocol::default() }, set("a"));
        let with = Draws::new(&protocol, &set).unwrap();
        assert!(with.gram.is_some());
        let without = Draws { gram: None, ..Draws::new(&protocol, &set).unwrap() };
        let weights = |draws: &Draws| {
            let planes = draws.draw(Key::new(1)).unwrap().planes(&[1e-3, 1e-1]).unwrap();
            Columns::of(&planes.weights).unwrap().values
        };
        for (a, b) in weights(&with).iter().zip(weights(&without)) {
            assert!((a - b).abs() < 1e-6, "{a} for {b}");
        }
    }

    /// The protocol by its definition, one fit at a time.
    #[test]
    fn the_score_is_that_of_fits_one_by_one() {
        let protocol =
            RadfordProtocol { labels_per_class: 6, c_grid: vec![1e-3, 1e-1], draws_per_c: 2, final_draws: 3 };
        let (train, validation, test) = (set("train"), set("validation"), set("test"));
        let key = Key::new(4);
        let score = protocol.run(&train, &validation, &test, key, &mut |_, _| {}).unwrap();
        let pool = Pool::new(train.labels(), 2, 6).unwrap();
        let right = |key: Key, c: f64, held: &LabelledFeatures| {
            let draw = train.subset(&pool.draw(key)).unwrap();
            let svm = LinearSvm::fit(draw.features(), draw.labels(), 2, c).unwrap();
            let predicted = svm.predict(held.features()).unwrap();
            100.0 / 40.0 * predicted.iter().zip(held.labels()).filter(|(a, b)| a == b).count() as f64
        };
        for (c, accuracy) in &score.validation {
            let of = |draw| right(key.named("choice").fold(draw), *c, &validation);
            assert_eq!(*accuracy, Score::of(&[of(0), of(1)]).unwrap());
        }
        let errors: Vec<f64> =
            (0..3).map(|draw| 100.0 - right(key.named("test").fold(draw), score.c, &test)).collect();
        assert_eq!(score.test_error, Score::of(&errors).unwrap());
    }

    #[test]
    fn ties_choose_the_smallest_c() {
        assert_eq!(first_of_largest(&[vec![3, 5], vec![4, 4], vec![1, 1]]), 0);
        assert_eq!(first_of_largest(&[vec![3, 5], vec![4, 5], vec![9, 0]]), 1);
    }

    #[test]
    fn spread_and_uncertainty_are_1_96_deviations_and_errors() {
        let test_error = Score::of(&[20.0, 24.0, 22.0]).unwrap();
        let score = RadfordScore { labels: 1000, c: 1e-3, validation: vec![], test_error };
        assert!((score.spread() - 1.96 * (8f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((score.mean_uncertainty().unwrap() - 1.96 * (4f64 / 3.0).sqrt()).abs() < 1e-12);
        let words = "1000 labels: error 22.00 ± 3.20 % (1.96 standard deviations of 3 draws), C = 0.001";
        assert_eq!(score.to_string(), words);
    }
}
