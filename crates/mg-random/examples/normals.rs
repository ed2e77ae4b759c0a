//! How fast normals come: `cargo run --release -p mg-random --example normals`.

use std::time::Instant;

use mg_random::Key;

fn main() {
    // The noise of one Langevin step of 100 chains of 64x64 RGB images.
    let mut noise = vec![0f32; 100 * 3 * 64 * 64];
    let mut best = f64::MAX;
    for i in 0..20 {
        let start = Instant::now();
        Key::new(0).fold(i).fill_normal(&mut noise);
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{:.2} ms for {} normals, {:.2} ns each",
        1e3 * best,
        noise.len(),
        1e9 * best / noise.len() as f64
    );
}
