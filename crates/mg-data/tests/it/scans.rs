//! Jpegs whose components come in several scans, decoded as libjpeg does (golden/scans).

use std::path::Path;

use mg_data::{Resize, decode};

#[test]
fn jpegs_of_several_sequential_scans_have_the_pixels_of_libjpeg() {
    for name in ["control_420_one_scan", "y_cb_cr_420", "y_cbcr_420", "ycb_cr_422"] {
        let read = |ending: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/golden/scans")
                .join(format!("{name}.{ending}"));
            decode(&std::fs::read(path).unwrap(), 64, Resize::Exact).unwrap()
        };
        let (found, expected) = (read("jpg"), read("png"));
        let apart = found.iter().zip(&expected).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let (sum, most) = apart.fold((0.0, 0.0f64), |(sum, most), gap| (sum + gap, most.max(gap)));
        let mean = sum / found.len() as f64;
        assert!(mean < 1.0 && most <= 8.0, "{name}: {mean:.2} on average, {most} at most");
    }
}
