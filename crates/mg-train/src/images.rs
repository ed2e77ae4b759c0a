use std::ops::Range;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_model::Images;

/// A data set as models ask for images, on a device.
pub struct SetImages<'a> {
    /// The set.
    pub set: &'a DataSet,
    /// Where its images are computed on.
    pub device: &'a Device,
}

impl Images for SetImages<'_> {
    fn len(&self) -> usize {
        self.set.len() as usize
    }

    fn batch(&self, numbers: Range<usize>) -> mg_model::Result<Tensor> {
        let numbers: Vec<u64> = numbers.map(|number| number as u64).collect();
        self.set.batch(&numbers, &[], self.device).map_err(mg_model::Error::images)
    }
}
