use std::path::Path;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Result;
use crate::axis::Axis;
use crate::drawing::{COLOURS, Drawn, INK, Medium, SCALE, text};
use crate::figure::{self, Figure};
use crate::legend::Legend;
use crate::thinned::thinned;

/// A line plot as an SVG or PNG file: what a run's losses, gaps and deviations look like over its iterations, or how
/// scores lie.
///
/// ```
/// use mg_figures::Curves;
///
/// let svg = Curves::new("gap", "iteration", "f(observed) - f(synthesized)")
///     .line("4x4", (0..100).map(|i| (f64::from(i), 0.1 * f64::from(i).sin())))
///     .line("16x16", [(0.0, 0.3), (50.0, 0.2), (99.0, 0.1)])
///     .to_svg()?;
/// assert!(svg.starts_with("<svg") && svg.contains("16x16"));
/// # Ok::<(), mg_figures::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    log_x: bool,
    log_y: bool,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    dots: bool,
}

/// Most points of a line that are marked by dots.
const MAX_DOTS: usize = 24;

/// Colours of the lines at ticks and of the frame.
const GRID: RGBColor = RGBColor(0xe6, 0xe6, 0xe6);
const FRAME: RGBColor = RGBColor(0xaa, 0xaa, 0xaa);

/// Size of a plot that stands alone, in points.
pub(crate) const WIDTH: usize = 720;
pub(crate) const HEIGHT: usize = 420;

/// Heights and widths of what stands around the lines, in points.
const TITLE: i32 = 30;
const LEFT: i32 = 78;
const RIGHT: i32 = 16;
const BOTTOM: i32 = 46;
/// Of these at the left and at the bottom, the share that stays white.
const MARGIN: i32 = 6;

impl Curves {
    /// A plot without lines.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        let [title, x_label, y_label] = [title, x_label, y_label].map(str::to_owned);
        Curves { title, x_label, y_label, log_x: false, log_y: false, lines: vec![] }
    }

    /// Adds a line through the points (x, y), with dots when they are few; it is broken where a value is not finite.
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points: Vec<_> = points.into_iter().collect();
        let dots = points.len() <= MAX_DOTS;
        self.lines.push(Line { name: name.to_owned(), points, dots });
        self
    }

    /// Adds a line that has no dots, however few points it has.
    pub(crate) fn outline(mut self, name: &str, points: Vec<(f64, f64)>) -> Self {
        self.lines.push(Line { name: name.to_owned(), points, dots: false });
        self
    }

    /// A logarithmic x axis; values that are not positive are left out.
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// A logarithmic y axis; values that are not positive are left out.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// The plot as an SVG document, whose text is drawn in the reader's own fonts.
    ///
    /// # Errors
    /// When the plot cannot be drawn.
    pub fn to_svg(&self) -> Result<String> {
        figure::to_svg(self)
    }

    /// The plot as an image.
    ///
    /// # Errors
    /// When the plot cannot be drawn.
    pub fn to_image(&self) -> Result<RgbImage> {
        figure::to_image(self)
    }

    /// Writes the plot to `path`, which must end in `.svg` or `.png`; a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the ending is another or the file cannot be written; then an older file is untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        figure::save(self, path.as_ref())
    }

    /// Draws the names of the lines above them; gives the height that they take, in pixels.
    fn draw_legend<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        medium: Medium,
    ) -> Result<i32, DrawingAreaErrorKind<B::ErrorType>> {
        let width = area.dim_in_pixel().0 as i32;
        let names = self.lines.iter().map(|line| line.name.as_str());
        let legend = Legend::of(names, width - (LEFT + RIGHT) * SCALE, |name| {
            // A tenth more, for a reader's own font may be wider.
            area.estimate_text_size(name, &text(12.0, &INK)).map_or(0, |size| size.0 as i32 * 11 / 10)
        });
        for (entry, colour) in legend.entries.iter().zip(COLOURS.iter().cycle()) {
            entry.draw(area, (LEFT * SCALE, TITLE * SCALE), colour, medium)?;
        }
        Ok(legend.height())
    }

    fn draw_frame<B: DrawingBackend>(&self, chart: &mut Chart<'_, B>, medium: Medium) -> Drawn<B> {
        let mut mesh = chart.configure_mesh();
        mesh.bold_line_style(GRID.stroke_width(SCALE as u32))
            .light_line_style(TRANSPARENT)
            .axis_style(FRAME.stroke_width(SCALE as u32))
            .set_all_tick_mark_size(3 * SCALE)
            .label_style(text(12.0, &INK))
            .y_label_offset(medium.drop())
            .axis_desc_style(text(13.0, &INK))
            .x_desc(&self.x_label)
            .y_desc(&self.y_label);
        mesh.draw()
    }

    fn draw_lines<B: DrawingBackend>(&self, chart: &mut Chart<'_, B>, medium: Medium) -> Drawn<B> {
        let spec = chart.as_coord_spec();
        let (x, y) = (spec.x_spec().clone(), spec.y_spec().clone());
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let shown = |p: &(f64, f64)| x.place(p.0).is_some() && y.place(p.1).is_some();
            let style = colour.stroke_width(3 * SCALE as u32 / 2);
            for stretch in thinned(&line.points).split(|p| !shown(p)).filter(|stretch| !stretch.is_empty()) {
                let dots = if line.dots || stretch.len() == 1 { stretch } else { &[] };
                chart.draw_series(dots.iter().map(|p| Circle::new(*p, 5 * SCALE / 2, colour.filled())))?;
                let piece = if medium == Medium::Svg { stretch.len() } else { 2 };
                let pieces = stretch.windows(piece).filter(|piece| piece.len() > 1);
                chart.draw_series(pieces.map(|piece| PathElement::new(piece, style)))?;
            }
        }
        Ok(())
    }
}

impl Figure for Curves {
    fn size(&self) -> (usize, usize) {
        (WIDTH, HEIGHT)
    }

    /// Title, names, axes and lines.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, medium: Medium) -> Drawn<B> {
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (width as i32, height as i32);
        area.draw_text(&self.title, &text(15.0, &INK), (LEFT * SCALE, 10 * SCALE + medium.drop()))?;
        let top = TITLE * SCALE + self.draw_legend(area, medium)?;
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let ticks = |length: i32, each: i32| ((length / (each * SCALE)) as usize).clamp(3, 10);
        let x = Axis::of(points().map(|p| p.0), self.log_x, ticks(width - (LEFT + RIGHT) * SCALE, 36));
        let y = Axis::of(points().map(|p| p.1), self.log_y, ticks(height - top - BOTTOM * SCALE, 24));
        let inner = area.margin(top, MARGIN * SCALE, MARGIN * SCALE, RIGHT * SCALE);
        let mut chart = ChartBuilder::on(&inner)
            .set_label_area_size(LabelAreaPosition::Left, (LEFT - MARGIN) * SCALE)
            .set_label_area_size(LabelAreaPosition::Bottom, (BOTTOM - MARGIN) * SCALE)
            .build_cartesian_2d(x, y)?;
        self.draw_frame(&mut chart, medium)?;
        self.draw_lines(&mut chart, medium)
    }
}

/// Where lines are drawn.
type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;

#[cfg(test)]
mod tests {
    use super::*;

    /// The corners of the polylines in the colour of the first line, in pixels.
    fn corners(svg: &str) -> Vec<Vec<(i32, i32)>> {
        let of = |element: &str| -> Vec<(i32, i32)> {
            let pair =
                |p: &str| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
            let points = element.split(" points=\"").nth(1).unwrap().split('"').next().unwrap();
            points.split_whitespace().map(pair).collect()
        };
        let elements = svg.split("<polyline ").skip(1).filter_map(|rest| rest.split("/>").next());
        let lines = elements.filter(|element| element.contains("#0072B2"));
        // The first one stands in the legend.
        lines.map(of).skip(1).collect()
    }

    fn svg_of(points: &[(f64, f64)]) -> String {
        Curves::new("t", "x", "y").line("a", points.iter().copied()).to_svg().unwrap()
    }

    #[test]
    fn higher_values_are_drawn_higher_and_later_ones_further_right() {
        let lines = corners(&svg_of(&[(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]));
        let [a, b, c] = lines[0][..] else { panic!("{lines:?}") };
        assert!(a.0 < b.0 && b.0 < c.0);
        assert!(b.1 < c.1 && c.1 < a.1, "pixels count from the top");
        let inside = |&(x, y): &(i32, i32)| {
            (LEFT * SCALE..WIDTH as i32 * SCALE).contains(&x)
                && (TITLE * SCALE..HEIGHT as i32 * SCALE).contains(&y)
        };
        assert!(lines[0].iter().all(inside), "{lines:?}");
    }

    #[test]
    fn equal_factors_are_equal_ways_on_logarithmic_axes() {
        let points = [(1.0, 0.02), (10.0, 0.2), (100.0, 2.0), (-1.0, 1.0), (1.0, 0.0)];
        let svg = Curves::new("t", "x", "y").log_x().log_y().line("a", points).to_svg().unwrap();
        let lines = corners(&svg);
        let [a, b, c] = lines[0][..] else { panic!("{lines:?}") };
        assert!((b.0 - a.0 - (c.0 - b.0)).abs() <= 1 && (a.1 - b.1 - (b.1 - c.1)).abs() <= 1, "{lines:?}");
    }

    #[test]
    fn a_line_breaks_where_a_value_is_not_finite() {
        let values = [1.0, 2.0, f64::NAN, 4.0, 5.0, f64::INFINITY, 7.0];
        let points: Vec<_> = values.into_iter().enumerate().map(|(i, y)| (i as f64, y)).collect();
        let svg = svg_of(&points);
        assert_eq!(corners(&svg).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn few_points_are_dots_and_an_outline_has_none() {
        let points = |n: i32| (0..n).map(|i| (f64::from(i), 1.0)).collect::<Vec<_>>();
        assert_eq!(svg_of(&points(24)).matches("<circle").count(), 24);
        assert_eq!(svg_of(&points(25)).matches("<circle").count(), 0);
        let svg = Curves::new("t", "x", "y").outline("a", points(10)).to_svg().unwrap();
        assert_eq!((corners(&svg)[0].len(), svg.matches("<circle").count()), (10, 0));
    }

    #[test]
    fn names_cannot_break_the_document() {
        let plot = Curves::new("a < b & c", "<x>", "y").line("</svg>", [(0.0, 0.0)]).log_y();
        let svg = plot.to_svg().unwrap();
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("&lt;/svg&gt;"));
        assert_eq!(svg.matches("</svg>").count(), 1);
    }

    #[test]
    fn an_empty_plot_is_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.svg");
        Curves::new("nothing yet", "x", "y").save(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("nothing yet"));
    }
}
