use std::io::{Cursor, Read};

use flate2::read::GzDecoder;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageFormat, Rgb, RgbImage, RgbaImage};
use readers::MASK_SIDE;

use crate::{Input, golden};

/// Forms of `forms.tar.gz` that are taken: of every kind the smallest pictures.
const FORMS: [&str; 24] = [
    "png-17x13-0-1-PNG.png",
    "png-17x13-0-2-None.png",
    "png-17x13-0-4-None.png",
    "png-17x13-2-16-None.png",
    "png-17x13-3-2-None.png",
    "png-17x13-L-trns.png",
    "png-17x13-RGB-trns.png",
    "exif-6.png",
    "jpeg-17x13-1x1-one-arithmetic.jpg",
    "jpeg-17x13-1x1-optimised.jpg",
    "jpeg-17x13-2x1-optimised.jpg",
    "jpeg-17x13-2x1_1x2_1x1-optimised.jpg",
    "exif-6.jpg",
    "webp-17x13-3-lossless.webp",
    "webp-17x13-3.webp",
    "webp-17x13-4-lossless.webp",
    "webp-17x13-4.webp",
    "webp-40x31-3.webp",
    "webp-40x31-3-lossless.webp",
    "webp-40x31-animated.webp",
    "exif-1.webp",
    "exif-6.webp",
    "png-32x8-4-8-None.png",
    "png-32x8-3-1-PNG.png",
];
/// Jpegs in several scans.
const SCANS: [&str; 4] = ["control_420_one_scan", "y_cb_cr_420", "y_cbcr_420", "ycb_cr_422"];

pub(crate) fn all() -> Vec<Input> {
    let mut all: Vec<Input> = own().into_iter().chain(masks()).collect();
    let mut forms = tar::Archive::new(GzDecoder::new(Cursor::new(golden("forms.tar.gz"))));
    for form in forms.entries().expect("an archive") {
        let mut form = form.expect("a file");
        let path = form.path().expect("a name").into_owned();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if FORMS.contains(&name.as_str()) {
            let mut bytes = Vec::new();
            form.read_to_end(&mut bytes).expect("a whole file");
            all.push((target(&name), name, bytes));
        }
    }
    all.extend(SCANS.map(|name| ("jpeg", format!("{name}.jpg"), golden(&format!("scans/{name}.jpg")))));
    all
}

fn target(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("png") => "png",
        Some("jpg") => "jpeg",
        _ => "webp",
    }
}

/// A small picture.
pub(crate) fn picture(i: u32) -> RgbImage {
    RgbImage::from_fn(9 + i % 3, 9, |x, y| {
        Rgb([(x * 27 + i * 31) as u8, (y * 25) as u8, (x * y * 3 + i) as u8])
    })
}

/// A picture as a file.
pub(crate) fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_to(&mut Cursor::new(&mut bytes), format).expect("a picture");
    bytes
}

fn own() -> Vec<Input> {
    let rgb = picture(0);
    let rgba = RgbaImage::from_fn(9, 9, |x, y| image::Rgba([x as u8 * 9, y as u8 * 9, 7, (x * y * 3) as u8]));
    let grey: GrayImage = DynamicImage::from(rgb.clone()).into_luma8();
    let veiled: GrayAlphaImage = DynamicImage::from(rgba.clone()).into_luma_alpha8();
    let deep = DynamicImage::from(rgba.clone()).into_rgba16();
    vec![
        ("png", "rgb.png".into(), encoded(rgb.clone(), ImageFormat::Png)),
        ("png", "rgba.png".into(), encoded(rgba.clone(), ImageFormat::Png)),
        ("png", "grey.png".into(), encoded(grey.clone(), ImageFormat::Png)),
        ("png", "grey-alpha.png".into(), encoded(veiled, ImageFormat::Png)),
        ("png", "deep.png".into(), encoded(deep, ImageFormat::Png)),
        ("png", "palette.png".into(), palette()),
        ("jpeg", "rgb.jpg".into(), encoded(rgb.clone(), ImageFormat::Jpeg)),
        ("jpeg", "grey.jpg".into(), encoded(grey, ImageFormat::Jpeg)),
        ("webp", "rgb.webp".into(), encoded(rgb, ImageFormat::WebP)),
        ("webp", "rgba.webp".into(), encoded(rgba, ImageFormat::WebP)),
    ]
}

/// Four colours of which one is transparent.
fn palette() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Two);
    encoder.set_palette(vec![0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
    encoder.set_trns(vec![255, 128, 255, 0]);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[0b0001_1011; 16]).expect("a picture");
    writer.finish().expect("an end");
    bytes
}

fn masks() -> Vec<Input> {
    let side = MASK_SIDE as u32;
    let grey = GrayImage::from_fn(side, side, |x, y| image::Luma([if x < y { 255 } else { 0 }]));
    let stroke =
        RgbaImage::from_fn(side, side, |x, _| image::Rgba([255, 255, 255, if x < 8 { 255 } else { 0 }]));
    let colour: RgbImage = DynamicImage::from(grey.clone()).into_rgb8();
    vec![
        ("mask", "grey.png".into(), encoded(grey, ImageFormat::Png)),
        ("mask", "stroke.png".into(), encoded(stroke, ImageFormat::Png)),
        ("mask", "colour.jpg".into(), encoded(colour.clone(), ImageFormat::Jpeg)),
        ("mask", "colour.webp".into(), encoded(colour, ImageFormat::WebP)),
    ]
}
