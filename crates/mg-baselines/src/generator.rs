//! Models that draw an image out of latent numbers at once: what DCGAN, WGAN and their kind leave.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_langevin::{ChainKey, StepObserver};
use mg_model::{
    Artefact, Error, FeatureNets, Features, Generate, Header, Images, Kind, Model, Result, Synthesis, below,
};
use mg_random::Key;

use crate::fixed_net::{FixedNet, observe_all};
use crate::nets::NetKeys;

/// Models with a generator and a discriminator, one of each for every class.
pub const KIND: Kind = Kind { name: "generator", open };

/// Images that are drawn together.
const CHUNK: usize = 64;

#[derive(Debug)]
struct GeneratorModel {
    header: Header,
    keys: NetKeys,
    sides: [usize; 1],
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    generator: FixedNet,
    discriminator: FixedNet,
}

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    let Artefact { header, tensors } = artefact;
    let keys = NetKeys::of_config(&header.config)?;
    let precision = keys.precision.on(device);
    let outputs = header.config.pointer("/model/experts").and_then(serde_json::Value::as_u64).unwrap_or(1);
    let discriminator = keys.discriminator(usize::try_from(outputs).unwrap_or(1));
    let class = |c: usize| {
        let tensors = below(&tensors, &format!("class{c}"));
        Ok(Class {
            generator: FixedNet::open(&keys.generator(), precision, "generator", &tensors, device)?,
            discriminator: FixedNet::open(&discriminator, precision, "discriminator", &tensors, device)?,
        })
    };
    let classes = (0..header.classes.len()).map(class).collect::<Result<_>>()?;
    Ok(Box::new(GeneratorModel { sides: [keys.side], header, keys, classes }))
}

impl Model for GeneratorModel {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn artefact(&self) -> Result<Artefact> {
        let mut tensors = BTreeMap::new();
        for (c, class) in self.classes.iter().enumerate() {
            class.generator.save(&format!("class{c}.generator"), &mut tensors)?;
            class.discriminator.save(&format!("class{c}.discriminator"), &mut tensors)?;
        }
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.keys.side
    }

    fn set_precision(&mut self, precision: Precision) {
        let nets = self.classes.iter_mut().flat_map(|class| [&mut class.generator, &mut class.discriminator]);
        nets.for_each(|net| net.set_precision(precision));
    }

    fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let nets = self.classes.iter_mut().map(|class| &mut class.discriminator).collect();
        observe_all(nets, &self.header, images, done)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn features(&self) -> Option<&dyn Features> {
        Some(self)
    }
}

impl Generate for GeneratorModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        if how.steps.is_some() || how.noise.is_some() || how.per_start.is_some() {
            let what =
                "take steps, noise or starts of chains: a generator draws an image at once; leave them out";
            return Err(Error::Format(format!("a {} model cannot {what}", self.header.kind)));
        }
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
    ) -> Result<Vec<Tensor>> {
        let first = chunk * self.chunk_len(how)?;
        let count = CHUNK.min(n.saturating_sub(first));
        let images = |class: &Class, first: usize, count: usize| {
            let z = self.keys.latent(count, ChainKey { key: key.named("latent"), first }, device)?;
            class.generator.forward(&z)
        };
        let classes = self.classes.len();
        if how.class.is_some() || classes == 1 {
            let class = &self.classes[self.header.class(how.class.as_deref())?];
            return Ok(vec![images(class, first, count)?]);
        }
        // All classes in turn.
        let one = |i: usize| images(&self.classes[i % classes], i, 1);
        let all = (first..first + count).map(one).collect::<Result<Vec<_>>>()?;
        Ok(vec![Tensor::cat(&all, 0)?])
    }
}

impl Features for GeneratorModel {
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        self.classes[self.header.class(class)?].discriminator.features(grids)
    }
}
