use candle_core::Tensor;

use crate::Result;
use crate::element::Element;

/// The numbers of a tensor, in order.
pub(crate) fn numbers<E: Element>(tensor: &Tensor) -> Result<Vec<E>> {
    Ok(tensor.flatten_all()?.to_vec1::<E>()?)
}
