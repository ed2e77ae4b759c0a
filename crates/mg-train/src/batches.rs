use candle_core::{Device, Tensor};
use mg_data::{DataSet, Loader, Order, Request};

use crate::Result;
use crate::classes::Class;

/// The observed images of one iteration after another, read ahead while the learner computes. What an iteration gets
/// does not depend on those before: one that is not the next, as after a rollback, begins the reading anew.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// The iteration that the next batch of the loader is for.
    ahead: Option<(u64, Loader)>,
}

/// Batches held ready, besides one at work and one in use.
const READY: usize = 2;

impl Batches {
    /// The images of iteration `iteration`, [n, c, s, s], mirrored as the orders say if `flip`. The classes are the same
    /// in every call.
    ///
    /// # Errors
    /// When an image cannot be read, or no thread can be started.
    pub(crate) fn of<'a>(
        &mut self,
        iteration: u64,
        classes: impl Iterator<Item = &'a Class>,
        flip: bool,
        device: &Device,
    ) -> Result<Tensor> {
        let mut loader = match self.ahead.take() {
            Some((next, loader)) if next == iteration => loader,
            _ => {
                let classes: Vec<(DataSet, Order)> = classes.map(|c| (c.data.clone(), c.order)).collect();
                let request = move |iteration| {
                    let (number, turn) = turn(iteration, classes.len());
                    let (data, order) = &classes[number];
                    Request::of(data, order, flip, turn)
                };
                Loader::of((iteration..=u64::MAX).map(request), READY, device)?
            }
        };
        let images = loader.next().unwrap_or(Err(mg_data::Error::Loader))?;
        self.ahead = iteration.checked_add(1).map(|next| (next, loader));
        Ok(images)
    }
}

/// The class that iteration number `iteration` learns, and the number of its turn.
pub(crate) fn turn(iteration: u64, classes: usize) -> (usize, u64) {
    let classes = classes as u64;
    ((iteration % classes) as usize, iteration / classes)
}
