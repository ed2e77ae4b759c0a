use mg_data::{DataSet, Order, Request};

/// The images that one model is learned from: all of a data set, or those of one class.
#[derive(Clone)]
pub struct Class {
    /// The name of the class; "all" for all images.
    pub name: String,
    /// Its images.
    pub data: DataSet,
    /// Which of them an iteration learns from.
    pub order: Order,
}

impl Class {
    /// What batch number `turn` of this class consists of, mirrored if `flip`.
    pub(crate) fn request(&self, turn: u64, flip: bool) -> Request {
        Request::of(&self.data, &self.order, flip, turn)
    }
}

impl std::fmt::Debug for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Class")
            .field("name", &self.name)
            .field("images", &self.data.len())
            .finish_non_exhaustive()
    }
}
