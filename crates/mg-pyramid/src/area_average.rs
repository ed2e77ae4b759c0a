use std::ops::Range;

/// Averaging of `fine` pixels into `coarse` pixels along one axis, by area.
///
/// Coarse pixel i covers [i, i + 1) / coarse of the axis and fine pixel j covers [j, j + 1) / fine;
/// A[i, j] is the share of coarse pixel i that fine pixel j covers, so every row sums to 1.
/// When `coarse` divides `fine` this is the block mean; otherwise it is the linear map of section 5
/// for a ratio d that is not whole.
///
/// Invariant: 1 <= coarse <= fine. Then the rows of A are independent: row i has weight in fine pixel
/// floor(i fine / coarse), the later rows have none there, and these pixels differ from row to row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AreaAverage {
    coarse: usize,
    fine: usize,
}

impl AreaAverage {
    /// The averaging map of one axis; None unless 1 <= coarse <= fine.
    pub(crate) fn new(coarse: usize, fine: usize) -> Option<Self> {
        (1 <= coarse && coarse <= fine).then_some(AreaAverage { coarse, fine })
    }

    /// The fine pixels that share a positive area with coarse pixel `i`.
    pub(crate) fn covered(&self, i: usize) -> Range<usize> {
        i * self.fine / self.coarse..((i + 1) * self.fine).div_ceil(self.coarse)
    }

    /// A as rows: [coarse, fine].
    pub(crate) fn matrix(&self) -> Vec<f64> {
        let (m, n) = (self.coarse, self.fine);
        let mut a = vec![0.0; m * n];
        for i in 0..m {
            for j in self.covered(i) {
                // In units of 1 / (m n) of the axis all borders are whole numbers.
                let overlap = ((i + 1) * n).min((j + 1) * m) - (i * n).max(j * m);
                a[i * n + j] = overlap as f64 / n as f64;
            }
        }
        a
    }

    /// The Moore-Penrose pseudo-inverse A^+ = A^T (A A^T)^-1 as rows: [fine, coarse].
    ///
    /// When `coarse` divides `fine` it is block replication. Otherwise it may overshoot: for the ratio 1.5
    /// the pixels (1, -1) come from (1.5, 0, -1.5), the shortest signal with these averages.
    pub(crate) fn pseudo_inverse(&self) -> Vec<f64> {
        let a = self.matrix();
        self.right_inverse(&a, &a)
    }

    /// The smoothest right inverse of A as rows, [fine, coarse]: of all signals with given averages the one whose
    /// neighbouring pixels differ least, in the sum of their squared differences. It joins parabolas, one per coarse
    /// pixel, where block replication joins steps.
    ///
    /// With D the differences and H = D^T D + A^T A, which is positive definite, it is H^-1 A^T (A H^-1 A^T)^-1.
    pub(crate) fn smoothest_inverse(&self) -> Vec<f64> {
        let (m, n) = (self.coarse, self.fine);
        let a = self.matrix();
        let mut h = vec![0.0; n * n];
        for j in 1..n {
            h[j * n + j] += 1.0;
            h[(j - 1) * n + j - 1] += 1.0;
            h[j * n + j - 1] -= 1.0;
        }
        for i in 0..m {
            for j in self.covered(i) {
                for k in self.covered(i).take_while(|&k| k <= j) {
                    h[j * n + k] += a[i * n + j] * a[i * n + k];
                }
            }
        }
        cholesky(&mut h, n);
        let mut spread = a.clone(); // rows H^-1 a_i, [coarse, fine]
        spread.chunks_exact_mut(n).for_each(|row| solve(&h, row));
        self.right_inverse(&a, &spread)
    }

    /// The right inverse of A whose columns are combinations of `spread`'s rows, S^T (A S^T)^-1, as rows: [fine, coarse].
    /// `a` is A and `spread` is A H^-1 with a symmetric positive definite H, both [coarse, fine].
    fn right_inverse(&self, a: &[f64], spread: &[f64]) -> Vec<f64> {
        let (m, n) = (self.coarse, self.fine);
        let mut gram = vec![0.0; m * m];
        for i in 0..m {
            for k in 0..=i {
                gram[i * m + k] = dot(&a[i * n..(i + 1) * n], &spread[k * n..(k + 1) * n]);
            }
        }
        cholesky(&mut gram, m);
        let mut inverse = vec![0.0; n * m];
        for j in 0..n {
            // Column j of the spread is the right-hand side whose solution is row j of the inverse.
            let row = &mut inverse[j * m..(j + 1) * m];
            row.iter_mut().enumerate().for_each(|(i, value)| *value = spread[i * n + j]);
            solve(&gram, row);
        }
        inverse
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Replaces the lower triangle of a positive definite [m, m] by its Cholesky factor L, G = L L^T.
fn cholesky(g: &mut [f64], m: usize) {
    for i in 0..m {
        for k in 0..=i {
            let rest = g[i * m + k] - dot(&g[i * m..i * m + k], &g[k * m..k * m + k]);
            g[i * m + k] = if i == k { rest.sqrt() } else { rest / g[k * m + k] };
        }
    }
}

/// Replaces `x` by the solution y of L L^T y = x.
fn solve(l: &[f64], x: &mut [f64]) {
    let m = x.len();
    for i in 0..m {
        x[i] = (x[i] - dot(&l[i * m..i * m + i], &x[..i])) / l[i * m + i];
    }
    for i in (0..m).rev() {
        let above: f64 = (i + 1..m).map(|k| l[k * m + i] * x[k]).sum();
        x[i] = (x[i] - above) / l[i * m + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
        let (rows, columns) = (a.len() / inner, b.len() / inner);
        let entry = |i: usize, j: usize| (0..inner).map(|k| a[i * inner + k] * b[k * columns + j]).sum();
        (0..rows * columns).map(|e| entry(e / columns, e % columns)).collect()
    }

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
    }

    fn asymmetry(a: &[f64], n: usize) -> f64 {
        (0..n * n).map(|e| (a[e] - a[e % n * n + e / n]).abs()).fold(0.0, f64::max)
    }

    /// Whole ratios, 1.5, 4/3, nearly 1 and nearly 2.
    const PAIRS: [(usize, usize); 9] =
        [(1, 1), (1, 7), (4, 16), (16, 24), (24, 36), (12, 16), (63, 64), (17, 33), (32, 63)];

    #[test]
    fn rows_are_averages_over_the_pixels_they_cover() {
        for (m, n) in PAIRS {
            let average = AreaAverage::new(m, n).unwrap();
            let a = average.matrix();
            for i in 0..m {
                let row = &a[i * n..(i + 1) * n];
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14);
                assert!((0..n).all(|j| (row[j] > 0.0) == average.covered(i).contains(&j)), "{m} {n} row {i}");
            }
            let columns: Vec<f64> = (0..n).map(|j| (0..m).map(|i| a[i * n + j]).sum()).collect();
            assert!(columns.iter().all(|c| (c - m as f64 / n as f64).abs() < 1e-14), "{m} {n}: unequal use");
        }
    }

    #[test]
    fn the_pseudo_inverse_obeys_penroses_four_laws() {
        for (m, n) in PAIRS {
            let average = AreaAverage::new(m, n).unwrap();
            let (a, p) = (average.matrix(), average.pseudo_inverse());
            let (ap, pa) = (product(&a, &p, n), product(&p, &a, m));
            assert!(distance(&product(&ap, &a, m), &a) < 1e-11, "A A+ A = A for {m} of {n}");
            assert!(distance(&product(&pa, &p, n), &p) < 1e-11, "A+ A A+ = A+ for {m} of {n}");
            assert!(asymmetry(&ap, m) < 1e-11, "A A+ is symmetric for {m} of {n}");
            assert!(asymmetry(&pa, n) < 1e-11, "A+ A is symmetric for {m} of {n}");
        }
    }

    #[test]
    fn at_ratio_one_and_a_half_the_weights_are_thirds() {
        let average = AreaAverage::new(2, 3).unwrap();
        let expected = [2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0 / 3.0, 2.0 / 3.0];
        assert!(distance(&average.matrix(), &expected) < 1e-15);
        let up = product(&average.pseudo_inverse(), &[1.0, -1.0], 2);
        assert!(distance(&up, &[1.5, 0.0, -1.5]) < 1e-14, "{up:?}");
    }

    #[test]
    fn at_whole_ratios_the_pseudo_inverse_replicates_blocks() {
        for (m, n) in [(1, 5), (4, 16), (5, 15), (16, 64)] {
            let replicate: Vec<f64> =
                (0..n * m).map(|e| f64::from(u8::from(e / m / (n / m) == e % m))).collect();
            assert!(distance(&AreaAverage::new(m, n).unwrap().pseudo_inverse(), &replicate) < 1e-13);
        }
    }

    #[test]
    fn only_averages_into_fewer_pixels_exist() {
        assert!(AreaAverage::new(0, 4).is_none() && AreaAverage::new(5, 4).is_none());
    }

    #[test]
    fn no_signal_with_the_same_averages_is_smoother() {
        let roughness = |x: &[f64]| x.windows(2).map(|p| (p[1] - p[0]).powi(2)).sum::<f64>();
        for (m, n) in PAIRS {
            let average = AreaAverage::new(m, n).unwrap();
            let (a, s) = (average.matrix(), average.smoothest_inverse());
            let identity: Vec<f64> = (0..m * m).map(|e| f64::from(u8::from(e / m == e % m))).collect();
            assert!(distance(&product(&a, &s, n), &identity) < 1e-10, "A S = 1 for {m} of {n}");
            let project = product(&average.pseudo_inverse(), &a, m); // onto what averages see
            for column in 0..m {
                let x: Vec<f64> = (0..n).map(|j| s[j * m + column]).collect();
                for bump in 0..n {
                    let unseen = (0..n).map(|j| f64::from(u8::from(j == bump)) - project[j * n + bump]);
                    for size in [0.1, -0.1] {
                        let other: Vec<f64> =
                            x.iter().zip(unseen.clone()).map(|(x, u)| x + size * u).collect();
                        assert!(roughness(&other) >= roughness(&x) - 1e-12, "{m} of {n}");
                    }
                }
            }
        }
    }
}
