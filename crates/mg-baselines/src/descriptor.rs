//! Models with an energy and a generator that its chains teach: what cooperative learning leaves.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::{EnergyNet, Params, Precision, Reference};
use mg_langevin::{ChainKey, Kernel, Observed, StepObserver, run};
use mg_model::{
    Artefact, Energies, Error, FeatureNets, Features, Generate, GridNet, Header, Kind, Model, Recover,
    Result, ScoreNets, Scorer, Synthesis, below,
};
use mg_pyramid::Mask;
use mg_random::Key;

use crate::descriptor_keys::DescriptorKeys;
use crate::fixed_net::FixedNet;
use crate::nets::NetKeys;

/// Models with a generator and an energy, one of each for every class.
pub const KIND: Kind = Kind { name: "cooperative", open };

#[derive(Debug)]
struct CooperativeModel {
    header: Header,
    nets: NetKeys,
    keys: DescriptorKeys,
    sides: [usize; 1],
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    generator: FixedNet,
    energy: [GridNet; 1],
}

/// Images that are drawn together.
const CHUNK: usize = 64;

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    let Artefact { header, tensors } = artefact;
    let (nets, keys) = (NetKeys::of_config(&header.config)?, DescriptorKeys::of_config(&header.config)?);
    let precision = nets.precision.on(device);
    let spec = keys.spec(nets.side, precision);
    let class = |c: usize| {
        let tensors = below(&tensors, &format!("class{c}"));
        let params = Params::from_tensors(&spec, &below(&tensors, "energy"))?;
        Ok(Class {
            generator: FixedNet::open(&nets.generator(), precision, "generator", &tensors, device)?,
            energy: [GridNet { spec: spec.clone(), params, statistics: None }],
        })
    };
    let classes = (0..header.classes.len()).map(class).collect::<Result<_>>()?;
    Ok(Box::new(CooperativeModel { sides: [nets.side], header, nets, keys, classes }))
}

impl CooperativeModel {
    /// Chains from `start` on, as learned or as `how` says; hidden pixels alone move where some are observed.
    fn chains(
        &self,
        class: &Class,
        start: &Tensor,
        observed: Option<&Tensor>,
        how: &Synthesis,
        key: ChainKey,
        observer: &mut StepObserver<'_>,
    ) -> Result<Tensor> {
        let langevin = self.keys.langevin();
        let langevin = if how.noise == Some(false) { langevin.noise_free() } else { langevin };
        let energy = EnergyNet::new(class.energy[0].net(false)?, self.keys.reference());
        let steps = how.steps.unwrap_or(self.keys.chains.steps);
        let held = observed.map(|known| Observed::new(langevin, known, start)).transpose()?;
        let kernel: &dyn Kernel = held.as_ref().map_or(&langevin, |held| held);
        Ok(run(kernel, &energy, start, steps, key, observer)?.x.clamp(-1.0, 1.0)?)
    }
}

impl Model for CooperativeModel {
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
            let params = class.energy[0].params.iter();
            tensors.extend(params.map(|(name, t)| (format!("class{c}.energy.{name}"), t.clone())));
        }
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.nets.side
    }

    fn set_precision(&mut self, precision: Precision) {
        for class in &mut self.classes {
            class.generator.set_precision(precision);
            class.energy[0].spec.precision = precision;
        }
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        Some(self)
    }

    fn features(&self) -> Option<&dyn Features> {
        Some(self)
    }

    fn energies(&self) -> Option<&dyn Energies> {
        Some(self)
    }
}

impl Generate for CooperativeModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        if how.per_start.is_some() {
            let what = "start chains at one image: they start at a generator's; leave it out";
            return Err(Error::Format(format!("a {} model cannot {what}", self.header.kind)));
        }
        self.header.class(how.class.as_deref()).map(|_| CHUNK)
    }

    fn chunk(
        &self,
        chunk: usize,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut StepObserver<'_>,
    ) -> Result<Vec<Tensor>> {
        let first = chunk * self.chunk_len(how)?;
        let class = &self.classes[self.header.class(how.class.as_deref())?];
        let chains = |name: &str| ChainKey { key: key.named(name), first };
        let z = self.nets.latent(CHUNK.min(n.saturating_sub(first)), chains("latent"), device)?;
        let start = class.generator.forward(&z)?;
        Ok(vec![self.chains(class, &start, None, how, chains("chains"), observer)?])
    }
}

impl Recover for CooperativeModel {
    fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor> {
        let class = &self.classes[self.header.class(how.class.as_deref())?];
        let known = Mask::observed_tensor(masks, images.device(), images.dtype())?;
        let start = Mask::apply_each(masks, images, 0.0)?;
        let (n, mut recovered) = (images.dim(0)?, vec![]);
        for first in (0..n).step_by(CHUNK) {
            let count = CHUNK.min(n - first);
            let (start, known) = (start.narrow(0, first, count)?, known.narrow(0, first, count)?);
            let key = ChainKey { key: key.named("recover"), first };
            recovered.push(self.chains(
                class,
                &start,
                Some(&known),
                how,
                key,
                &mut mg_langevin::unobserved,
            )?);
            done(first + count);
        }
        Ok(Tensor::cat(&recovered, 0)?)
    }
}

impl Features for CooperativeModel {
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        FeatureNets::of_score_nets(self, grids, class)
    }
}

impl Energies for CooperativeModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn scorer(&self, class: Option<&str>) -> Result<Scorer> {
        Scorer::of(self, class)
    }

    fn score_nets(&self) -> Option<&dyn ScoreNets> {
        Some(self)
    }
}

impl ScoreNets for CooperativeModel {
    fn nets(&self, class: Option<&str>) -> Result<&[GridNet]> {
        Ok(&self.classes[self.header.class(class)?].energy)
    }

    fn reference(&self) -> Reference {
        self.keys.reference()
    }

    fn bounds(&self) -> Option<(f64, f64)> {
        None
    }

    fn temperature(&self, _level: usize) -> f64 {
        1.0
    }

    fn batch(&self) -> usize {
        CHUNK
    }
}
