use crate::format::Format;
use crate::share::Shared;
use crate::tile::Output;

/// Where a convolution writes, and in which form.
pub(crate) enum Target<'a, P: Format> {
    Stored(Shared<'a, P::Stored>),
    Elem(Shared<'a, P::Elem>),
}

impl<'a, P: Format> Target<'a, P> {
    pub(crate) fn stored(values: &'a mut [P::Stored]) -> Self {
        Self::Stored(Shared::new(values))
    }

    pub(crate) fn elem(values: &'a mut [P::Elem]) -> Self {
        Self::Elem(Shared::new(values))
    }

    /// Elements of the memory that is written to.
    pub(crate) fn len(&self) -> usize {
        match self {
            Target::Stored(values) => values.len(),
            Target::Elem(values) => values.len(),
        }
    }

    /// A tile's addresses, `at` elements from the beginning.
    pub(crate) fn rows(&self, at: impl Fn(usize) -> usize) -> Output<P> {
        match self {
            Target::Stored(values) => Output::Stored(std::array::from_fn(|i| values.at(at(i)))),
            Target::Elem(values) => Output::Elem(std::array::from_fn(|i| values.at(at(i)))),
        }
    }
}

/// The activations that gate a result and leaky ReLU's slope.
pub(crate) type Gate<'a, P> = (&'a [<P as Format>::Stored], <P as Format>::Elem);
