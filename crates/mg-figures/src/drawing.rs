//! What every part of a plot is drawn with: the medium, its scale, the ink and the words.

use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::register_font;

/// What a drawing becomes, where the plotting library treats the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    Svg,
    /// Long lines have holes and thorns when they are drawn as one, and words stand a little high.
    Image,
}

impl Medium {
    /// How far words are to be moved down, in pixels.
    pub(crate) fn drop(self) -> i32 {
        if self == Medium::Image { 3 * SCALE / 2 } else { 0 }
    }
}

/// Pixels per point, many, for what is drawn lies on whole pixels.
pub(crate) const SCALE: i32 = 4;

/// The colour of words.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

/// Colours of lines, which readers with any colour vision tell apart (Okabe and Ito, 2008).
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
];

/// What drawing on a backend gives.
pub(crate) type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// The style of words of so many points, their upper left corner where they are drawn.
pub(crate) fn text(points: f64, colour: &RGBColor) -> TextStyle<'static> {
    static FONT: OnceLock<()> = OnceLock::new();
    // A font that cannot be read leaves the words away and fails the tests.
    FONT.get_or_init(|| {
        let _ = register_font(FAMILY, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
    // The library takes a font's size to be 1.24 times its letters'.
    (FAMILY, points * 1.24 * f64::from(SCALE)).into_font().color(colour)
}

const FAMILY: &str = "sans-serif";
