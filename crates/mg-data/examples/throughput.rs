//! How fast a set is decoded, packed, and made into batches:
//!
//! ```text
//! cargo run --release -p mg-data --example throughput -- PATH [SIDE] [RESIZE]
//! ```

use std::time::Instant;

use candle_core::Device;
use mg_data::{DataSet, ImageSource, Order, Spec, pack};
use mg_random::Key;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "portraits".to_owned());
    let side = arguments.next().map_or(Ok(64), |side| side.parse())?;
    let resize = arguments.next().map_or(Ok(Default::default()), |resize| resize.parse())?;
    let spec = Spec { side, resize, ..Spec::new(ImageSource::find(&name)?) };
    let threads = rayon::current_num_threads();

    let start = Instant::now();
    let set = DataSet::open(&spec)?;
    report("decoded", set.len(), start);

    let file = std::env::temp_dir().join(format!("throughput-{}.mgpack", std::process::id()));
    let start = Instant::now();
    pack(&spec, &file, &mut |_, _| {})?;
    report("packed", set.len(), start);
    let start = Instant::now();
    let packed = DataSet::open(&Spec { source: ImageSource::Packed(file.clone()), ..spec })?;
    println!("opened the packed file in {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    std::fs::remove_file(file)?;

    let order = Order::new(Key::new(0), packed.len(), 100)?;
    let start = Instant::now();
    for i in 0..100 {
        packed.batch(&order.batch_indices(i), &order.flips(i), &Device::Cpu)?;
    }
    report("batched by 100", 10_000, start);
    println!("on {threads} threads\n{}", set.describe()?);
    Ok(())
}

fn report(what: &str, images: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what} {images} images in {seconds:.2} s: {:.0} a second", images as f64 / seconds);
}
