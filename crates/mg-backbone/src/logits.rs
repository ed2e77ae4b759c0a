use std::borrow::Cow;
use std::ops::Range;

use candle_core::{Device, Tensor};
use mg_eval::Features;

use crate::{Backbone, Result};

/// The logits that a backbone makes of features, computed as they are asked for.
pub struct Logits<'a> {
    /// Features that the backbone made.
    pub features: &'a dyn Features,
    /// The backbone.
    pub backbone: &'a Backbone,
}

impl Features for Logits<'_> {
    fn len(&self) -> usize {
        self.features.len()
    }

    fn dim(&self) -> usize {
        self.backbone.classes()
    }

    fn rows(&self, range: Range<usize>) -> mg_eval::Result<Cow<'_, [f32]>> {
        let rows = self.features.rows(range.clone())?.into_owned();
        let logits = || -> Result<Vec<f32>> {
            let features = Tensor::from_vec(rows, (range.len(), self.features.dim()), &Device::Cpu)?;
            Ok(self.backbone.logits(&features)?.flatten_all()?.to_vec1()?)
        };
        logits().map(Cow::Owned).map_err(|error| mg_eval::Error::Features(Box::new(error)))
    }
}
