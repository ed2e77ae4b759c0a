use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_model::{FeatureNets, Model, pixel_features};
use mg_train::SetImages;

use super::Args;
use crate::progress;
use crate::set::observe;

/// What images are turned into.
pub(super) enum Features {
    Pixels,
    Nets(FeatureNets),
}

/// The nets that are asked for.
///
/// # Errors
/// When there is no such grid or class.
pub(super) fn nets(args: &Args, model: &dyn Model) -> Result<FeatureNets> {
    Ok(model.must_have_features()?.nets(&args.grids, args.class.as_deref())?)
}

impl Features {
    /// Nets with batch statistics take the average of those of `train`.
    pub(super) fn of(
        args: &Args,
        model: Option<Box<dyn Model>>,
        train: &DataSet,
        device: &Device,
    ) -> Result<Self> {
        if args.pixels {
            return Ok(Features::Pixels);
        }
        let mut model = model.context("no model to take features from; name a run, or give --pixels")?;
        observe(&mut *model, train, device)?;
        Ok(Features::Nets(nets(args, &*model)?))
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Features::Pixels => "raw pixels".to_string(),
            Features::Nets(nets) => {
                let grids: Vec<String> = nets.grids().iter().map(|side| format!("{side}x{side}")).collect();
                format!("maps of all layers, pooled to 4x4, grid {}", grids.join(" and "))
            }
        }
    }

    /// Sides of the grids, where there are nets.
    pub(super) fn grids(&self) -> Option<Vec<usize>> {
        match self {
            Features::Pixels => None,
            Features::Nets(nets) => Some(nets.grids()),
        }
    }

    /// What each column of the features [n, d] of training images is multiplied by: 1 over the root mean square of its layer,
    /// which makes C mean the same for layers and nets of any scale. `None` for pixels, which have theirs.
    pub(super) fn scale(&self, train: &Tensor) -> Result<Option<Tensor>> {
        let Features::Nets(nets) = self else { return Ok(None) };
        let mut scales = Vec::with_capacity(nets.width());
        for layer in nets.layers() {
            let mean_square =
                train.narrow(1, layer.start, layer.len())?.sqr()?.mean(0)?.mean_all()?.to_scalar::<f32>()?;
            scales.extend(layer.clone().map(|_| mean_square.sqrt().max(f32::MIN_POSITIVE).recip()));
        }
        Ok(Some(Tensor::new(scales, train.device())?))
    }

    /// Features of all images, [n, d].
    pub(super) fn of_set(&self, what: &str, data: &DataSet, device: &Device) -> Result<Tensor> {
        let bar = progress::bar(data.len(), &format!("{what} images"));
        let features = match self {
            Features::Pixels => pixel_features(&SetImages { set: data, device: &Device::Cpu })?,
            Features::Nets(nets) => {
                nets.of_set(&SetImages { set: data, device }, &mut |done| bar.set_position(done as u64))?
            }
        };
        bar.finish_and_clear();
        Ok(features)
    }
}
