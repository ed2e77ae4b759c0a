#![allow(
    missing_docs,
    reason = "the comments of presets/default.toml say what every key means; see Config::keys"
)]

use std::fmt;
use std::sync::Arc;

use candle_core::Device;
use mg_data::{OnBadImage, ResizeKind, Split};
use mg_model::keys::KeyDoc;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Error, Method, MethodConfig, Methods, Result};

mod layers;
mod presets;
mod text;

pub use layers::{Layer, resolve};
pub use presets::{PRESETS, preset, presets};

/// Everything a run is made of. Every key has a value here: presets fill what a file does not say.
///
/// [`resolve`] makes one out of layers. Its parts are parsed and in range.
#[derive(Clone, Debug)]
pub struct Config {
    /// Seed of every random number of the run.
    pub seed: u64,
    /// The images.
    pub data: DataConfig,
    /// How much is learned.
    pub learn: LearnConfig,
    /// When to stop trusting a run.
    pub guard: GuardConfig,
    /// What a run leaves behind, and how often.
    pub output: OutputConfig,
    /// The way to learn.
    pub method: &'static Method,
    /// The method's own part.
    pub own: Arc<dyn MethodConfig>,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    pub source: String,
    pub split: SplitChoice,
    pub resize: ResizeKind,
    pub crop: usize,
    pub flip: bool,
    pub noise: f64,
    pub class: ClassChoice,
    #[serde(default)] // files from before it was a key
    pub limit: u64,
    #[serde(default)]
    pub hold_out: u64,
    pub on_bad_image: OnBadImage,
}

/// The split that is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitChoice {
    /// `train`, and all of a set without splits.
    Auto,
    /// This one.
    Only(Split),
}

/// Which classes have a model of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassChoice {
    /// None: one model of all images.
    All,
    /// Every one.
    Each,
    /// The class of this name alone.
    Named(String),
}

/// `[learn]`, as far as all methods share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearnConfig {
    pub iterations: u64,
    pub batch: usize,
}

/// `[guard]`, as far as all methods share it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardConfig {
    pub patience: u32,
    pub rollbacks: u32,
    pub rate_factor: f64,
}

/// `[output]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputConfig {
    pub checkpoint_every: u64,
    pub keep_checkpoints: usize,
    pub sheet_every: u64,
    pub sheet_images: usize,
}

/// The method of configurations that name none.
const FIRST_METHOD: &str = "multigrid";

impl Config {
    /// The configuration with these values, by sections.
    ///
    /// # Errors
    /// When the method is unknown, or a key is missing or out of range.
    pub fn of_values(methods: Methods, values: &Value) -> Result<Self> {
        let name = values.get("method").and_then(Value::as_str).unwrap_or(FIRST_METHOD);
        Config::of_method(find_method(methods, name)?, values)
    }

    /// The value of every key, by sections.
    pub fn values(&self) -> Value {
        let mut values = self.own.values();
        let shared = [
            ("seed", Value::from(self.seed)),
            ("method", Value::from(self.method.name)),
            ("data", to_value(&self.data)),
            ("learn", to_value(&self.learn)),
            ("guard", to_value(&self.guard)),
            ("output", to_value(&self.output)),
        ];
        for (name, value) in shared {
            match (values.get_mut(name), value) {
                (Some(Value::Object(own)), Value::Object(more)) => own.extend(more),
                (_, value) => values[name] = value,
            }
        }
        values
    }

    /// Every key with its meaning, default and range, by sections.
    pub fn keys(&self) -> Vec<KeyDoc> {
        keys(self.method)
    }

    /// The same with one key changed.
    ///
    /// # Errors
    /// When there is no such key, or the value is out of range.
    pub fn with(&self, key: &str, value: Value) -> Result<Self> {
        let mut values = self.values();
        match values.pointer_mut(&pointer(key)) {
            Some(place) => *place = value,
            None => {
                let (key, place) = (key.to_string(), "with".to_string());
                let suggestion = "`mg config explain` lists all keys".to_string();
                return Err(Error::UnknownKey { key, place, suggestion });
            }
        }
        Config::of_method(self.method, &values)
    }

    /// The configuration of a method with these values.
    pub(crate) fn of_method(method: &'static Method, values: &Value) -> Result<Self> {
        for key in keys(method) {
            if let Some(value) = values.pointer(&pointer(&key.name)) {
                key.check(value)?;
            }
        }
        Ok(Config {
            seed: part(values, "seed")?,
            data: part(values, "data")?,
            learn: part(values, "learn")?,
            guard: part(values, "guard")?,
            output: part(values, "output")?,
            own: (method.read)(values)?,
            method,
        })
    }

    /// The same with nothing left to the device: what a run on `device` keeps to, wherever it goes on.
    ///
    /// # Errors
    /// When a settled value is out of range, which is a fault of the method.
    pub fn pinned(&self, device: &Device) -> Result<Self> {
        let settled = self.own.settled(device);
        settled.into_iter().try_fold(self.clone(), |config, (key, value)| config.with(key, value))
    }

    /// The configuration as TOML, in the order of its documented keys.
    pub fn to_toml(&self) -> String {
        text::to_toml(&self.values(), &self.keys())
    }
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

/// The method of this name.
pub(crate) fn find_method(methods: Methods, name: &str) -> Result<&'static Method> {
    methods.iter().find(|method| method.name == name).copied().ok_or_else(|| {
        let known: Vec<String> = methods.iter().map(|method| format!("{:?}", method.name)).collect();
        Error::value("method", format!("{name:?}"), known.join(" or "))
    })
}

/// The keys of a method and those that all share, section by section.
pub fn keys(method: &Method) -> Vec<KeyDoc> {
    let mut keys = KeyDoc::parse(PRESETS[0].text);
    keys.extend(method.keys.iter().flat_map(|text| KeyDoc::parse(text)));
    let sections: Vec<String> = keys.iter().map(|key| section(&key.name).to_string()).collect();
    let place = |name: &str| {
        // Sections of the method alone stand behind [data].
        let first = sections.iter().position(|other| other == section(name)).unwrap_or(0);
        let is_shared = SHARED.iter().position(|shared| *shared == section(name));
        is_shared.map_or((DATA, first), |number| (number, 0))
    };
    keys.sort_by_key(|key| place(&key.name));
    keys
}

/// The sections that all methods share, in their order; the top level first.
const SHARED: [&str; 5] = ["", "data", "learn", "guard", "output"];
/// The place of `[data]` among them.
const DATA: usize = 1;

fn section(key: &str) -> &str {
    key.split_once('.').map_or("", |(section, _)| section)
}

pub(crate) fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

/// A part of the values, whose ranges have been checked.
pub(crate) fn part<T: for<'de> Deserialize<'de>>(values: &Value, name: &str) -> Result<T> {
    let value = values.get(name).cloned().unwrap_or(Value::Null);
    serde_json::from_value(value)
        .map_err(|error| Error::ConfigSection { name: name.to_string(), source: error })
}

/// Keys and values of a part.
pub(crate) fn to_value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_else(|_| Value::Object(Map::new()))
}

impl Serialize for SplitChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SplitChoice::Auto => serializer.serialize_str("auto"),
            SplitChoice::Only(split) => serializer.collect_str(split),
        }
    }
}

impl<'de> Deserialize<'de> for SplitChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(SplitChoice::Auto),
            split => split.parse().map(SplitChoice::Only).map_err(D::Error::custom),
        }
    }
}

impl fmt::Display for ClassChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClassChoice::All => "all",
            ClassChoice::Each => "each",
            ClassChoice::Named(name) => name,
        })
    }
}

impl Serialize for ClassChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClassChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "all" => ClassChoice::All,
            "each" => ClassChoice::Each,
            name => ClassChoice::Named(name.to_string()),
        })
    }
}
