/// Per channel: the sum of a gradient, and of the gradient times the centred values.
#[derive(Clone, Default)]
pub(crate) struct ChannelSums {
    pub(crate) sum: Vec<f64>,
    pub(crate) product: Vec<f64>,
}

impl ChannelSums {
    pub(crate) fn zero(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], product: vec![0.0; channels] }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.sum.iter_mut().zip(&other.sum).for_each(|(to, v)| *to += v);
        self.product.iter_mut().zip(&other.product).for_each(|(to, v)| *to += v);
    }
}
