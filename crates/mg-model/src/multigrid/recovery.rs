use candle_core::Tensor;
use mg_langevin::{recover, unobserved};
use mg_pyramid::Mask;
use mg_random::Key;

use super::MultigridModel;
use crate::images::batches;
use crate::{Recover, Result, Synthesis};

impl Recover for MultigridModel {
    fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor> {
        let class = self.class(how.class.as_deref())?;
        let mut recovered = Vec::new();
        for (number, rows) in batches(images.dim(0)?, self.settings.batch).enumerate() {
            let x = images.narrow(0, rows.start, rows.len())?;
            let masks = masks.get(rows.clone()).unwrap_or(&[]);
            let key = key.named("recover").fold(number as u64);
            let mut runs =
                self.with_levels(class, how, |levels| Ok(recover(levels, &x, masks, key, &mut unobserved)?))?;
            recovered.extend(runs.pop().map(|run| run.x));
            done(rows.end);
        }
        Ok(Tensor::cat(&recovered, 0)?)
    }
}
