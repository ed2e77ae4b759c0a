use candle_core::{Device, Tensor};
use mg_data::{Labelled, Order};
use mg_train::{Bound, Error, Limit, Result};
use serde::{Deserialize, Serialize};

use crate::recipe::Beginning;

/// `[learn]` and `[guard]` of methods that learn to classify from few labels.
pub(crate) const LABEL_KEYS: &str = include_str!("../keys/labels.toml");

/// `[learn]`, as far as these methods share it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LabelKeys {
    pub(crate) labels: usize,
    pub(crate) labelled_batch: usize,
    pub(crate) supervised: bool,
}

/// `[guard]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LossGuard {
    pub(crate) max_loss: f64,
}

impl LossGuard {
    pub(crate) fn limits(&self) -> Vec<Limit> {
        vec![Limit { value: "loss".into(), bound: Bound::Size(self.max_loss) }]
    }
}

/// The images whose labels are seen.
pub(crate) struct FewLabels {
    set: Labelled,
    order: Order,
    flip: bool,
    device: Device,
}

impl FewLabels {
    /// Draws them from the images that are learned.
    ///
    /// # Errors
    /// When the images have no labels, are of one class only, or a class has too few.
    pub(crate) fn draw(keys: &LabelKeys, from: &Beginning<'_>) -> Result<Self> {
        if from.class.name != "all" {
            return Err(Error::Class(format!(
                "data.class is {:?}, but a classifier tells classes apart: leave data.class = \"all\"",
                from.class.name
            )));
        }
        let key = from.key.named("labels");
        let set = Labelled::of(&from.class.data)?.draw(keys.labels, 0, key)?.learn;
        let order = Order::new(key.named("order"), set.len() as u64, keys.labelled_batch as u64)?;
        Ok(FewLabels { set, order, flip: from.flip, device: from.device.clone() })
    }

    /// Names of what there is to tell apart.
    pub(crate) fn classes(&self) -> &[String] {
        self.set.classes()
    }

    /// How many images have labels.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// The labelled images [n, 3, s, s] of iteration `t`, and their classes as rows of a one and zeros, [n, K].
    pub(crate) fn batch(&self, t: u64) -> Result<(Tensor, Tensor)> {
        let numbers = self.order.batch_indices(t);
        let flips = if self.flip { self.order.flips(t) } else { vec![] };
        let images = self.set.data().batch(&numbers, &flips, &self.device)?;
        Ok((images, one_hot(&self.set.labels_of(&numbers), self.classes().len(), &self.device)?))
    }
}

/// Classes as rows of a one and zeros, [n, K].
pub(crate) fn one_hot(labels: &[u32], classes: usize, device: &Device) -> candle_core::Result<Tensor> {
    let mut rows = vec![0f32; labels.len() * classes];
    labels.iter().enumerate().for_each(|(i, &label)| rows[i * classes + label as usize] = 1.0);
    Tensor::from_vec(rows, (labels.len(), classes), device)
}
