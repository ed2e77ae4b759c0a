//! The inverse of the normal distribution function.

/// The x that a standard normal number stays below with probability `p`, between 0 and 1; relative error about 10^-16
/// (Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988).
pub(super) fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE_ABOVE, r) / polynomial(&CENTRE_BELOW, r);
    }
    let r = (-p.min(1.0 - p).ln()).sqrt();
    let x = match r <= 5.0 {
        true => polynomial(&SIDE_ABOVE, r - 1.6) / polynomial(&SIDE_BELOW, r - 1.6),
        false => polynomial(&TAIL_ABOVE, r - 5.0) / polynomial(&TAIL_BELOW, r - 5.0),
    };
    x.copysign(q)
}

/// Coefficients from the highest power down.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Ratios of polynomials, above and below the bar, for p near 1/2, at its sides, and in the tails.
const CENTRE_ABOVE: [f64; 8] = [
    2509.0809287301227,
    33430.57558358813,
    67265.7709270087,
    45921.95393154987,
    13731.69376550946,
    1971.5909503065513,
    133.14166789178438,
    3.3871328727963665,
];
const CENTRE_BELOW: [f64; 8] = [
    5226.495278852854,
    28729.085735721943,
    39307.89580009271,
    21213.794301586597,
    5394.196021424751,
    687.1870074920579,
    42.31333070160091,
    1.0,
];
const SIDE_ABOVE: [f64; 8] = [
    0.0007745450142783414,
    0.022723844989269184,
    0.2417807251774506,
    1.2704582524523684,
    3.6478483247632045,
    5.769497221460691,
    4.630337846156546,
    1.4234371107496835,
];
const SIDE_BELOW: [f64; 8] = [
    1.0507500716444169e-09,
    0.0005475938084995345,
    0.015198666563616457,
    0.14810397642748008,
    0.6897673349851,
    1.6763848301838038,
    2.053191626637759,
    1.0,
];
const TAIL_ABOVE: [f64; 8] = [
    2.0103343992922881e-07,
    2.7115555687434876e-05,
    0.0012426609473880784,
    0.026532189526576124,
    0.29656057182850487,
    1.7848265399172913,
    5.463784911164114,
    6.657904643501103,
];
const TAIL_BELOW: [f64; 8] = [
    2.0442631033899397e-15,
    1.421511758316446e-07,
    1.8463183175100548e-05,
    0.0007868691311456133,
    0.014875361290850615,
    0.1369298809227358,
    0.599832206555888,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        assert_close(0.5, 0.0);
        assert_close(0.6, 0.2533471031357998);
        assert_close(0.975, 1.9599639845400536);
        assert_close(0.1, -1.2815515655446008);
        assert_close(0.01, -2.3263478740408408);
        assert_close(1e-09, -5.9978070150076865);
        assert_close(1e-15, -7.941345326170995);
    }

    #[track_caller]
    fn assert_close(p: f64, expected: f64) {
        let (below, above) = (normal_quantile(p), normal_quantile(1.0 - p));
        assert!((below - expected).abs() <= 1e-14 * expected.abs(), "{below} at {p}");
        // 1 - p is rounded, which far out in the tail is seen.
        assert!((above + expected).abs() < 1e-6 || p < 1e-8, "{above} at 1 - {p}");
    }
}
