//! Models that draw an image out of latent numbers at once: what DCGAN, WGAN and their kind leave.

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_langevin::{ChainKey, StepObserver};
use mg_model::{
    Artefact, Energies, FeatureNet, FeatureNets, Features, Generate, GridEnergy, Header, Images, Kind, Model,
    Result, Scorer, Synthesis,
};
use mg_random::Key;

use crate::fixed_net::FixedNet;
use crate::losses::score;
use crate::nets::NetKeys;
use crate::pair::Pair;

/// Models with a generator and a discriminator, one of each for every class.
pub const KIND: Kind = Kind { name: "generator", open: open_with_discriminator };

/// The same whose discriminator is an energy.
pub const ENERGY_KIND: Kind = Kind { name: "generator-with-energy", open: open_with_energy };

/// Images that are drawn together.
const CHUNK: usize = 64;

#[derive(Debug)]
struct GeneratorModel {
    pair: Pair,
    sides: [usize; 1],
    /// Whether the discriminator is an energy.
    has_energy: bool,
}

fn open(artefact: Artefact, device: &Device, has_energy: bool) -> Result<Box<dyn Model>> {
    let pair = Pair::open(artefact, "generator", NetKeys::generator, device)?;
    Ok(Box::new(GeneratorModel { sides: [pair.keys.side], pair, has_energy }))
}

fn open_with_discriminator(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    open(artefact, device, false)
}

fn open_with_energy(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    open(artefact, device, true)
}

impl Model for GeneratorModel {
    fn header(&self) -> &Header {
        &self.pair.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.pair.header
    }

    fn artefact(&self) -> Result<Artefact> {
        self.pair.artefact()
    }

    fn side(&self) -> usize {
        self.pair.keys.side
    }

    fn set_precision(&mut self, precision: Precision) {
        self.pair.set_precision(precision);
    }

    fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        self.pair.observe(images, done)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn features(&self) -> Option<&dyn Features> {
        Some(self)
    }

    fn energies(&self) -> Option<&dyn Energies> {
        self.has_energy.then_some(self)
    }
}

impl Generate for GeneratorModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        how.refuse_chains(&self.pair.header.kind)?;
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
        let images = |net: &FixedNet, first: usize, count: usize| {
            let z = self.pair.keys.latent(count, ChainKey { key: key.named("latent"), first }, device)?;
            net.forward(&z)
        };
        let nets = self.pair.nets();
        if how.class.is_some() || nets.len() == 1 {
            return Ok(vec![images(self.pair.net(how.class.as_deref())?, first, count)?]);
        }
        // All classes in turn.
        let one = |i: usize| images(nets[i % nets.len()], i, 1);
        let all = (first..first + count).map(one).collect::<Result<Vec<_>>>()?;
        Ok(vec![Tensor::cat(&all, 0)?])
    }
}

impl Features for GeneratorModel {
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        self.pair.features(grids, class)
    }
}

impl Energies for GeneratorModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn scorer(&self, class: Option<&str>) -> Result<Scorer> {
        let energy = OfDiscriminator(self.pair.discriminator(class)?.clone());
        Ok(Scorer::new(vec![Box::new(energy)], CHUNK))
    }
}

/// The energy -f that a discriminator is, without a p0.
#[derive(Debug)]
struct OfDiscriminator(FixedNet);

impl GridEnergy for OfDiscriminator {
    fn side(&self) -> usize {
        FeatureNet::side(&self.0)
    }

    fn score_and_energy(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let f = score(&self.0.forward(x)?)?;
        Ok((f.clone(), f.neg()?))
    }
}
