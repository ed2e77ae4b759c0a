use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use mg_energy::ConvNet;
use mg_pyramid::down;

use crate::images::batches;
use crate::max_pool::max_pool;
use crate::{Error, GridNet, Images, Result, ScoreNets};

/// The nets of a model as they turn images into features (section 6.3; Radford et al., ICLR 2016): the maps of every
/// convolution after its activation, each max-pooled to 4x4, layer after layer, bottom-up.
///
/// DCGAN's discriminator at the 64x64 grid (`model.nets = "dcgan-finest"`) has (64 + 128 + 256 + 512) 4^2 = 15,360
/// features, as table 2. Nets that normalise over batches do so with the statistics of observed images that the model
/// file holds, so that the features of an image are its own.
pub struct FeatureNets {
    /// Side of the images; coarse grids are means of them.
    side: usize,
    nets: Vec<Box<dyn FeatureNet>>,
    /// The features of every layer, as columns.
    layers: Vec<Range<usize>>,
}

/// A net with maps to take features from.
pub trait FeatureNet {
    /// Side of the images it takes.
    fn side(&self) -> usize;

    /// Channels of every layer's maps, bottom-up.
    fn channels(&self) -> Vec<usize>;

    /// The maps of every layer after its activation, [n, c, s, s] each, bottom-up, of images [n, c, side, side].
    ///
    /// # Errors
    /// When the images do not fit.
    fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>>;
}

impl FeatureNet for ConvNet {
    fn side(&self) -> usize {
        self.spec().side
    }

    fn channels(&self) -> Vec<usize> {
        self.spec().layers.iter().map(|layer| layer.channels).collect()
    }

    fn maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        Ok(self.all_features(images)?)
    }
}

/// Side of the maps after pooling.
pub const FEATURE_SIDE: usize = 4;
/// Images that go through the nets together.
const BATCH: usize = 100;

impl FeatureNets {
    /// Features from these nets, for images of side `side`, which is no smaller than theirs.
    pub fn new(side: usize, nets: Vec<Box<dyn FeatureNet>>) -> Self {
        let (mut layers, mut end) = (Vec::new(), 0);
        for channels in nets.iter().flat_map(|net| net.channels()) {
            let start = end;
            end += channels * FEATURE_SIDE * FEATURE_SIDE;
            layers.push(start..end);
        }
        FeatureNets { side, nets, layers }
    }

    /// Features from the nets of some grids of a model: see [`Features::nets`](crate::Features::nets).
    ///
    /// # Errors
    /// When there is no such grid or class, or a conditional model is given no class.
    pub fn of_score_nets(model: &dyn ScoreNets, grids: &[usize], class: Option<&str>) -> Result<Self> {
        let (all, sides) = (model.nets(class)?, model.sides());
        let finest = *sides.last().ok_or_else(|| Error::NoGrid { side: 0, known: "none".into() })?;
        let only = [finest];
        let grids = if grids.is_empty() { &only[..] } else { grids };
        let net = |&side: &usize| -> Result<Box<dyn FeatureNet>> {
            let known = || sides.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let grid: Option<&GridNet> = all.iter().find(|grid| grid.spec.side == side);
            let grid = grid.ok_or_else(|| Error::NoGrid { side, known: known() })?;
            Ok(Box::new(grid.net(true)?))
        };
        Ok(FeatureNets::new(finest, grids.iter().map(net).collect::<Result<_>>()?))
    }

    /// The grids, by their sides, in the order of their features.
    pub fn grids(&self) -> Vec<usize> {
        self.nets.iter().map(|net| net.side()).collect()
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
    pub fn of_set(&self, set: &dyn Images, done: &mut dyn FnMut(usize)) -> Result<Tensor> {
        let mut features = Vec::with_capacity(set.len() * self.width());
        for numbers in batches(set.len(), BATCH) {
            self.append(&set.batch(numbers.clone())?, &mut features)?;
            done(numbers.end);
        }
        Ok(Tensor::from_vec(features, (set.len(), self.width()), &Device::Cpu)?)
    }

    fn append(&self, images: &Tensor, features: &mut Vec<f32>) -> Result<()> {
        let (n, _, side, _) = images.dims4()?;
        if side != self.side {
            return Err(Error::ImageSide { side, finest: self.side });
        }
        let mut maps = Vec::new(); // per layer: side, channels, values [n, c, s, s]
        for net in &self.nets {
            for map in net.maps(&down(images, net.side())?)? {
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
///
/// # Errors
/// When an image cannot be read.
pub fn pixel_features(set: &dyn Images) -> Result<Tensor> {
    let mut rows = Vec::new();
    for numbers in batches(set.len(), BATCH) {
        rows.push(set.batch(numbers)?.to_device(&Device::Cpu)?.flatten_from(1)?);
    }
    Ok(Tensor::cat(&rows, 0)?)
}

impl std::fmt::Debug for FeatureNets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("FeatureNets");
        out.field("grids", &self.grids()).field("width", &self.width()).finish_non_exhaustive()
    }
}
