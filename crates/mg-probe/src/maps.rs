use candle_core::{DType, Device, Tensor};
use mg_energy::{ConvNet, Precision};
use mg_pyramid::{Grids, Pyramid};

use crate::{Error, Result};
use mg_data::Labelled;

/// Images that go through the nets at once in evaluation.
pub(crate) const CHUNK: usize = 100;
/// Bytes that the kept maps of one experiment may take: 4 GiB.
const LIMIT: u64 = 4 << 30;

/// The trunks packed for evaluation: images to top maps, without gradients.
#[derive(Debug)]
pub(crate) struct Extractor {
    pub(crate) grids: Grids,
    /// Coarse to fine.
    pub(crate) nets: Vec<ConvNet>,
}

impl Extractor {
    /// The last convolution's activations on every grid, one [n, c, s, s] each, coarse to fine, of `images`
    /// [n, c, s, s] on the finest.
    pub(crate) fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let pyramid = Pyramid::of(images, &self.grids)?;
        let map = |(net, x): (&ConvNet, &Tensor)| Ok(net.features(x, net.spec().layers.len() - 1)?);
        self.nets.iter().zip(pyramid.levels().iter().skip(1)).map(map).collect()
    }

    /// How maps are kept: what was computed in bf16 loses nothing there.
    fn kept_as(&self) -> DType {
        match self.nets.iter().all(|net| net.spec().precision == Precision::Bf16) {
            true => DType::BF16,
            false => DType::F32,
        }
    }

    /// Bytes that the maps of one image take.
    fn bytes(&self) -> Result<u64> {
        let mut values = 0;
        for net in &self.nets {
            let side = net.spec().map_sides()?.last().copied().unwrap_or(0);
            values += net.spec().layers.last().map_or(0, |layer| layer.channels) * side * side;
        }
        Ok((values * self.kept_as().size_in_bytes()) as u64)
    }
}

/// Top maps of labelled images, in memory.
#[derive(Debug)]
pub(crate) struct Maps {
    /// Of every `CHUNK` images, one [n, c, s, s] per grid, on the CPU.
    chunks: Vec<Vec<Tensor>>,
    device: Device,
}

impl Maps {
    /// Refuses to keep the maps of so many images when they take too much memory.
    pub(crate) fn check(extractor: &Extractor, images: usize) -> Result<()> {
        let images = images as u64;
        match images.saturating_mul(extractor.bytes()?) {
            bytes if bytes > LIMIT => Err(Error::Memory { images, bytes, limit: LIMIT }),
            _ => Ok(()),
        }
    }

    /// The maps of all images of a set.
    pub(crate) fn of(extractor: &Extractor, set: &Labelled, device: &Device) -> Result<Self> {
        let keep = |map: Tensor| map.to_dtype(extractor.kept_as())?.to_device(&Device::Cpu);
        let chunk = |images: mg_data::Result<Tensor>| {
            let maps = extractor.maps(&images?)?.into_iter().map(keep);
            Ok(maps.collect::<candle_core::Result<Vec<_>>>()?)
        };
        let chunks = set.data().batches(CHUNK, device).map(chunk).collect::<Result<_>>()?;
        Ok(Maps { chunks, device: device.clone() })
    }

    /// The maps of these images, one [n, c, s, s] per grid.
    pub(crate) fn batch(&self, numbers: &[u64]) -> Result<Vec<Tensor>> {
        let grids = self.chunks.first().map_or(0, Vec::len);
        let row = |grid: usize, number: u64| {
            let (chunk, at) = (number as usize / CHUNK, number as usize % CHUNK);
            self.chunks[chunk][grid].narrow(0, at, 1)
        };
        let grid = |grid: usize| {
            let rows =
                numbers.iter().map(|&number| row(grid, number)).collect::<candle_core::Result<Vec<_>>>()?;
            Ok(Tensor::cat(&rows, 0)?.to_dtype(DType::F32)?.to_device(&self.device)?)
        };
        (0..grids).map(grid).collect()
    }
}
