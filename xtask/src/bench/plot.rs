//! Line plots on logarithmic axes, as SVG.

use std::fmt::Write as _;

/// Panels beside each other; the reader's own fonts draw the text.
#[derive(Default)]
pub(super) struct Plot {
    pub(super) panels: Vec<Panel>,
}

/// Seconds against something.
pub(super) struct Panel {
    title: String,
    x_label: String,
    pub(super) lines: Vec<Line>,
}

/// A line through points of positive coordinates, its name beside its last point.
#[derive(Clone, Default)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 368.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
/// Room for the names of the lines.
const RIGHT: f64 = 56.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;

/// Colours that readers with any colour vision tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 3] = ["#0072b2", "#d55e00", "#009e73"];

impl Plot {
    pub(super) fn to_svg(&self) -> String {
        let width = WIDTH * self.panels.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
             height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        for (i, panel) in self.panels.iter().enumerate() {
            let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", WIDTH * i as f64);
            panel.draw(&mut svg);
            svg.push_str("</g>\n");
        }
        svg + "</svg>\n"
    }
}

impl Panel {
    /// A panel of so many lines without points.
    pub(super) fn new(title: &str, x_label: &str, lines: usize) -> Self {
        let [title, x_label] = [title, x_label].map(str::to_string);
        Panel { title, x_label, lines: vec![Line::default(); lines] }
    }

    fn draw(&self, svg: &mut String) {
        let points = || self.lines.iter().flat_map(|line| line.points.iter().copied());
        let (x_low, x_high) = range(points().map(|point| point.0.log10()));
        let (y_low, y_high) = range(points().map(|point| point.1.log10()));
        let (y_low, y_high) = (y_low.floor(), y_high.ceil());
        let (left, right, top, bottom) = (LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM);
        let x = |value: f64| left + (value.log10() - x_low) / (x_high - x_low) * (right - left);
        let y = |value: f64| bottom - (value.log10() - y_low) / (y_high - y_low) * (bottom - top);

        let mut values: Vec<f64> = points().map(|point| point.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        for value in values {
            rule(svg, (x(value), top), (x(value), bottom));
            text(svg, x(value), bottom + 16.0, "middle", &value.to_string());
        }
        for exponent in y_low as i32..=y_high as i32 {
            let value = 10f64.powi(exponent);
            rule(svg, (left, y(value)), (right, y(value)));
            text(svg, left - 6.0, y(value) + 4.0, "end", &format!("{value} s"));
        }
        text(svg, left, 20.0, "start", &self.title);
        text(svg, 0.5 * (left + right), HEIGHT - 10.0, "middle", &self.x_label);
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let corners: Vec<String> =
                line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
                corners.join(" ")
            );
            for point in &line.points {
                let (x, y) = (x(point.0), y(point.1));
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>");
            }
        }
        // White around the letters keeps names apart from the lines that they cross.
        svg.push_str("<g paint-order=\"stroke\" stroke=\"white\" stroke-width=\"4\">\n");
        for line in &self.lines {
            if let Some(last) = line.points.last() {
                text(svg, x(last.0) + 7.0, y(last.1) + 4.0, "start", &line.name);
            }
        }
        svg.push_str("</g>\n");
    }
}

/// Least and greatest; a unit around them where they are the same, or there are none.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    match high - low {
        span if span > 0.0 && span.is_finite() => (low, high),
        0.0 => (low - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ =
        writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: &[(f64, f64)]) -> String {
        let mut panel = Panel::new("a step", "batch", 1);
        panel.lines[0] = Line { name: "a < b".to_string(), points: points.to_vec() };
        Plot { panels: vec![panel] }.to_svg()
    }

    /// The corners of the first line, in pixels.
    fn corners(svg: &str) -> Vec<(f64, f64)> {
        let points = svg.split(" points=\"").nth(1).and_then(|rest| rest.split('"').next());
        let number = |text: &str| text.parse::<f64>().expect("a number");
        let pairs = points.expect("a line").split(' ').filter_map(|corner| corner.split_once(','));
        pairs.map(|(x, y)| (number(x), number(y))).collect()
    }

    #[test]
    fn equal_factors_are_equal_ways() {
        let at = corners(&panel(&[(1.0, 0.02), (10.0, 0.2), (100.0, 2.0)]));
        assert!((at[1].0 - at[0].0 - (at[2].0 - at[1].0)).abs() < 0.2);
        assert!((at[0].1 - at[1].1 - (at[1].1 - at[2].1)).abs() < 0.2);
        assert!(at[0].1 > at[2].1, "pixels count from the top");
        assert!(at.iter().all(|&(x, y)| (LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT).contains(&y)));
    }

    #[test]
    fn one_point_lies_in_the_middle_and_no_point_is_no_nonsense() {
        let middle = (0.5 * (LEFT + WIDTH - RIGHT), 0.5 * (TOP + HEIGHT - BOTTOM));
        assert_eq!(corners(&panel(&[(4.0, 0.1)])), [middle]);
        let svg = panel(&[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn names_cannot_break_the_document() {
        assert!(panel(&[(1.0, 1.0), (2.0, 2.0)]).contains(">a &lt; b</text>"));
    }
}
