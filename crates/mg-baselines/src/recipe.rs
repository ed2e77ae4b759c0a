use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Device;
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{Batch, Class, Learner, MethodConfig, Result};
use serde_json::{Value, json};

/// A method's part of a configuration, parsed.
pub(crate) trait Recipe: Debug + Send + Sync + 'static {
    /// Side of the images.
    fn side(&self) -> usize;

    /// What its nets multiply.
    fn precision(&self) -> PrecisionKind;

    /// Its keys and their values, by sections.
    fn values(&self) -> Value;

    /// What learns by it.
    fn start(&self, from: &Beginning<'_>) -> Result<Box<dyn Learner>>;
}

/// What a learner begins with.
pub(crate) struct Beginning<'a> {
    /// The images.
    pub(crate) class: &'a Class,
    /// Whether they are mirrored now and then.
    pub(crate) flip: bool,
    /// The class's own.
    pub(crate) key: Key,
    pub(crate) device: &'a Device,
}

#[derive(Debug)]
struct Configured<R>(R);

/// A recipe as the loop takes it.
pub(crate) fn configured(recipe: impl Recipe) -> Arc<dyn MethodConfig> {
    Arc::new(Configured(recipe))
}

impl<R: Recipe> MethodConfig for Configured<R> {
    fn values(&self) -> Value {
        self.0.values()
    }

    fn side(&self) -> usize {
        self.0.side()
    }

    fn settled(&self, device: &Device) -> Vec<(&'static str, Value)> {
        let precision = PrecisionKind::from(self.0.precision().on(device));
        vec![("model.precision", json!(precision))]
    }

    fn precision(&self) -> &'static str {
        self.0.precision().name()
    }

    fn learner(
        &self,
        class: &Class,
        flip: bool,
        _first: &mut dyn FnMut() -> Result<Batch>,
        key: Key,
        device: &Device,
    ) -> Result<Box<dyn Learner>> {
        self.0.start(&Beginning { class, flip, key: key.named(&class.name), device })
    }
}
