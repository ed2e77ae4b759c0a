use std::path::Path;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;
use crate::curves::{Curves, HEIGHT, WIDTH};
use crate::drawing::{Drawn, Medium};
use crate::figure::{self, Figure};

/// Several plots beside each other, as one SVG or PNG file.
///
/// ```
/// use mg_figures::{Curves, Panels};
///
/// let plot = |title| Curves::new(title, "batch", "seconds").log_x().line("ours", [(1.0, 0.1), (10.0, 0.5)]);
/// let svg = Panels::of([plot("f32"), plot("bf16")]).to_svg()?;
/// assert!(svg.contains("f32") && svg.contains("bf16"));
/// # Ok::<(), mg_figures::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Panels {
    panels: Vec<Curves>,
}

/// Width and height of each of several plots, in points.
const PANEL: (usize, usize) = (400, 340);

impl Panels {
    /// Plots from left to right.
    pub fn of(panels: impl IntoIterator<Item = Curves>) -> Self {
        Panels { panels: panels.into_iter().collect() }
    }

    /// The plots as one SVG document, whose text is drawn in the reader's own fonts.
    ///
    /// # Errors
    /// When there are so many that they are wider than [`MAX_SHEET_SIDE`](crate::MAX_SHEET_SIDE) pixels, or one cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        figure::to_svg(self)
    }

    /// The plots as one image.
    ///
    /// # Errors
    /// As [`to_svg`](Panels::to_svg).
    pub fn to_image(&self) -> Result<RgbImage> {
        figure::to_image(self)
    }

    /// Writes the plots to `path`, which must end in `.svg` or `.png`; a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the ending is another, a plot cannot be drawn or the file cannot be written; then an older file is
    /// untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        figure::save(self, path.as_ref())
    }
}

impl Figure for Panels {
    fn size(&self) -> (usize, usize) {
        match self.panels.len() {
            0 | 1 => (WIDTH, HEIGHT),
            n => (n.saturating_mul(PANEL.0), PANEL.1),
        }
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, medium: Medium) -> Drawn<B> {
        let areas = area.split_evenly((1, self.panels.len().max(1)));
        for (panel, area) in self.panels.iter().zip(&areas) {
            panel.draw(area, medium)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::SCALE;

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
        assert_eq!(x_of("second") - x_of("first"), PANEL.0 as i32 * SCALE);
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
