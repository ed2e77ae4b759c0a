//! One epoch of batches of 100 through a `Loader`: images a second, and whether memory stays flat.
//!
//! ```text
//! cargo run --release -p mg-data --example epoch -- [IMAGES] [FILE] [BATCHES]
//! ```
//!
//! Without FILE, the epoch goes over IMAGES images (3,000,000) of 64 x 64 pixels that are a small packed set again and
//! again. With FILE, it goes over that packed file, which is written with IMAGES images first if it is not there: real
//! bytes, 12,288 an image. BATCHES ends it early. For a cold file, let the system forget it first:
//! `dd of=FILE oflag=nocache conv=notrunc count=0`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::Device;
use mg_data::{DataSet, ImageSource, Loader, Order, Request, Spec, pack};
use mg_random::Key;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BATCH: u64 = 100;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let images: u64 = arguments.next().map_or(Ok(3_000_000), |images| images.parse())?;
    let file = arguments.next().map(PathBuf::from);
    let most: u64 = arguments.next().map_or(Ok(u64::MAX), |batches| batches.parse())?;

    let small = std::env::temp_dir().join(format!("epoch-{}.mgpack", std::process::id()));
    let set = match &file {
        Some(file) if file.exists() => open(file)?,
        Some(file) => {
            pack(&Spec::new(ImageSource::Portraits), &small, &mut |_, _| {})?;
            write_repeated(&small, images.div_ceil(open(&small)?.len()), file)?;
            open(file)?
        }
        None => {
            pack(&Spec::new(ImageSource::Portraits), &small, &mut |_, _| {})?;
            open(&small)?
        }
    };
    if small.exists() {
        std::fs::remove_file(&small)?;
    }
    let images = if file.is_some() { set.len() } else { images };
    epoch(&set, images, most)
}

/// Image i of the epoch is image i mod len of the set.
fn epoch(set: &DataSet, images: u64, most: u64) -> Result<()> {
    let (order, set) = (Order::new(Key::new(0), images, BATCH)?, set.clone());
    let batches = order.batches_per_pass().min(most);
    let requests = (0..batches).map(move |i| {
        let indices = order.batch_indices(i).into_iter().map(|image| image % set.len()).collect();
        Request { set: set.clone(), indices, flips: order.flips(i) }
    });
    let first = resident();
    let (start, mut greatest, mut last) = (Instant::now(), first, first);
    for (i, batch) in Loader::of(requests, 2, &Device::Cpu)?.enumerate() {
        batch?;
        if i % 50 == 49 {
            last = resident();
            greatest = greatest.max(last);
        }
    }
    let (done, seconds) = (batches * BATCH, start.elapsed().as_secs_f64());
    println!("{done} of {images} images in {seconds:.1} s: {:.0} a second", done as f64 / seconds);
    let [first, greatest, last] = [first, greatest, last]
        .map(|bytes| bytes.map_or("unknown".to_owned(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6)));
    println!("resident memory: {first} at the start, {greatest} at most, {last} at the end");
    Ok(())
}

fn open(path: &Path) -> Result<DataSet> {
    Ok(DataSet::open(&Spec::new(ImageSource::Packed(path.to_owned())))?)
}

/// A packed file of `times` times the images of another, each time with other bytes; its hash is not right.
fn write_repeated(packed: &Path, times: u64, to: &Path) -> Result<()> {
    let bytes = std::fs::read(packed)?;
    let number =
        |at: usize| bytes[at..at + 8].iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let (pixels, rest) = bytes[64..].split_at(number(16));
    let (labels, header) = rest.split_at(number(24));
    let mut header: serde_json::Value = serde_json::from_slice(header)?;
    header["count"] = (header["count"].as_u64().unwrap_or_default() * times).into();
    let header = serde_json::to_vec(&header)?;
    let mut head = bytes[..64].to_vec();
    for (at, length) in
        [(16, pixels.len() as u64 * times), (24, labels.len() as u64 * times), (32, header.len() as u64)]
    {
        head[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }
    let start = Instant::now();
    let mut file = BufWriter::with_capacity(1 << 22, File::create(to)?);
    file.write_all(&head)?;
    for time in 0..times {
        let other: Vec<u8> = pixels.iter().map(|byte| byte ^ time as u8).collect();
        file.write_all(&other)?;
    }
    for _ in 0..times {
        file.write_all(labels)?;
    }
    file.write_all(&header)?;
    file.into_inner()?.sync_all()?;
    println!("wrote {} in {:.0} s", to.display(), start.elapsed().as_secs_f64());
    Ok(())
}

/// Bytes of memory that the process holds, where Linux says so.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(1024 * line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?)
}
