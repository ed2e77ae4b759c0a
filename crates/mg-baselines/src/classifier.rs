//! Models that say what an image shows: what virtual adversarial training leaves.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_model::{Artefact, Classify, Header, Kind, Model, Result, below};

use crate::classifier_net::{ClassifierKeys, fixed_scores};
use crate::losses::log_softmax;
use crate::net_set::FixedSet;

/// Models of one net that classifies.
pub const KIND: Kind = Kind { name: "classifier", open };

#[derive(Debug)]
struct ClassifierModel {
    header: Header,
    side: usize,
    net: FixedSet,
}

fn open(artefact: Artefact, device: &Device) -> Result<Box<dyn Model>> {
    let Artefact { header, tensors } = artefact;
    let keys = ClassifierKeys::of_config(&header.config)?;
    let net = FixedSet::open(
        keys.parts(header.categories.len()),
        keys.precision.on(device),
        &below(&tensors, "class0"),
        device,
    )?;
    Ok(Box::new(ClassifierModel { header, side: keys.side, net }))
}

impl Model for ClassifierModel {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn artefact(&self) -> Result<Artefact> {
        let mut tensors = BTreeMap::new();
        self.net.save("class0", &mut tensors)?;
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.side
    }

    fn set_precision(&mut self, precision: Precision) {
        self.net.set_precision(precision);
    }

    fn classify(&self) -> Option<&dyn Classify> {
        Some(self)
    }
}

impl Classify for ClassifierModel {
    fn log_probabilities(&self, images: &Tensor) -> Result<Tensor> {
        Ok(log_softmax(&fixed_scores(&self.net, images)?)?)
    }
}
