use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Device;
use mg_energy::PrecisionKind;
use mg_random::Key;
use mg_train::{Batch, Class, Learner, MethodConfig, Result};
use serde_json::{Value, json};

use crate::nets::NetKeys;

/// A method's part of a configuration, of methods whose nets are [`NetKeys`]'.
pub(crate) trait Recipe: Debug + Send + Sync + 'static {
    /// `[model]`, as far as these methods share it.
    fn model(&self) -> &NetKeys;

    /// Its keys and their values, by sections.
    fn values(&self) -> Value;

    /// What learns by it.
    fn start(&self, key: Key, device: &Device) -> Result<Box<dyn Learner>>;
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
        self.0.model().side
    }

    fn settled(&self, device: &Device) -> Vec<(&'static str, Value)> {
        let precision = PrecisionKind::from(self.0.model().precision.on(device));
        vec![("model.precision", json!(precision))]
    }

    fn precision(&self) -> &'static str {
        self.0.model().precision.name()
    }

    fn learner(
        &self,
        class: &Class,
        _flip: bool,
        _first: &mut dyn FnMut() -> Result<Batch>,
        key: Key,
        device: &Device,
    ) -> Result<Box<dyn Learner>> {
        self.0.start(key.named(&class.name), device)
    }
}
