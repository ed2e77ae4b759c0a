//! Models that fill in hidden pixels at once: what ContextEncoder leaves.

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_model::{Artefact, FeatureNets, Features, Header, Images, Kind, Model, Recover, Result, Synthesis};
use mg_pyramid::Mask;
use mg_random::Key;

use crate::nets::NetKeys;
use crate::pair::Pair;

/// Models with a net that fills in hidden pixels and a discriminator, one of each for every class.
pub const KIND: Kind = Kind { name: "context-encoder", open };

/// Images that are filled in together.
const CHUNK: usize = 64;

#[derive(Debug)]
struct EncoderModel(Pair);

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    let shape = |keys: &NetKeys| keys.encoder(keys.latent);
    Ok(Box::new(EncoderModel(Pair::open(artefact, "encoder", shape, device)?)))
}

impl Model for EncoderModel {
    fn header(&self) -> &Header {
        &self.0.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.0.header
    }

    fn artefact(&self) -> Result<Artefact> {
        self.0.artefact()
    }

    fn side(&self) -> usize {
        self.0.keys.side
    }

    fn set_precision(&mut self, precision: Precision) {
        self.0.set_precision(precision);
    }

    fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        self.0.observe(images, done)
    }

    fn recover(&self) -> Option<&dyn Recover> {
        Some(self)
    }

    fn features(&self) -> Option<&dyn Features> {
        Some(self)
    }
}

impl Recover for EncoderModel {
    fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        _key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor> {
        how.refuse_chains(&self.0.header.kind)?;
        let net = self.0.net(how.class.as_deref())?;
        let n = images.dim(0)?;
        let visible = Mask::apply_each(masks, images, 0.0)?;
        let known = Mask::observed_tensor(masks, images.device(), images.dtype())?;
        let mut recovered = Vec::new();
        for first in (0..n).step_by(CHUNK) {
            let count = CHUNK.min(n - first);
            let part = |tensor: &Tensor| tensor.narrow(0, first, count);
            let (visible, known) = (part(&visible)?, part(&known)?);
            let made = net.forward(&visible.contiguous()?)?.broadcast_mul(&known.affine(-1.0, 1.0)?)?;
            recovered.push((visible.broadcast_mul(&known)? + made)?);
            done(first + count);
        }
        Ok(Tensor::cat(&recovered, 0)?)
    }
}

impl Features for EncoderModel {
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets> {
        self.0.features(grids, class)
    }
}
