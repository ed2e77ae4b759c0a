use image::RgbImage;

/// Resamples the rectangle `region` (left, top, width, height) of an image to `side` x `side` pixels: 3 side^2 bytes.
///
/// Bilinear with antialiasing: output pixel i lies at x_i = (i + 1/2) r in the rectangle, r = width / side, and is the
/// mean of the input pixels j weighted by max(0, 1 - |j + 1/2 - x_i| / max(r, 1)). Rows first, then columns, in f32
/// without rounding between them, so the bytes may differ by one from Pillow's, which rounds there.
pub(crate) fn resample(image: &RgbImage, region: [u32; 4], side: usize) -> Vec<u8> {
    let [left, top, width, height] = region.map(|pixels| pixels as usize);
    let stride = 3 * image.width() as usize;
    let row = |y: usize| &image.as_raw()[(top + y) * stride + 3 * left..][..3 * width];
    if (width, height) == (side, side) {
        return (0..height).flat_map(row).copied().collect();
    }
    let (across, down) = (taps(width, side), taps(height, side));
    let mut blend = vec![0f32; 3 * width];
    let mut out = Vec::with_capacity(3 * side * side);
    for (first, weights) in &down {
        blend.fill(0.0);
        for (&weight, y) in weights.iter().zip(*first..) {
            blend.iter_mut().zip(row(y)).for_each(|(sum, &byte)| *sum += weight * f32::from(byte));
        }
        for (first, weights) in &across {
            let mut pixel = [0f32; 3];
            for (weight, rgb) in weights.iter().zip(blend[3 * first..].chunks_exact(3)) {
                pixel.iter_mut().zip(rgb).for_each(|(sum, value)| *sum += weight * value);
            }
            out.extend(pixel.map(|value| (value + 0.5) as u8));
        }
    }
    out
}

/// For each of `to` output pixels the first of `from` input pixels that it sees, and the weights from there on.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let ratio = from as f64 / to as f64;
    let support = ratio.max(1.0);
    let tap = |i: usize| {
        let centre = (i as f64 + 0.5) * ratio;
        let first = (centre - support).floor().max(0.0) as usize;
        let end = ((centre + support).ceil() as usize).min(from);
        let weight = |j: usize| (1.0 - (j as f64 + 0.5 - centre).abs() / support).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        (first, (first..end).map(|j| (weight(j) / sum) as f32).collect())
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::imageops::{FilterType, resize};
    use proptest::prelude::*;

    use super::*;

    fn noise(width: u32, height: u32, seed: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let bits =
                (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b) ^ seed).wrapping_mul(0xc2b2_ae35);
            Rgb([(bits >> 8) as u8, (bits >> 16) as u8, (bits >> 24) as u8])
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_image_crate_s_triangle_filter(
            width in 1u32..100, height in 1u32..100, side in 1u32..70, seed: u32,
        ) {
            let image = noise(width, height, seed);
            let expected = resize(&image, side, side, FilterType::Triangle);
            let found = resample(&image, [0, 0, width, height], side as usize);
            let furthest = found.iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
            prop_assert!(furthest <= Some(1), "{:?}", furthest);
        }

        #[test]
        fn weights_sum_to_one_and_lie_within(from in 1usize..500, to in 1usize..200) {
            for (first, weights) in taps(from, to) {
                prop_assert!(!weights.is_empty() && first + weights.len() <= from);
                prop_assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }

        #[test]
        fn a_constant_image_stays_what_it_is(value: u8, width in 1u32..60, height in 1u32..60, side in 1usize..40) {
            let image = RgbImage::from_pixel(width, height, Rgb([value; 3]));
            prop_assert!(resample(&image, [0, 0, width, height], side).iter().all(|&byte| byte == value));
        }
    }

    #[test]
    fn an_image_of_the_right_size_is_copied() {
        let image = noise(20, 20, 1);
        assert_eq!(resample(&image, [0, 0, 20, 20], 20), *image.as_raw());
    }
}
