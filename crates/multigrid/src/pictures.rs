//! Images of a set or a tensor, as features are computed of them.

use std::path::Path;

use candle_core::{Device, Tensor};
use mg_backbone::Backbone;
use mg_data::{DataSet, ImageSource, OnBadImage, Resize, Spec};
use mg_eval::FeatureTable;

use crate::{Error, Result};

/// Images that features are computed of together.
const BATCH: usize = 64;

/// The images of a set, all of them, as squares of `side` pixels; in its own shape, which must be square, unless given.
pub(crate) fn read(set: &Path, shape: Option<(usize, Resize)>) -> Result<DataSet> {
    let name = set.to_str().ok_or_else(|| Error::Name { path: set.to_owned() })?;
    let spec = Spec { on_bad: OnBadImage::Refuse, ..Spec::new(ImageSource::find(name)?) };
    let (side, resize) = match (shape, spec.native_size()?) {
        (Some(shape), _) => shape,
        (None, (width, height)) if width == height => (width as usize, Resize::Exact),
        (None, (width, height)) => return Err(Error::NotSquare { name: name.to_owned(), width, height }),
    };
    Ok(DataSet::open(&Spec { side, resize, ..spec })?)
}

/// Features of all images of a set.
pub(crate) fn features_of_set(backbone: &Backbone, set: &DataSet) -> Result<FeatureTable> {
    features(backbone, set.batches(BATCH, &Device::Cpu).map(|images| Ok(images?)))
}

/// Features of images [n, 3, s, s].
pub(crate) fn features_of_tensor(backbone: &Backbone, images: &Tensor) -> Result<FeatureTable> {
    let n = images.dim(0)?;
    let batch = |first: usize| Ok(images.narrow(0, first, BATCH.min(n - first))?);
    features(backbone, (0..n).step_by(BATCH).map(batch))
}

fn features(backbone: &Backbone, batches: impl Iterator<Item = Result<Tensor>>) -> Result<FeatureTable> {
    let mut rows = Vec::new();
    for images in batches {
        rows.extend(backbone.features(&images?)?.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(FeatureTable::new(rows, backbone.width())?)
}
