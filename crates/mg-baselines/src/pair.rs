use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_kernels::MapShape;
use mg_model::{Artefact, FeatureNets, Header, Images, Result, below};
use serde_json::Value;

use crate::fixed_net::FixedNet;
use crate::nets::NetKeys;

/// What models hold whose classes have a net each, and a discriminator of what it makes.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) header: Header,
    pub(crate) keys: NetKeys,
    /// What the net is called.
    name: &'static str,
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    net: FixedNet,
    discriminator: FixedNet,
}

impl Pair {
    /// The pairs in an artefact whose nets are called `name` and have this shape.
    pub(crate) fn open(
        artefact: Artefact,
        name: &'static str,
        shape: fn(&NetKeys) -> MapShape,
        device: &Device,
    ) -> Result<Self> {
        let Artefact { header, tensors } = artefact;
        let keys = NetKeys::of_config(&header.config)?;
        let precision = keys.precision.on(device);
        let discriminator = keys.judge();
        let class = |c: usize| {
            let tensors = below(&tensors, &format!("class{c}"));
            Ok(Class {
                net: FixedNet::open(&shape(&keys), precision, name, &tensors, device)?,
                discriminator: FixedNet::open(&discriminator, precision, "discriminator", &tensors, device)?,
            })
        };
        let classes = (0..header.classes.len()).map(class).collect::<Result<_>>()?;
        Ok(Pair { header, keys, name, classes })
    }

    /// The nets of all classes.
    pub(crate) fn nets(&self) -> Vec<&FixedNet> {
        self.classes.iter().map(|class| &class.net).collect()
    }

    /// The net of a class, or of the only one.
    pub(crate) fn net(&self, class: Option<&str>) -> Result<&FixedNet> {
        Ok(&self.classes[self.header.class(class)?].net)
    }

    pub(crate) fn artefact(&self) -> Result<Artefact> {
        let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
        for (c, class) in self.classes.iter().enumerate() {
            class.net.save(&format!("class{c}.{}", self.name), &mut tensors)?;
            class.discriminator.save(&format!("class{c}.discriminator"), &mut tensors)?;
        }
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    pub(crate) fn set_precision(&mut self, precision: Precision) {
        for class in &mut self.classes {
            class.net.set_precision(precision);
            class.discriminator.set_precision(precision);
        }
    }

    /// Normalises discriminators by the average statistics of all images of a set, in batches of the size learned with; what
    /// does not fill a batch is left out. `done` hears how many images of how many are finished.
    pub(crate) fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let batch = self.header.config.pointer("/learn/batch").and_then(Value::as_u64).unwrap_or(1);
        let batch = usize::try_from(batch).unwrap_or(1).clamp(1, images.len().max(1));
        let whole = images.len() / batch * batch;
        let total = self.classes.len() * whole;
        for (c, class) in self.classes.iter_mut().enumerate() {
            class.discriminator.observe((0..whole).step_by(batch).map(|first| {
                done(c * whole + first, total);
                images.batch(first..first + batch)
            }))?;
        }
        done(total, total);
        Ok(())
    }

    /// The discriminator of a class, or of the only one.
    pub(crate) fn discriminator(&self, class: Option<&str>) -> Result<&FixedNet> {
        Ok(&self.classes[self.header.class(class)?].discriminator)
    }

    /// Features of a discriminator.
    pub(crate) fn features(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        self.discriminator(class)?.features(grids)
    }
}
