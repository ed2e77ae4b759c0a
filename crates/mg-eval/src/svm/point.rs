use super::columns::Columns;

/// How well one class was fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassFit {
    /// |w|^2 / 2 + C sum_i max(0, 1 - y_i w . x_i)^2, the intercept being part of w.
    pub objective: f64,
    /// The duality gap |gradient|^2 / 2: the objective is at most this far above its minimum.
    pub gap: f64,
}

/// What is known of the objectives of all classes at one point.
pub(super) struct Point {
    /// X w, [n, k].
    pub(super) image: Columns,
    /// max(0, 1 - y w . x), [n, k].
    pub(super) slack: Columns,
    /// The gradient, in coordinates.
    pub(super) gradient: Columns,
    pub(super) fits: Vec<ClassFit>,
}

impl Point {
    /// The duality gap of every class.
    pub(super) fn gaps(&self) -> Vec<f64> {
        self.fits.iter().map(|fit| fit.gap).collect()
    }
}
