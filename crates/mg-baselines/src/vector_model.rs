//! Deep generative models of vectors that have learned: they say what an image shows, and draw images of a class.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_langevin::{ChainKey, StepObserver};
use mg_model::{Artefact, Classify, Error, Generate, Header, Model, Result, Synthesis, below};
use mg_random::Key;

use crate::coding::{Coding, CodingKeys};
use crate::few_labels::one_hot;
use crate::losses::log_softmax;
use crate::net_set::{FixedSet, Shapes};
use crate::vectors::normal_rows;

/// What such a model does with its nets.
#[derive(Debug)]
pub(crate) struct VectorKind {
    /// Scores [n, K, 1, 1] of rows [n, d].
    pub(crate) scores: fn(&FixedSet, &Tensor) -> Result<Tensor>,
    /// What is said of rows, [n, outputs, 1, 1], of classes [n, K] and normal numbers [n, latent].
    pub(crate) outputs: fn(&FixedSet, &Tensor, &Tensor) -> Result<Tensor>,
    /// Normal numbers of an image.
    pub(crate) latent: usize,
}

#[derive(Debug)]
pub(crate) struct VectorModel {
    header: Header,
    kind: VectorKind,
    coding: Coding,
    nets: FixedSet,
    sides: [usize; 1],
}

/// Images that are drawn together.
const CHUNK: usize = 100;

impl VectorModel {
    pub(crate) fn open(
        artefact: Artefact,
        kind: VectorKind,
        keys: &CodingKeys,
        (shapes, precision): (Shapes, Precision),
        device: &Device,
    ) -> Result<Box<dyn Model>> {
        let Artefact { header, tensors } = artefact;
        let tensors = below(&tensors, "class0");
        let coding = Coding::open(keys, &tensors, device)?;
        let nets = FixedSet::open(shapes, precision, &tensors, device)?;
        Ok(Box::new(VectorModel { header, kind, coding, nets, sides: [keys.side] }))
    }

    /// The class of image number `i`: the one asked for, or all in turn.
    fn class_of(&self, asked: Option<&str>, i: usize) -> Result<u32> {
        let names = &self.header.categories;
        let number = match asked {
            None => i % names.len().max(1),
            Some(asked) => names.iter().position(|name| name == asked).ok_or_else(|| {
                Error::Class(format!("no class {asked:?}; this model has {}", names.join(", ")))
            })?,
        };
        Ok(number as u32)
    }
}

impl Model for VectorModel {
    fn header(&self) -> &Header {
        &self.header
    }

    fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    fn artefact(&self) -> Result<Artefact> {
        let mut tensors = BTreeMap::new();
        self.nets.save("class0", &mut tensors)?;
        self.coding.save("class0.", &mut tensors);
        Ok(Artefact { header: self.header.clone(), tensors })
    }

    fn side(&self) -> usize {
        self.sides[0]
    }

    fn set_precision(&mut self, precision: Precision) {
        self.nets.set_precision(precision);
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn classify(&self) -> Option<&dyn Classify> {
        Some(self)
    }
}

impl Classify for VectorModel {
    fn log_probabilities(&self, images: &Tensor) -> Result<Tensor> {
        let scores = (self.kind.scores)(&self.nets, &self.coding.rows(images, None)?)?;
        Ok(log_softmax(&scores.flatten_from(1)?)?)
    }
}

impl Generate for VectorModel {
    fn sides(&self) -> &[usize] {
        &self.sides
    }

    fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        how.refuse_chains(&self.header.kind)?;
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
        let classes = (first..first + count).map(|i| self.class_of(how.class.as_deref(), i));
        let classes = one_hot(&classes.collect::<Result<Vec<_>>>()?, self.header.categories.len(), device)?;
        let key = ChainKey { key: key.named("latent"), first };
        let z = normal_rows(key, (count, self.kind.latent), device)?;
        Ok(vec![self.coding.images(&(self.kind.outputs)(&self.nets, &classes, &z)?)?])
    }
}
