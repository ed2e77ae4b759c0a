use candle_core::{DType, Device, Tensor};

use super::columns::Columns;
use super::features::LabelledFeatures;
use super::gram::Precision;
use super::newton::{ROUNDING, solve};
use super::planes::{Planes, largest};
use super::point::ClassFit;
use super::space::Space;
use crate::{Error, Result};

/// Linear support vector machines, one class against the rest, each the minimum over w and b of
///
/// ```text
/// (|w|^2 + b^2) / 2 + C sum_i max(0, 1 - y_i (w . x_i + b))^2,    y_i = +1 in the class, -1 outside:
/// ```
///
/// the L2-regularised squared hinge of LIBLINEAR (Fan et al., JMLR 2008), intercept regularised, as scikit-learn's
/// `LinearSVC` has it with `intercept_scaling = 1`. With two classes `LinearSVC` keeps one plane, which is the second
/// of the two here.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mg_eval::svm::LinearSvm;
///
/// let features = Tensor::new(&[[-1f32], [1.0]], &Device::Cpu)?; // [n, d]
/// let svm = LinearSvm::fit(&features, &[0, 1], 2, 0.5)?;
/// // w^2 / 2 + (1 - w)^2 has its minimum 1/3 at w = 2/3.
/// assert!((svm.objectives().next().unwrap() - 1.0 / 3.0).abs() < 1e-12);
/// assert_eq!(svm.predict(&features)?, [0, 1]);
/// # Ok::<(), mg_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearSvm {
    /// Invariant: a plane and a fit for every class.
    planes: Planes,
    fits: Vec<ClassFit>,
}

/// Rows that are decided at a time.
const CHUNK: usize = 1024;

impl LinearSvm {
    /// Fits features [n, d] and n labels below `classes`. Memory: min(n, d)^2 numbers of f64, three times. The result
    /// has the same bits on any number of threads; another order of rows changes rounding only.
    ///
    /// # Errors
    /// What [`LabelledFeatures::new`] refuses; a class without a row; a C that is not positive and finite; features so
    /// badly scaled that rounding keeps the objective from its minimum.
    pub fn fit(features: &Tensor, labels: &[u32], classes: usize, c: f64) -> Result<Self> {
        let set = LabelledFeatures::new("training", features, labels, classes)?;
        check_c(c)?;
        if let Some(class) = (0..classes).find(|&class| !labels.contains(&(class as u32))) {
            return Err(Error::ClassAbsent { what: set.what(), class });
        }
        let space = Space::of(&set, Precision::Double)?;
        let solution = solve(&space, &signs(&set), c, ROUNDING)?;
        Ok(LinearSvm { planes: Planes::of(&set, &space, &solution.coordinates)?, fits: solution.fits })
    }

    /// w . x + b of every row and class: [n, d] -> [n, K] in f64, on the CPU.
    ///
    /// # Errors
    /// When the features are not as wide as those fitted.
    pub fn decision(&self, features: &Tensor) -> Result<Tensor> {
        let expected = self.planes.weights.dim(0)?;
        let (n, width) = match *features.dims() {
            [n, width] if n > 0 => (n, width),
            _ => return Err(Error::NotFeatures { what: "given", shape: features.dims().to_vec() }),
        };
        if width != expected {
            return Err(Error::Widths { what: "given", width, other: "training", expected });
        }
        let features = features.to_device(&Device::Cpu)?;
        let decide = |first: usize| {
            let rows = features.narrow(0, first, CHUNK.min(n - first))?;
            self.planes.decisions(&rows.contiguous()?.to_dtype(DType::F64)?)
        };
        let decisions = (0..n).step_by(CHUNK).map(decide).collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&decisions, 0)?)
    }

    /// The class of the largest decision, for every row; the first of equal ones.
    ///
    /// # Errors
    /// As for [`decision`](LinearSvm::decision).
    pub fn predict(&self, features: &Tensor) -> Result<Vec<u32>> {
        let decisions = Columns::of(&self.decision(features)?)?;
        Ok(decisions.values.chunks_exact(decisions.width).map(largest).collect())
    }

    /// Weights [d, K] in f64.
    pub fn weights(&self) -> &Tensor {
        &self.planes.weights
    }

    /// Intercepts [1, K] in f64.
    pub fn intercepts(&self) -> &Tensor {
        &self.planes.intercepts
    }

    /// The minimum reached, class by class.
    pub fn objectives(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.fits.iter().map(|fit| fit.objective)
    }

    /// Objective and duality gap, class by class: the proof that it is the minimum.
    pub fn fits(&self) -> &[ClassFit] {
        &self.fits
    }
}

/// +1 where a row is of the class, else -1: [n, K].
pub(super) fn signs(set: &LabelledFeatures) -> Columns {
    let width = set.classes();
    let sign = |(label, class)| if label == class { 1.0 } else { -1.0 };
    let rows = set.labels().iter().flat_map(|&label| (0..width as u32).map(move |class| (label, class)));
    Columns { values: rows.map(sign).collect(), width }
}

pub(super) fn check_c(c: f64) -> Result<()> {
    match c > 0.0 && c.is_finite() {
        true => Ok(()),
        false => Err(Error::Regularisation { c }),
    }
}
