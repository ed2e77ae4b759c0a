use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::input::Input;
use crate::limits::CHANNELS;
use crate::pack::{Progress, decode_all, pack_input};
use crate::packed::{Header, Packed};
use crate::spec::MAX_IN_MEMORY;
use crate::split::no_split;
use crate::{Error, ImageSource, Result, Skipped, Spec};

/// Square RGB images of one size, in memory or memory-mapped, perhaps with labels. Cheap to clone.
#[derive(Clone)]
pub struct DataSet {
    store: Arc<Store>,
    /// The images of the store that belong to the set; `None` for all of them.
    chosen: Option<Arc<[u64]>>,
    hash: String,
}

/// The images of one source.
struct Store {
    pixels: Pixels,
    labels: Option<Vec<u32>>,
    header: Header,
}

enum Pixels {
    Memory(Vec<u8>),
    Mapped(Box<Packed>),
}

impl DataSet {
    /// Opens what the spec names; decodes it first unless the source, or a copy in the spec's cache folder, is packed.
    ///
    /// # Errors
    /// Anything wrong with the source, named by path and row; a set that neither fits into memory nor has a
    /// cache folder.
    pub fn open(spec: &Spec) -> Result<Self> {
        Self::open_with(spec, &mut |_, _| {})
    }

    /// As [`open`](DataSet::open), and tells `progress` how far the decoding has come.
    ///
    /// # Errors
    /// As for [`open`](DataSet::open).
    pub fn open_with(spec: &Spec, progress: Progress) -> Result<Self> {
        spec.check()?;
        if let ImageSource::Packed(path) = &spec.source {
            return Self::open_packed(path, spec);
        }
        let input = spec.open_input()?;
        if let (Some(cache), false) = (&spec.cache, spec.source == ImageSource::Portraits) {
            return Self::open_cached(spec, &input, cache, progress);
        }
        Self::decode(spec, &input, progress)
    }

    /// The embedded set at its own 64 x 64 pixels.
    ///
    /// # Errors
    /// Never, for the embedded file is sound.
    pub fn portraits() -> Result<Self> {
        Self::open(&Spec::new(ImageSource::Portraits))
    }

    fn open_packed(path: &Path, spec: &Spec) -> Result<Self> {
        let packed = Packed::open(path)?;
        if packed.header.side != spec.side {
            return Err(Error::Side { path: path.to_owned(), packed: packed.header.side, asked: spec.side });
        }
        let split = spec.split.map(|split| split.to_string());
        if split.is_some() && split != packed.header.split {
            let found = packed.header.split.as_deref().unwrap_or("no splits");
            return Err(no_split(&path.display().to_string(), spec.split, found));
        }
        Ok(Self::mapped(packed))
    }

    fn open_cached(spec: &Spec, input: &Input, cache: &Path, progress: Progress) -> Result<Self> {
        let key = spec.key(input);
        let path = cache.join(format!("{}-{}.mgpack", spec.name(), &key[..16]));
        if let Ok(packed) = Packed::open(&path) {
            return Ok(Self::mapped(packed));
        }
        std::fs::create_dir_all(cache).map_err(Error::io("create folder", cache))?;
        pack_input(spec, input, &path, progress)?;
        Ok(Self::mapped(Packed::open(&path)?))
    }

    fn mapped(mut packed: Packed) -> Self {
        let (header, labels) = (packed.header.clone(), packed.labels.take());
        Self::whole(Pixels::Mapped(Box::new(packed)), labels, header)
    }

    fn decode(spec: &Spec, input: &Input, progress: Progress) -> Result<Self> {
        let bytes = input.len().saturating_mul((spec.side * spec.side * CHANNELS) as u64);
        if bytes > MAX_IN_MEMORY {
            let (source_name, count) = (spec.source.to_string(), input.len());
            return Err(Error::TooLarge { source_name, count, side: spec.side, bytes, limit: MAX_IN_MEMORY });
        }
        let mut pixels = Vec::new();
        let (header, labels) = decode_all(spec, input, progress, |image| {
            pixels.extend_from_slice(image);
            Ok(())
        })?;
        Ok(Self::whole(Pixels::Memory(pixels), labels, header))
    }

    fn whole(pixels: Pixels, labels: Option<Vec<u32>>, header: Header) -> Self {
        let hash = header.sha256.clone();
        DataSet { store: Arc::new(Store { pixels, labels, header }), chosen: None, hash }
    }

    /// Number of images.
    pub fn len(&self) -> u64 {
        self.chosen.as_ref().map_or(self.store.header.count, |chosen| chosen.len() as u64)
    }

    /// False: a set without images cannot be opened, and [`subset`](DataSet::subset) refuses to make one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pixels on a side.
    pub fn side(&self) -> usize {
        self.store.header.side
    }

    /// 3: red, green, blue.
    pub fn channels(&self) -> usize {
        self.store.header.channels
    }

    /// Name of the file or folder the images come from.
    pub fn name(&self) -> &str {
        &self.store.header.source
    }

    /// How the images became squares, as [`Resize`](crate::Resize) writes it.
    pub fn resize(&self) -> &str {
        &self.store.header.resize
    }

    /// The part of the source, where it has parts.
    pub fn split(&self) -> Option<&str> {
        self.store.header.split.as_deref()
    }

    /// The licence and attribution that must go with the images, where they are known.
    pub fn licence(&self) -> Option<&str> {
        self.store.header.licence.as_deref()
    }

    /// What was left out when the source was decoded: bad images, and what folders and tables hold beside.
    pub fn skipped(&self) -> &Skipped {
        &self.store.header.skipped
    }

    /// Names of the classes: label k is `class_names()[k]`. Empty without labels.
    pub fn class_names(&self) -> &[String] {
        &self.store.header.classes
    }

    /// The label of image `i`; `None` without labels, or past the end.
    pub fn label(&self, i: u64) -> Option<u32> {
        let labels = self.store.labels.as_ref()?;
        labels.get(self.stored(i)? as usize).copied()
    }

    /// All labels in order, where the set has labels.
    pub fn labels(&self) -> Option<Vec<u32>> {
        self.store.labels.as_ref()?;
        (0..self.len()).map(|i| self.label(i)).collect()
    }

    /// SHA-256, in hexadecimal, of the pixels and labels in order; two sets with the same hash train alike.
    ///
    /// For a [`subset`](DataSet::subset) it is the hash of the whole set's hash and of the numbers chosen.
    pub fn content_hash(&self) -> &str {
        &self.hash
    }

    /// Image `i`: side^2 pixels from the top left, row by row, each red, green, blue.
    ///
    /// # Errors
    /// An index past the end; an image of a packed file that has been altered.
    pub fn image(&self, i: u64) -> Result<&[u8]> {
        let place = self.place(i)?;
        match &self.store.pixels {
            Pixels::Memory(bytes) => Ok(&bytes[place]),
            Pixels::Mapped(packed) => packed.part(place),
        }
    }

    /// Where the pixels of image `i` are.
    fn place(&self, i: u64) -> Result<Range<usize>> {
        let stored = self.stored(i).ok_or(Error::Index { index: i, len: self.len() })?;
        let start = stored as usize * self.image_bytes();
        Ok(start..start + self.image_bytes())
    }

    /// The number in the store of image `i`.
    fn stored(&self, i: u64) -> Option<u64> {
        match &self.chosen {
            Some(chosen) => chosen.get(usize::try_from(i).ok()?).copied(),
            None => (i < self.store.header.count).then_some(i),
        }
    }

    /// The images `indices` as a tensor [n, 3, side, side] of f32 in [-1, 1], byte / 127.5 - 1, on `device`.
    ///
    /// Where `flips` is true the image is mirrored left to right; an empty `flips` mirrors none.
    ///
    /// # Errors
    /// An index past the end; a number of flips that is neither 0 nor that of the images.
    pub fn batch(&self, indices: &[u64], flips: &[bool], device: &Device) -> Result<Tensor> {
        let (side, bytes) = (self.side(), self.image_bytes());
        let images: Vec<&[u8]> = indices.iter().map(|&i| self.image(i)).collect::<Result<_>>()?;
        let flips = checked(flips, images.len())?;
        let mut values = vec![0f32; images.len() * bytes]; // [n, c, s, s]
        values.par_chunks_mut(bytes).enumerate().for_each(|(n, planes)| {
            to_planes(images[n], side, flips.get(n).copied().unwrap_or(false), planes);
        });
        Ok(Tensor::from_vec(values, (images.len(), CHANNELS, side, side), device)?)
    }

    /// [`batch`](DataSet::batch) on the CPU and on the calling thread alone; a mapped file is read, not touched through the
    /// map. `buffer` is room to work in.
    ///
    /// # Errors
    /// As for [`batch`](DataSet::batch), and a file that cannot be read any more.
    pub(crate) fn read_batch(&self, indices: &[u64], flips: &[bool], buffer: &mut Vec<u8>) -> Result<Tensor> {
        let (side, bytes) = (self.side(), self.image_bytes());
        let flips = checked(flips, indices.len())?;
        let mut values = vec![0f32; indices.len() * bytes]; // [n, c, s, s]
        for (n, (&i, planes)) in indices.iter().zip(values.chunks_mut(bytes)).enumerate() {
            let image = match &self.store.pixels {
                Pixels::Memory(_) => self.image(i)?,
                Pixels::Mapped(packed) => {
                    buffer.resize(bytes, 0);
                    packed.read(self.place(i)?.start, buffer)?;
                    &*buffer
                }
            };
            to_planes(image, side, flips.get(n).copied().unwrap_or(false), planes);
        }
        Ok(Tensor::from_vec(values, (indices.len(), CHANNELS, side, side), &Device::Cpu)?)
    }

    /// Tells the system that these images of a mapped set are read next.
    pub(crate) fn will_need(&self, indices: &[u64]) {
        let Pixels::Mapped(packed) = &self.store.pixels else { return };
        for place in indices.iter().filter_map(|&i| self.place(i).ok()) {
            packed.will_need(place);
        }
    }

    fn image_bytes(&self) -> usize {
        self.side() * self.side() * self.channels()
    }

    /// All images in order, `batch` at a time, the last batch with what is left.
    pub fn batches(&self, batch: usize, device: &Device) -> impl Iterator<Item = Result<Tensor>> {
        let (batch, len, device) = (batch.max(1) as u64, self.len(), device.clone());
        (0..len.div_ceil(batch)).map(move |b| {
            let indices: Vec<u64> = (b * batch..len.min((b + 1) * batch)).collect();
            self.batch(&indices, &[], &device)
        })
    }

    /// The images `indices`, in that order, as a set of their own over the same memory.
    ///
    /// # Errors
    /// No index, or one past the end.
    pub fn subset(&self, indices: &[u64]) -> Result<Self> {
        if indices.is_empty() {
            return Err(Error::Setting(format!("a subset of {} needs at least one image", self.name())));
        }
        let stored = |&i: &u64| self.stored(i).ok_or(Error::Index { index: i, len: self.len() });
        let chosen: Vec<u64> = indices.iter().map(stored).collect::<Result<_>>()?;
        let mut hash = Sha256::new();
        hash.update(&self.store.header.sha256);
        chosen.iter().for_each(|i| hash.update(i.to_le_bytes()));
        Ok(DataSet { store: self.store.clone(), chosen: Some(chosen.into()), hash: hex(&hash.finalize()) })
    }

    /// The images of class `class`.
    ///
    /// # Errors
    /// A set without labels, or without an image of that class.
    pub fn only_class(&self, class: u32) -> Result<Self> {
        if self.store.labels.is_none() {
            return Err(Error::NoLabels(self.name().to_owned(), class));
        }
        let indices: Vec<u64> = (0..self.len()).filter(|&i| self.label(i) == Some(class)).collect();
        if indices.is_empty() {
            let classes = self.class_names().iter().enumerate().map(|(k, name)| format!("{k} ({name})"));
            let classes = classes.collect::<Vec<_>>().join(", ");
            return Err(Error::NoClass { name: self.name().to_owned(), class, classes });
        }
        self.subset(&indices)
    }

    /// Reads every pixel and compares with the hash written when the set was packed.
    ///
    /// # Errors
    /// When they differ: the file has been altered, or the disk has.
    pub fn verify(&self) -> Result<()> {
        match &self.store.pixels {
            Pixels::Memory(_) => Ok(()), // the hash was made of what lies there
            Pixels::Mapped(packed) => packed.verify(self.store.labels.as_deref().unwrap_or_default()),
        }
    }
}

impl fmt::Debug for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("DataSet");
        out.field("name", &self.name()).field("len", &self.len()).field("side", &self.side());
        out.field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// As many flips as images, or none.
fn checked(flips: &[bool], images: usize) -> Result<&[bool]> {
    match flips.is_empty() || flips.len() == images {
        true => Ok(flips),
        false => Err(Error::Flips { flips: flips.len(), images }),
    }
}

/// The pixels of an image, interleaved, as planes [c, s, s] of values, mirrored left to right if `flip`.
fn to_planes(image: &[u8], side: usize, flip: bool, planes: &mut [f32]) {
    for (c, plane) in planes.chunks_mut(side * side).enumerate() {
        for (y, row) in plane.chunks_mut(side).enumerate() {
            let pixels = image[3 * side * y..][..3 * side].chunks_exact(3).map(|pixel| pixel[c]);
            if flip {
                row.iter_mut().rev().zip(pixels).for_each(|(value, byte)| *value = scaled(byte));
            } else {
                row.iter_mut().zip(pixels).for_each(|(value, byte)| *value = scaled(byte));
            }
        }
    }
}

/// A byte as a value in [-1, 1].
fn scaled(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}
