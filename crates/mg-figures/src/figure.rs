use std::fmt::Display;
use std::path::Path;

use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::drawing::{Drawn, Medium, SCALE};
use crate::picture::save_png;
use crate::write::write_atomically;
use crate::{Error, MAX_SHEET_SIDE, Result};

/// What can be drawn on a white page: one plot or several.
pub(crate) trait Figure {
    /// Width and height in points.
    fn size(&self) -> (usize, usize);

    /// Draws it on an area of this size.
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, medium: Medium) -> Drawn<B>;
}

/// Pixels of the drawing whose mean is a pixel of an image, along each axis: smooth edges.
const SAMPLES: i32 = 2;

/// The figure as one SVG document.
///
/// # Errors
/// When it is wider or higher than [`MAX_SHEET_SIDE`] pixels, or cannot be drawn.
pub(crate) fn to_svg(figure: &impl Figure) -> Result<String> {
    let size = size(figure)?;
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw(figure, &area, Medium::Svg).map_err(undrawn)?;
    drop(area);
    let attributes = |(width, height)| format!("width=\"{width}\" height=\"{height}\"");
    let points = (size.0 / SCALE as u32, size.1 / SCALE as u32);
    Ok(svg.replacen(&attributes(size), &attributes(points), 1))
}

/// The figure as one image.
///
/// # Errors
/// As [`to_svg`].
pub(crate) fn to_image(figure: &impl Figure) -> Result<RgbImage> {
    let (width, height) = size(figure)?;
    let mut image = RgbImage::new(width, height);
    let backend = BitMapBackend::with_buffer(&mut image, (width, height));
    draw(figure, &backend.into_drawing_area(), Medium::Image).map_err(undrawn)?;
    let samples = SAMPLES as u32;
    Ok(image::imageops::thumbnail(&image, width / samples, height / samples))
}

/// Writes the figure to `path`, which must end in `.svg` or `.png`.
///
/// # Errors
/// When the ending is another, the figure cannot be drawn or the file cannot be written; then an older file is untouched.
pub(crate) fn save(figure: &impl Figure, path: &Path) -> Result<()> {
    match path.extension().map(|end| end.to_string_lossy().to_lowercase()).as_deref() {
        Some("svg") => write_atomically(path, to_svg(figure)?.as_bytes()),
        Some("png") => save_png(&to_image(figure)?, path),
        _ => Err(Error::Ending { path: path.to_owned(), expected: "svg or .png" }),
    }
}

/// Of the drawing, in pixels.
fn size(figure: &impl Figure) -> Result<(u32, u32)> {
    let (width, height) = figure.size();
    let pixels = |points: usize, each: i32| points.saturating_mul(each as usize);
    let of_image = pixels(width, SCALE / SAMPLES);
    if of_image > MAX_SHEET_SIDE {
        let height = pixels(height, SCALE / SAMPLES);
        return Err(Error::SheetTooLarge { width: of_image, height, limit: MAX_SHEET_SIDE });
    }
    Ok((pixels(width, SCALE) as u32, pixels(height, SCALE) as u32))
}

fn draw<B: DrawingBackend>(figure: &impl Figure, area: &DrawingArea<B, Shift>, medium: Medium) -> Drawn<B> {
    area.fill(&WHITE)?;
    figure.draw(area, medium)?;
    area.present()
}

fn undrawn(reason: impl Display) -> Error {
    Error::Undrawn { reason: reason.to_string() }
}
