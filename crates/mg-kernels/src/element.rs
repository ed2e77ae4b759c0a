use candle_core::WithDType;

use crate::aligned::Number;

/// Numbers the engine computes with: f32 and f64.
pub(crate) trait Element: WithDType + Number {
    /// Coefficients of a polynomial for `exp(r)`, `|r| <= ln(2) / 2`, from the constant upwards.
    const EXP: &'static [Self];
    /// `ln 2` as the sum of a short part, whose multiples are exact, and the rest.
    const LN_2: (Self, Self);
    /// Arguments of `exp` are limited to this size.
    const EXP_LIMIT: Self;
    fn of(value: f64) -> Self;
}

impl Element for f32 {
    const EXP: &'static [Self] = &[1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];
    const LN_2: (Self, Self) = (0.693_359_4, -2.121_944_4e-4);
    const EXP_LIMIT: Self = 87.0;
    fn of(value: f64) -> Self {
        value as Self
    }
}

impl Element for f64 {
    const EXP: &'static [Self] = &[
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
        1.0 / 362_880.0,
        1.0 / 3_628_800.0,
        1.0 / 39_916_800.0,
        1.0 / 479_001_600.0,
    ];
    const LN_2: (Self, Self) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    const EXP_LIMIT: Self = 700.0;
    fn of(value: f64) -> Self {
        value
    }
}
