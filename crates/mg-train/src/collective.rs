use candle_core::Tensor;

use crate::{Result, State};

/// Learners that share a batch, each of them with a part of it. All of them call the same functions in the same order.
///
/// Every operation has one fixed order, that of ranks: any number of learners gets the same bits.
pub trait Collective: Send {
    /// Which of the learners this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// The sum of lists of tensors, tensor by tensor: first those of rank 0 in their order, then those of rank 1, and so on.
    /// All lists are of the same shapes, but a learner may have none.
    ///
    /// # Errors
    /// When the lists differ in shape, or another learner is gone.
    fn sum(&self, lists: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>>;

    /// The rows of all learners' tensors, [n, ...], those of rank 0 first.
    ///
    /// # Errors
    /// When rows differ in shape, or another learner is gone.
    fn gather(&self, rows: &Tensor) -> Result<Tensor>;

    /// The state of rank 0 in place of one's own.
    ///
    /// # Errors
    /// When another learner is gone.
    fn broadcast(&self, state: &mut State) -> Result<()>;
}

/// A learner with the whole batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Collective for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, lists: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        sum_in_order(lists)
    }

    fn gather(&self, rows: &Tensor) -> Result<Tensor> {
        Ok(rows.clone())
    }

    fn broadcast(&self, _state: &mut State) -> Result<()> {
        Ok(())
    }
}

/// The sum of lists of tensors, tensor by tensor, in their order: what [`Collective::sum`] does with the lists of all ranks.
///
/// # Errors
/// When the lists differ in shape.
pub fn sum_in_order(lists: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>> {
    let mut lists = lists.into_iter();
    let mut total = lists.next().unwrap_or_default();
    for list in lists {
        for (sum, tensor) in total.iter_mut().zip(&list) {
            *sum = (&*sum + tensor)?;
        }
    }
    Ok(total)
}
