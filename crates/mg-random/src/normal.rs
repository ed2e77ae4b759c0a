//! The Box-Muller transform, using only operations that IEEE 754 rounds exactly (+, -, *, /, square root), so that
//! compilers can vectorise it and every processor gives the same bits.

use std::f32::consts::{LN_2, SQRT_2, TAU};

/// Two independent standard normals from two uniform words.
#[inline(always)]
pub(crate) fn box_muller(a: u32, b: u32) -> (f32, f32) {
    let u = (a as f32 + 0.5) * (1.0 / 4_294_967_296.0);
    let radius = (-2.0 * ln(u)).max(0.0).sqrt();
    let (sin, cos) = sin_cos_turn(b);
    (radius * cos, radius * sin)
}

/// Natural logarithm of a positive normal number: ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1)),
/// with m in [sqrt(1/2), sqrt(2)]; relative error below 3e-7.
#[inline(always)]
fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 23) as i32 - 127;
    let mut m = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    let high = m > SQRT_2;
    m = if high { 0.5 * m } else { m };
    exponent += i32::from(high);
    let z = (m - 1.0) / (m + 1.0);
    let z2 = z * z;
    let series = 1.0 + z2 * (1.0 / 3.0 + z2 * (1.0 / 5.0 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0))));
    exponent as f32 * LN_2 + 2.0 * z * series
}

/// Sine and cosine of a uniform angle: two bits choose the quadrant, 30 bits the angle within it.
#[inline(always)]
fn sin_cos_turn(word: u32) -> (f32, f32) {
    // An angle of [-pi/4, pi/4), where the Taylor series converge fast.
    let t = ((word << 2) as i32) as f32 * (TAU / 8.0 / 2_147_483_648.0);
    let t2 = t * t;
    let sin = t * (1.0 + t2 * (-1.0 / 6.0 + t2 * (1.0 / 120.0 + t2 * (-1.0 / 5040.0 + t2 / 362_880.0))));
    let cos = 1.0 + t2 * (-1.0 / 2.0 + t2 * (1.0 / 24.0 + t2 * (-1.0 / 720.0 + t2 / 40_320.0)));
    // Quadrants 0 to 3 give (sin, cos), (cos, -sin), (-sin, -cos), (-cos, sin): a swap and two signs, no branch.
    let quadrant = word >> 30;
    let swap = quadrant & 1 == 1;
    let (a, b) = if swap { (cos, sin) } else { (sin, cos) };
    let sign_a = (quadrant & 2) << 30;
    let sign_b = ((quadrant ^ quadrant >> 1) & 1) << 31;
    (f32::from_bits(a.to_bits() ^ sign_a), f32::from_bits(b.to_bits() ^ sign_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_agrees_with_the_standard_library() {
        for i in 1..200_000u32 {
            let x = i as f32 / 200_000.0;
            let expected = f64::from(x).ln();
            let error = (f64::from(ln(x)) - expected).abs();
            assert!(error <= 3e-7 * expected.abs().max(0.1), "ln {x}: error {error}");
        }
    }

    #[test]
    fn angles_go_once_around_in_quarter_turns() {
        // The angle within a quadrant is 0 at these words, whose lower 30 bits are 0.
        let at = |quadrant: u32| sin_cos_turn(quadrant << 30);
        assert_eq!([0, 1, 2, 3].map(at), [(0.0, 1.0), (1.0, -0.0), (-0.0, -1.0), (-1.0, 0.0)]);
    }

    #[test]
    fn angles_lie_on_the_unit_circle_and_cover_it() {
        let mut quadrants = [0i32; 4];
        for i in 0..100_000u32 {
            let (s, c) = sin_cos_turn(i.wrapping_mul(0x9E37_79B9));
            assert!((s * s + c * c - 1.0).abs() < 5e-7);
            quadrants[usize::from(s < 0.0) + 2 * usize::from(c < 0.0)] += 1;
        }
        assert!(quadrants.iter().all(|&n| (n - 25_000).abs() < 1000), "{quadrants:?}");
    }
}
