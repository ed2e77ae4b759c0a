use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use candle_core::Tensor;
use mg_eval::Features;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::weights::hash;
use crate::{Backbone, Error, Result};

/// A set of images to compute features of. It may be larger than memory: it is read block by block.
pub trait Images {
    /// Names these images: the same name must always mean the same images in the same order.
    fn id(&self) -> String;

    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images of a range, [n, 3, s, s] with values in [-1, 1].
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    fn batch(
        &self,
        range: Range<usize>,
    ) -> std::result::Result<Tensor, Box<dyn std::error::Error + Send + Sync>>;
}

/// The features that a backbone gives for a set of images, kept in a file: one row of f32 per image.
///
/// A file holds a header, then blocks of up to 64 rows with a checksum each, written to the disk before the next. So a
/// run that is interrupted goes on where it was, and a damaged block is noticed when it is read.
#[derive(Debug)]
pub struct FeatureFile {
    path: PathBuf,
    file: Mutex<File>,
    header: Header,
    /// Bytes before the first block.
    start: u64,
    /// Blocks that were read and are sound.
    checked: Vec<AtomicBool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// Id of the backbone.
    backbone: String,
    network: String,
    /// Id of the images.
    images: String,
    rows: usize,
    width: usize,
}

const MAGIC: &[u8; 8] = b"MGFEATS1";
/// Rows of a block.
const BLOCK: usize = 64;
/// Bytes of a block's checksum.
const CHECK: usize = 8;

impl FeatureFile {
    /// The features of `images` by `backbone`, kept in `folder` under a name made of both: those that are there already
    /// are not computed again. `done` is called with the number of finished images, once at the start and after every
    /// block.
    ///
    /// # Errors
    /// When the folder cannot be written, another process is writing the same features, or an image cannot be read.
    pub fn fill(
        folder: &Path,
        backbone: &Backbone,
        images: &dyn Images,
        done: &mut dyn FnMut(usize),
    ) -> Result<Self> {
        let header = Header {
            backbone: backbone.id().to_owned(),
            network: backbone.name().to_owned(),
            images: images.id(),
            rows: images.len(),
            width: backbone.width(),
        };
        let path = folder.join(format!("{}.features", &header.key()[..24]));
        std::fs::create_dir_all(folder).map_err(Error::write(folder))?;
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::write(&path))?;
        file.try_lock().map_err(|_| Error::Busy { path: path.clone() })?;
        let start = header.begin(&mut file).map_err(Error::write(&path))?;
        let checked = (0..header.rows.div_ceil(BLOCK)).map(|_| AtomicBool::new(false)).collect();
        let this = Self { path, file: Mutex::new(file), header, start, checked };
        let mut finished = this.finished()?;
        done(finished);
        while finished < this.header.rows {
            let range = finished..this.header.rows.min(finished + BLOCK);
            let images = images
                .batch(range.clone())
                .map_err(|source| Error::Image { range: range.clone(), source })?;
            let features = backbone.features(&images)?;
            this.append(&range, &features.flatten_all()?.to_vec1::<f32>()?)?;
            finished = range.end;
            done(finished);
        }
        this.lock().unlock().map_err(Error::write(&this.path))?;
        Ok(this)
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the network that made the features.
    pub fn network(&self) -> &str {
        &self.header.network
    }

    /// The rows of a range, [range, width] row-major.
    ///
    /// # Errors
    /// When the range leaves the table, the file cannot be read, or a block is damaged.
    pub fn read(&self, range: Range<usize>) -> Result<Vec<f32>> {
        if range.start > range.end || range.end > self.header.rows {
            let (rows, path) = (self.header.rows, self.path.clone());
            return Err(Error::Rows { path, range, rows });
        }
        let (mut values, row) = (Vec::with_capacity(range.len() * self.header.width), self.header.width * 4);
        for block in range.start / BLOCK..range.end.div_ceil(BLOCK) {
            self.check(block)?;
            let first = block * BLOCK;
            let (from, to) = (range.start.max(first) - first, range.end.min(first + BLOCK) - first);
            let bytes = self.bytes_at(self.offset(block) + (from * row) as u64, (to - from) * row)?;
            values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        }
        Ok(values)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the rows of block `block`.
    fn bytes(&self, block: usize) -> usize {
        BLOCK.min(self.header.rows - block * BLOCK) * self.header.width * 4
    }

    fn offset(&self, block: usize) -> u64 {
        self.start + block as u64 * (BLOCK * self.header.width * 4 + CHECK) as u64
    }

    fn bytes_at(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let (mut bytes, mut file) = (vec![0; len], self.lock());
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        Ok(bytes)
    }

    /// Makes sure, once, that a block is what was written.
    fn check(&self, block: usize) -> Result<()> {
        if self.checked[block].load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = self.bytes_at(self.offset(block), self.bytes(block) + CHECK)?;
        let (rows, check) = bytes.split_at(bytes.len() - CHECK);
        if Sha256::digest(rows)[..CHECK] != *check {
            return Err(Error::Damaged { path: self.path.clone(), row: block * BLOCK });
        }
        self.checked[block].store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Rows that are there, in whole blocks; what follows the last good block is cut off.
    fn finished(&self) -> Result<usize> {
        let length = self.lock().metadata().map_err(Error::write(&self.path))?.len();
        let all = self.header.rows.div_ceil(BLOCK);
        let mut blocks =
            (0..all).take_while(|block| self.offset(*block) + (self.bytes(*block) + CHECK) as u64 <= length);
        let mut count = blocks.by_ref().count();
        while count > 0 && self.check(count - 1).is_err() {
            count -= 1;
        }
        if count < all {
            self.lock().set_len(self.offset(count)).map_err(Error::write(&self.path))?;
        }
        Ok(self.header.rows.min(count * BLOCK))
    }

    fn append(&self, range: &Range<usize>, rows: &[f32]) -> Result<()> {
        let mut bytes: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check[..CHECK]);
        let mut file = self.lock();
        let written = file
            .seek(SeekFrom::Start(self.offset(range.start / BLOCK)))
            .and_then(|_| file.write_all(&bytes))
            .and_then(|()| file.sync_data());
        written.map_err(Error::write(&self.path))
    }
}

impl Header {
    fn key(&self) -> String {
        hash(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// Makes sure that `file` begins with this header, and returns its length; a file that does not is begun anew.
    fn begin(&self, file: &mut File) -> std::io::Result<u64> {
        let json = serde_json::to_vec(self)?;
        let mut expected = MAGIC.to_vec();
        expected.extend((json.len() as u64).to_le_bytes());
        expected.extend(json);
        let mut found = vec![];
        Read::by_ref(file).take(expected.len() as u64).read_to_end(&mut found)?;
        if found != expected {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&expected)?;
            file.sync_data()?;
        }
        Ok(expected.len() as u64)
    }
}

impl Features for FeatureFile {
    fn len(&self) -> usize {
        self.header.rows
    }

    fn dim(&self) -> usize {
        self.header.width
    }

    fn rows(&self, range: Range<usize>) -> mg_eval::Result<Cow<'_, [f32]>> {
        self.read(range).map(Cow::Owned).map_err(|error| mg_eval::Error::Features(Box::new(error)))
    }
}
