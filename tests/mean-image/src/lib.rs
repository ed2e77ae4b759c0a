//! A method in one file: it learns the mean of all images, and draws that mean with noise. It is of no use but to show what
//! adding a method takes: a configuration, a [`Learner`], a [`Model`], and one line of registration ([`METHODS`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use mg_langevin::{ChainKey, StepObserver};
use mg_model::{Artefact, Error, Generate, Header, Kind, Model, Synthesis};
use mg_random::Key;
use mg_train::{
    At, Batch, Bound, Class, Learner, Limit, Method, MethodConfig, Methods, Report, Result, State,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The methods of the paper, and this one.
pub const METHODS: Methods = &[&mg_train::multigrid::METHOD, &MEAN_IMAGE];

/// The method, as a program registers it.
pub const MEAN_IMAGE: Method = Method {
    name: "mean-image",
    summary: "the mean of all images, and noise",
    keys: &[KEYS],
    presets: &[],
    kind: &KIND,
    read: |values| Ok(Arc::new(MeanImageConfig { mean: mean_keys(values)? })),
};

const KEYS: &str = "
[mean]
# Pixels on a side.
#: whole [1, 64]
side = 16
# Deviation of the noise that images are drawn with.
#: [0, 1]
noise = 0.1
";

/// `[mean]`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct MeanKeys {
    side: usize,
    noise: f64,
}

#[derive(Clone, Debug)]
struct MeanImageConfig {
    mean: MeanKeys,
}

fn mean_keys(values: &Value) -> mg_model::Result<MeanKeys> {
    serde_json::from_value(values["mean"].clone()).map_err(|error| Error::Format(error.to_string()))
}

impl MethodConfig for MeanImageConfig {
    fn values(&self) -> Value {
        json!({ "mean": self.mean })
    }

    fn side(&self) -> usize {
        self.mean.side
    }

    fn learner(
        &self,
        _class: &Class,
        _flip: bool,
        _first: &mut dyn FnMut() -> Result<Batch>,
        _key: Key,
        device: &Device,
    ) -> Result<Box<dyn Learner>> {
        let mean = Tensor::zeros((3, self.mean.side, self.mean.side), candle_core::DType::F32, device)?;
        Ok(Box::new(MeanImageLearner { mean, batches: 0 }))
    }
}

/// The mean of so many batches.
struct MeanImageLearner {
    mean: Tensor, // [3, s, s]
    batches: u64,
}

impl Learner for MeanImageLearner {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let change = (at.peers.gather(&batch.images)?.mean(0)? - &self.mean)?;
        self.batches += 1;
        self.mean = (&self.mean + (&change / self.batches as f64)?)?;
        let mut report = Report::default();
        report.say("mean.change", f64::from(change.abs()?.mean_all()?.to_scalar::<f32>()?));
        Ok(report)
    }

    fn state(&self) -> Result<State> {
        let tensors = BTreeMap::from([("mean".to_string(), self.mean.clone())]);
        Ok(State { tensors, json: json!({ "batches": self.batches }) })
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        let (Some(mean), Some(batches)) = (state.tensors.get("mean"), state.json["batches"].as_u64()) else {
            return Err(Error::Format("the state holds no mean image".into()).into());
        };
        (self.mean, self.batches) = (mean.clone(), batches);
        Ok(())
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        Ok(BTreeMap::from([("mean".to_string(), self.mean.clone())]))
    }

    fn limits(&self) -> Vec<Limit> {
        vec![Limit { value: "mean.change".into(), bound: Bound::Size(2.0) }]
    }

    fn watched(&self) -> Vec<String> {
        vec!["mean.change".into()]
    }
}

/// How its models are opened.
pub const KIND: Kind = Kind { name: "mean-image", open };

fn open(artefact: Artefact, _device: &Device) -> mg_model::Result<Box<dyn Model>> {
    let keys = mean_keys(&artefact.header.config)?;
    let mean = |c: usize| match artefact.tensors.get(&format!("class{c}.mean")) {
        Some(mean) => Ok(mean.clone()),
        None => Err(Error::Format(format!("class {c} has no mean image"))),
    };
    let means = (0..artefact.header.classes.len()).map(mean).collect::<mg_model::Result<_>>()?;
    Ok(Box::new(MeanImage { artefact, means, sides: [keys.side], noise: keys.noise }))
}

/// A mean image for every class.
#[derive(Debug)]
struct MeanImage {
    artefact: Artefact,
    means: Vec<Tensor>, // [3, s, s] each
    sides: [usize; 1],
    noise: f64,
}

impl Model for MeanImage {
    fn header(&self) -> &Header {
        &self.artefact.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.artefact.header
    }

    fn artefact(&self) -> mg_model::Result<Artefact> {
        Ok(self.artefact.clone())
    }

    fn side(&self) -> usize {
        self.sides[0]
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }
}

/// Images drawn together.
const CHUNK: usize = 10;

impl Generate for MeanImage {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn chunk_len(&self, _how: &Synthesis) -> mg_model::Result<usize> {
        Ok(CHUNK)
    }

    fn chunk(
        &self,
        chunk: usize,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        _observer: &mut StepObserver<'_>,
    ) -> mg_model::Result<Vec<Tensor>> {
        let first = chunk * CHUNK;
        let class = self.artefact.header.class(how.class.as_deref())?;
        let mean = self.means[class].to_device(device)?.unsqueeze(0)?;
        let mean = mean.repeat((CHUNK.min(n - first), 1, 1, 1))?; // [n, 3, s, s]
        let noise = ChainKey { key: key.named("noise"), first }.normal_like(&mean)?;
        Ok(vec![(mean + (noise * self.noise)?)?.clamp(-1.0, 1.0)?])
    }
}
