use std::fmt::Write;
use std::path::Path;

use crate::Result;
use crate::axis::Axis;
use crate::write::{check_ending, write_atomically};

/// A line plot as an SVG file: what a run's losses, gaps and deviations look like over its iterations.
///
/// SVG, because the reader's own fonts draw the text and the file is small and shows in a web page as it is.
///
/// ```
/// use mg_eval::Curves;
///
/// let svg = Curves::new("gap", "iteration", "f(observed) - f(synthesized)")
///     .line("4x4", (0..100).map(|i| (f64::from(i), 0.1 * f64::from(i).sin())))
///     .line("16x16", [(0.0, 0.3), (50.0, 0.2), (99.0, 0.1)])
///     .to_svg();
/// assert!(svg.starts_with("<svg") && svg.contains("16x16"));
/// ```
#[derive(Clone, Debug)]
pub struct Curves {
    title: String,
    x_label: String,
    y_label: String,
    log_y: bool,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 48.0;

/// Most points drawn of a line; longer ones keep the lowest and highest point of each stretch.
const MAX_POINTS: usize = 1200;

/// Colours that readers with any colour vision tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

impl Curves {
    /// A plot without lines.
    pub fn new(title: &str, x_label: &str, y_label: &str) -> Self {
        let [title, x_label, y_label] = [title, x_label, y_label].map(str::to_owned);
        Curves { title, x_label, y_label, log_y: false, lines: vec![] }
    }

    /// Adds a line through the points (x, y); it is broken where a value is not finite.
    pub fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.lines.push((name.to_owned(), points.into_iter().collect()));
        self
    }

    /// A logarithmic y axis; values that are not positive are left out.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// The plot as an SVG document.
    pub fn to_svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points.iter());
        let x = Axis::of(points().map(|p| p.0), false);
        let y = Axis::of(points().map(|p| p.1), self.log_y);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        self.frame(&mut svg, &x, &y);
        let mut legend = LEFT;
        for ((name, points), colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            draw(&mut svg, &thinned(points), colour, &x, &y);
            element(
                &mut svg,
                "rect",
                &[("x", legend), ("y", 36.0), ("width", 14.0), ("height", 3.0)],
                colour,
            );
            text(&mut svg, legend + 18.0, 41.0, "start", name);
            legend += 34.0 + 7.0 * name.chars().count() as f64;
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Writes the plot to `path`, which must end in `.svg`; a reader sees the old file or the new one.
    ///
    /// # Errors
    /// When the ending is another or the file cannot be written; then an older file is untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        check_ending(path.as_ref(), "svg")?;
        write_atomically(path.as_ref(), self.to_svg().as_bytes())
    }

    /// Title, labels, grid lines and ticks.
    fn frame(&self, svg: &mut String, x: &Axis, y: &Axis) {
        for (at, label) in x.ticks() {
            let at = pixel_x(at);
            element(
                svg,
                "rect",
                &[("x", at), ("y", TOP), ("width", 1.0), ("height", HEIGHT - TOP - BOTTOM)],
                "#eee",
            );
            text(svg, at, HEIGHT - BOTTOM + 16.0, "middle", &label);
        }
        for (at, label) in y.ticks() {
            let at = pixel_y(at);
            element(
                svg,
                "rect",
                &[("x", LEFT), ("y", at), ("width", WIDTH - LEFT - RIGHT), ("height", 1.0)],
                "#eee",
            );
            text(svg, LEFT - 6.0, at + 4.0, "end", &label);
        }
        text(svg, LEFT, 22.0, "start", &self.title);
        text(svg, 0.5 * (LEFT + WIDTH - RIGHT), HEIGHT - 10.0, "middle", &self.x_label);
        let middle = 0.5 * (TOP + HEIGHT - BOTTOM);
        let _ = write!(svg, "<g transform=\"rotate(-90 16 {middle})\">");
        text(svg, 16.0, middle, "middle", &self.y_label);
        svg.push_str("</g>\n");
    }
}

/// One polyline for each stretch of points that can be shown.
fn draw(svg: &mut String, points: &[(f64, f64)], colour: &str, x: &Axis, y: &Axis) {
    let placed: Vec<_> = points.iter().map(|p| x.place(p.0).zip(y.place(p.1))).collect();
    for stretch in placed.split(Option::is_none).filter(|stretch| !stretch.is_empty()) {
        if let [Some((x, y))] = stretch {
            let [x, y] = [pixel_x(*x) - 2.0, pixel_y(*y) - 2.0];
            element(svg, "rect", &[("x", x), ("y", y), ("width", 4.0), ("height", 4.0)], colour);
            continue;
        }
        let _ = write!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"");
        for (x, y) in stretch.iter().flatten() {
            let _ = write!(svg, "{:.1},{:.1} ", pixel_x(*x), pixel_y(*y));
        }
        svg.push_str("\"/>\n");
    }
}

/// At most about [`MAX_POINTS`] points: of each stretch the lowest, the highest and, as a break, one that is
/// not finite.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(2 * MAX_POINTS);
    for stretch in points.chunks(points.len().div_ceil(MAX_POINTS / 2)) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let finite = || stretch.iter().filter(|p| p.0.is_finite() && p.1.is_finite());
        let mut ends: Vec<_> =
            finite().min_by(by_height).into_iter().chain(finite().max_by(by_height)).collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.extend(ends);
        kept.extend(stretch.iter().find(|p| !(p.0.is_finite() && p.1.is_finite())));
    }
    kept
}

fn pixel_x(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn pixel_y(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

fn element(svg: &mut String, name: &str, attributes: &[(&str, f64)], fill: &str) {
    let _ = write!(svg, "<{name}");
    for (attribute, value) in attributes {
        let _ = write!(svg, " {attribute}=\"{value:.1}\"");
    }
    let _ = writeln!(svg, " fill=\"{fill}\"/>");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corners of all polylines, in pixels.
    fn corners(svg: &str) -> Vec<Vec<(f64, f64)>> {
        let polyline = |points: &str| -> Vec<(f64, f64)> {
            let pair =
                |p: &str| p.split_once(',').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
            points.split('"').next().unwrap().split_whitespace().map(pair).collect()
        };
        svg.split(" points=\"").skip(1).map(polyline).collect()
    }

    #[test]
    fn higher_values_are_drawn_higher_and_later_ones_further_right() {
        let lines =
            corners(&Curves::new("t", "x", "y").line("a", [(0.0, 1.0), (1.0, 3.0), (2.0, 2.0)]).to_svg());
        let [a, b, c] = lines[0][..] else { panic!("{lines:?}") };
        assert!(a.0 < b.0 && b.0 < c.0);
        assert!(b.1 < c.1 && c.1 < a.1, "pixels count from the top");
        assert!(lines[0].iter().all(|&(x, y)| (LEFT..=WIDTH).contains(&x) && (TOP..=HEIGHT).contains(&y)));
    }

    #[test]
    fn a_line_breaks_where_a_value_is_not_finite() {
        let broken = [1.0, 2.0, f64::NAN, 4.0, 5.0, f64::INFINITY, 7.0].into_iter().enumerate();
        let svg = Curves::new("t", "x", "y").line("a", broken.map(|(i, y)| (i as f64, y))).to_svg();
        assert_eq!(corners(&svg).iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn long_lines_are_thinned_but_keep_their_extremes() {
        let n = 100_000;
        let spike = |i: usize| if i == 54_321 { 50.0 } else { (i as f64 * 0.01).sin() };
        let points: Vec<_> = (0..n).map(|i| (i as f64, spike(i))).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= MAX_POINTS && kept.contains(&(54_321.0, 50.0)));
        assert!(kept.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        let short = &points[..MAX_POINTS];
        assert_eq!(thinned(short), short);
    }

    #[test]
    fn names_cannot_break_the_document() {
        let svg = Curves::new("a < b & c", "<x>", "y").line("</svg>", [(0.0, 0.0)]).log_y().to_svg();
        assert!(svg.contains("a &lt; b &amp; c") && svg.contains("&lt;/svg&gt;"));
        assert_eq!(svg.matches("</svg>").count(), 1);
    }

    #[test]
    fn an_empty_plot_is_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.svg");
        Curves::new("nothing yet", "x", "y").save(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("nothing yet"));
        assert!(Curves::new("t", "x", "y").save(folder.path().join("plot.png")).is_err());
    }
}
