use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use mg_data::DataSet;
use mg_energy::ConvNet;
use mg_pyramid::down;

use crate::max_pool::max_pool;
use crate::model::{Model, ModelGrid};
use crate::{Error, Result};

/// The nets of a model as they turn images into features (section 6.3; Radford et al., ICLR 2016): the maps of every
/// convolution after its activation, each max-pooled to 4x4, layer after layer, bottom-up.
///
/// DCGAN's discriminator at the 64x64 grid (`model.nets = "dcgan-finest"`) has (64 + 128 + 256 + 512) 4^2 = 15,360
/// features, as table 2. Nets that normalise over batches do so with the statistics of observed images that the model
/// file holds, so that the features of an image are its own.
pub struct FeatureNets {
    /// Coarse grids are means of the finest.
    finest: usize,
    nets: Vec<ConvNet>,
    /// The features of every layer, as columns.
    layers: Vec<Range<usize>>,
}

/// Side of the maps after pooling.
pub const FEATURE_SIDE: usize = 4;
/// Images that go through the nets together.
const BATCH: usize = 100;

impl FeatureNets {
    /// The nets of some grids, by their sides, in this order; of the finest when none is named. A conditional model
    /// needs the name of a class.
    ///
    /// # Errors
    /// When there is no such grid or class, or a conditional model is given no class.
    pub fn of(model: &Model, grids: &[usize], class: Option<&str>) -> Result<Self> {
        let class = model.class(class)?;
        let sides = model.config().sides();
        let finest = *sides.last().ok_or_else(|| Error::NoGrid { side: 0, known: "none".into() })?;
        let only = [finest];
        let grids = if grids.is_empty() { &only[..] } else { grids };
        let grid = |&side: &usize| -> Result<&ModelGrid> {
            let known = || sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let grid = class.grids.iter().find(|grid| grid.spec.side == side);
            grid.ok_or_else(|| Error::NoGrid { side, known: known() })
        };
        let nets = grids.iter().map(|side| grid(side)?.net(true)).collect::<Result<Vec<_>>>()?;
        let (mut layers, mut end) = (Vec::new(), 0);
        for layer in nets.iter().flat_map(|net| &net.spec().layers) {
            let start = end;
            end += layer.channels * FEATURE_SIDE * FEATURE_SIDE;
            layers.push(start..end);
        }
        Ok(FeatureNets { finest, nets, layers })
    }

    /// The grids, by their sides, in the order of their features.
    pub fn grids(&self) -> Vec<usize> {
        self.nets.iter().map(|net| net.spec().side).collect()
    }

    /// Features of an image.
    pub fn width(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.end)
    }

    /// The features of every layer, as columns, in their order.
    pub fn layers(&self) -> &[Range<usize>] {
        &self.layers
    }

    /// Features of images [n, c, s, s] on the finest grid: [n, width] in f32, on the CPU.
    ///
    /// # Errors
    /// When the images are not of that side.
    pub fn of_images(&self, images: &Tensor) -> Result<Tensor> {
        let n = images.dim(0)?;
        let mut features = Vec::with_capacity(n * self.width());
        self.append(images, &mut features)?;
        Ok(Tensor::from_vec(features, (n, self.width()), &Device::Cpu)?)
    }

    /// Features of all images of a set, in its order: [n, width] in f32, on the CPU. Beside these, a batch of images is
    /// in memory. `done` hears how many images are finished.
    ///
    /// # Errors
    /// As for [`of_images`](FeatureNets::of_images).
    pub fn of_set(&self, data: &DataSet, device: &Device, done: &mut dyn FnMut(u64)) -> Result<Tensor> {
        let mut features = Vec::with_capacity(data.len() as usize * self.width());
        for (batch, images) in (1..).zip(data.batches(BATCH, device)) {
            self.append(&images?, &mut features)?;
            done(data.len().min(batch * BATCH as u64));
        }
        Ok(Tensor::from_vec(features, (data.len() as usize, self.width()), &Device::Cpu)?)
    }

    fn append(&self, images: &Tensor, features: &mut Vec<f32>) -> Result<()> {
        let (n, _, side, _) = images.dims4()?;
        if side != self.finest {
            return Err(Error::ImageSide { side, finest: self.finest });
        }
        let mut maps = Vec::new(); // per layer: side, channels, values [n, c, s, s]
        for net in &self.nets {
            for map in net.all_features(&down(images, net.spec().side)?)? {
                let (_, channels, side, _) = map.dims4()?;
                let values = map.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?;
                maps.push((side, channels * side * side, values.to_vec1::<f32>()?));
            }
        }
        for image in 0..n {
            for (side, each, values) in &maps {
                max_pool(&values[image * each..(image + 1) * each], *side, FEATURE_SIDE, features);
            }
        }
        Ok(())
    }
}

/// The pixels of all images of a set, in its order: [n, c s s] in f32, values in [-1, 1]: features that nothing has
/// learned, a baseline.
pub fn pixel_features(data: &DataSet) -> Result<Tensor> {
    let mut features = Vec::with_capacity(data.len() as usize * data.channels() * data.side() * data.side());
    for images in data.batches(BATCH, &Device::Cpu) {
        features.extend(images?.flatten_all()?.to_vec1::<f32>()?);
    }
    let (n, width) = (data.len() as usize, features.len() / data.len() as usize);
    Ok(Tensor::from_vec(features, (n, width), &Device::Cpu)?)
}

impl std::fmt::Debug for FeatureNets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("FeatureNets");
        out.field("grids", &self.grids()).field("width", &self.width()).finish_non_exhaustive()
    }
}
