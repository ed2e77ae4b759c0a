//! Models that fill in hidden pixels at once: what ContextEncoder leaves.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_model::{
    Artefact, Error, FeatureNets, Features, Header, Images, Kind, Model, Recover, Result, Synthesis, below,
};
use mg_pyramid::Mask;
use mg_random::Key;

use crate::fixed_net::{FixedNet, observe_all};
use crate::nets::NetKeys;

/// Models with a net that fills in hidden pixels and a discriminator, one of each for every class.
pub const KIND: Kind = Kind { name: "context-encoder", open };

/// Images that are filled in together.
const CHUNK: usize = 64;

#[derive(Debug)]
struct EncoderModel {
    header: Header,
    keys: NetKeys,
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    encoder: FixedNet,
    discriminator: FixedNet,
}

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    let Artefact { header, tensors } = artefact;
    let keys = NetKeys::of_config(&header.config)?;
    let precision = keys.precision.on(device);
    let (encoder, discriminator) = (keys.encoder(keys.latent), keys.discriminator(1));
    let class = |c: usize| {
        let tensors = below(&tensors, &format!("class{c}"));
        Ok(Class {
            encoder: FixedNet::open(&encoder, precision, "encoder", &tensors, device)?,
            discriminator: FixedNet::open(&discriminator, precision, "discriminator", &tensors, device)?,
        })
    };
    let classes = (0..header.classes.len()).map(class).collect::<Result<_>>()?;
    Ok(Box::new(EncoderModel { header, keys, classes }))
}

impl Model for EncoderModel {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn artefact(&self) -> Result<Artefact> {
        let mut tensors = BTreeMap::new();
        for (c, class) in self.classes.iter().enumerate() {
            class.encoder.save(&format!("class{c}.encoder"), &mut tensors)?;
            class.discriminator.save(&format!("class{c}.discriminator"), &mut tensors)?;
        }
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.keys.side
    }

    fn set_precision(&mut self, precision: Precision) {
        let nets = self.classes.iter_mut().flat_map(|class| [&mut class.encoder, &mut class.discriminator]);
        nets.for_each(|net| net.set_precision(precision));
    }

    fn observe(&mut self, images: &dyn Images, done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let nets = self.classes.iter_mut().map(|class| &mut class.discriminator).collect();
        observe_all(nets, &self.header, images, done)
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
        if how.steps.is_some() || how.noise.is_some() {
            let what = "take steps or noise of chains: it fills in at once; leave them out";
            return Err(Error::Format(format!("a {} model cannot {what}", self.header.kind)));
        }
        let net = &self.classes[self.header.class(how.class.as_deref())?].encoder;
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
        let net = &self.classes[self.header.class(class)?].discriminator;
        net.features(grids)
    }
}
