use std::fmt::Display;
use std::path::Path;
use std::sync::OnceLock;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::curves::Drawn;
use crate::write::write_atomically;
use crate::{Curves, Error, MAX_SHEET_SIDE, Result, save_png};

/// Several plots beside each other, as one SVG or PNG file.
///
/// ```
/// use mg_eval::{Curves, Panels};
///
/// let plot = |title| Curves::new(title, "batch", "seconds").log_x().line("ours", [(1.0, 0.1), (10.0, 0.5)]);
/// let svg = Panels::of([plot("f32"), plot("bf16")]).to_svg()?;
/// assert!(svg.contains("f32") && svg.contains("bf16"));
/// # Ok::<(), mg_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Panels {
    panels: Vec<Curves>,
}

/// Size of a plot that stands alone, in points.
pub(crate) const WIDTH: i32 = 720;
pub(crate) const HEIGHT: i32 = 420;

/// Size of each of several.
const PANEL: (i32, i32) = (400, 340);

/// Pixels per point, many, for what is drawn lies on whole pixels.
pub(crate) const SCALE: i32 = 4;

/// Pixels of the drawing whose mean is a pixel of an image, along each axis: smooth edges.
const SAMPLES: i32 = 2;

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

/// The colour of words.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

impl Panels {
    /// Plots from left to right.
    pub fn of(panels: impl IntoIterator<Item = Curves>) -> Self {
        Panels { panels: panels.into_iter().collect() }
    }

    /// The plots as one SVG document, whose text is drawn in the reader's own fonts.
    ///
    /// # Errors
    /// When there are so many that they are wider than [`MAX_SHEET_SIDE`] pixels, or one cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        let size = self.size()?;
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        self.draw(&area, Medium::Svg).map_err(undrawn)?;
        drop(area);
        let attributes = |(width, height)| format!("width=\"{width}\" height=\"{height}\"");
        let points = (size.0 / SCALE as u32, size.1 / SCALE as u32);
        Ok(svg.replacen(&attributes(size), &attributes(points), 1))
    }

    /// The plots as one image.
    ///
    /// # Errors
    /// As [`to_svg`](Panels::to_svg).
    pub fn to_image(&self) -> Result<RgbImage> {
        let (width, height) = self.size()?;
        let mut image = RgbImage::new(width, height);
        let backend = BitMapBackend::with_buffer(&mut image, (width, height));
        self.draw(&backend.into_drawing_area(), Medium::Image).map_err(undrawn)?;
        let samples = SAMPLES as u32;
        Ok(image::imageops::thumbnail(&image, width / samples, height / samples))
    }

    /// Writes the plots to `path`, which must end in `.svg` or `.png`; a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the ending is another, a plot cannot be drawn or the file cannot be written; then an older file is
    /// untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match path.extension().map(|end| end.to_string_lossy().to_lowercase()).as_deref() {
            Some("svg") => write_atomically(path, self.to_svg()?.as_bytes()),
            Some("png") => save_png(&self.to_image()?, path),
            _ => Err(Error::Ending { path: path.to_owned(), expected: "svg or .png" }),
        }
    }

    /// Of the drawing, in pixels.
    fn size(&self) -> Result<(u32, u32)> {
        let (width, height) = match self.panels.len() {
            0 | 1 => (WIDTH as usize, HEIGHT as usize),
            n => (n.saturating_mul(PANEL.0 as usize), PANEL.1 as usize),
        };
        let pixels = |points: usize, each: i32| points.saturating_mul(each as usize);
        let [of_image, limit] = [pixels(width, SCALE / SAMPLES), MAX_SHEET_SIDE];
        if of_image > limit {
            return Err(Error::SheetTooLarge {
                width: of_image,
                height: pixels(height, SCALE / SAMPLES),
                limit,
            });
        }
        Ok((pixels(width, SCALE) as u32, pixels(height, SCALE) as u32))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, medium: Medium) -> Drawn<B> {
        area.fill(&WHITE)?;
        let areas = area.split_evenly((1, self.panels.len().max(1)));
        for (panel, area) in self.panels.iter().zip(&areas) {
            panel.draw(area, medium)?;
        }
        area.present()
    }
}

fn undrawn(reason: impl Display) -> Error {
    Error::Undrawn { reason: reason.to_string() }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(title: &str) -> Curves {
        Curves::new(title, "x", "y").line("a", [(0.0, 0.0), (1.0, 1.0)])
    }

    #[test]
    fn panels_stand_beside_each_other() {
        let svg = Panels::of([plot("first"), plot("second")]).to_svg().unwrap();
        assert!(svg.contains("width=\"800\" height=\"340\" viewBox=\"0 0 3200 1360\""), "{svg}");
        let x_of = |title: &str| -> i32 {
            let before = svg.split(title).next().unwrap().rsplit("<text x=\"").next().unwrap();
            before.split('"').next().unwrap().parse().unwrap()
        };
        assert_eq!(x_of("second") - x_of("first"), PANEL.0 * SCALE);
    }

    #[test]
    fn an_image_has_white_ground_and_words() {
        let image = plot("a title").to_image().unwrap();
        assert_eq!(image.dimensions(), (2 * WIDTH as u32, 2 * HEIGHT as u32));
        assert_eq!(image.get_pixel(0, 0).0, [255; 3]);
        let dark =
            |image: &RgbImage| image.enumerate_pixels().filter(|(_, y, p)| *y < 55 && p.0[0] < 128).count();
        assert!(dark(&image) > 50, "no title: {}", dark(&image));
        assert_eq!(dark(&plot("").to_image().unwrap()), 0);
    }

    #[test]
    fn a_saved_plot_is_the_plot() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        plot("a").save(path("plot.svg")).unwrap();
        assert_eq!(std::fs::read_to_string(path("plot.svg")).unwrap(), plot("a").to_svg().unwrap());
        plot("a").save(path("plot.PNG")).unwrap();
        assert_eq!(image::open(path("plot.PNG")).unwrap().to_rgb8(), plot("a").to_image().unwrap());
    }

    #[test]
    fn what_cannot_be_drawn_or_named_is_an_error() {
        for name in ["plot.jpg", "plot", ".svg"] {
            let error = plot("a").save(name).unwrap_err().to_string();
            assert!(error.contains("plot") || error.contains(".svg"), "{error}");
        }
        let many = Panels::of(vec![plot("a"); 21]);
        assert!(many.to_svg().unwrap_err().to_string().contains("16384"));
        assert!(many.to_image().is_err());
        assert!(Panels::of([]).to_svg().unwrap().starts_with("<svg"));
    }
}
