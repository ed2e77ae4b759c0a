use std::fmt::Debug;
use std::sync::Arc;

use candle_core::Device;
use mg_model::Kind;
use mg_random::Key;
use serde_json::Value;

use crate::{Batch, Class, Learner, Preset, Result};

/// A way to learn, as a program registers it: its keys, its presets, and what reads its configuration. Adding one to a
/// program is one line in its list of methods.
pub struct Method {
    /// The word for it in `method = "..."`.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Its keys as annotated TOML, in files laid behind each other; [`mg_model::keys`] says the form. They may add keys to
    /// the sections that all methods share.
    pub keys: &'static [&'static str],
    /// Its presets.
    pub presets: &'static [Preset],
    /// How its models are opened.
    pub kind: &'static Kind,
    /// Reads its part of a configuration, whose keys are known to be in range.
    pub read: fn(&Value) -> Result<Arc<dyn MethodConfig>>,
}

/// A method's part of a configuration, parsed and in range.
pub trait MethodConfig: Debug + Send + Sync {
    /// Its keys and their values, by sections.
    fn values(&self) -> Value;

    /// Side of the images that it learns, pixels.
    fn side(&self) -> usize;

    /// The keys that are left to the device, with what they mean on this one: a run keeps to that wherever it goes on.
    fn settled(&self, _device: &Device) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// What its nets multiply, in a word, for people.
    fn precision(&self) -> &'static str {
        "f32"
    }

    /// A learner of a class that has learned nothing yet. `key` is that of the run; `first` reads the first batch, for those
    /// that begin with its statistics.
    ///
    /// # Errors
    /// When the images do not fit the configuration.
    fn learner(
        &self,
        class: &Class,
        flip: bool,
        first: &mut dyn FnMut() -> Result<Batch>,
        key: Key,
        device: &Device,
    ) -> Result<Box<dyn Learner>>;
}

impl Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Method").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The methods that a program knows.
pub type Methods = &'static [&'static Method];

/// The kinds of models that methods make.
pub fn kinds(methods: Methods) -> Vec<&'static Kind> {
    methods.iter().map(|method| method.kind).collect()
}
