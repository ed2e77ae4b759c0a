//! What deep generative models of images and their classes share in learning.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_kernels::MapNet;
use mg_langevin::ChainKey;
use mg_random::Key;
use mg_train::{At, Batch, Learner, Limit, Report, Result, State};

use crate::coding::{Coding, CodingKeys};
use crate::few_labels::{FewLabels, LabelKeys, LossGuard};
use crate::game::Game;
use crate::net::scalar;
use crate::net_set::NetSet;
use crate::recipe::Beginning;
use crate::vectors::{beside, normal_rows};

/// A model's own part.
pub(crate) trait VectorMethod: Send + 'static {
    /// How many draws there are of an image, and the numbers of the two vectors that are drawn.
    fn draws(&self) -> (usize, [usize; 2]);

    /// What is to be made small: from labelled rows, and, unless the labels are all that is learned from, from others.
    fn loss(
        &self,
        pass: &mut Pass<'_>,
        labelled: (&Tensor, &Tensor, &Noise),
        others: Option<(&Tensor, &Noise)>,
        report: &mut Report,
    ) -> Result<Tensor>;

    /// One step down the nets' gradients.
    fn step(&self, nets: &mut NetSet, gradient: Vec<Tensor>, at: &At<'_>) -> Result<()>;

    /// Names of the values that tell most.
    fn watched(&self) -> [&'static str; 2];
}

/// Normal numbers for two vectors of rows. The first is drawn once for n images (S times each), the second for every class where
/// it is not known: [S n, d1] and [K S n, d2], class by class.
pub(crate) struct Noise(pub(crate) [Tensor; 2]);

/// One iteration's nets.
pub(crate) struct Pass<'a> {
    pub(crate) set: &'a mut NetSet,
    pub(crate) nets: &'a [MapNet],
    pub(crate) coding: &'a Coding,
    /// Images over labelled images.
    pub(crate) images_per_label: f64,
}

impl Pass<'_> {
    /// The output of net number `number` for rows next to each other, [n, outputs, 1, 1].
    pub(crate) fn net(&mut self, number: usize, rows: &[&Tensor]) -> Result<Tensor> {
        self.set.observe(number, self.nets, &beside(rows)?)
    }
}

/// Such a model in progress.
pub(crate) struct VectorLearner<M> {
    method: M,
    nets: NetSet,
    coding: Coding,
    labels: FewLabels,
    images_per_label: f64,
    supervised: bool,
    guard: LossGuard,
}

impl<M: VectorMethod> VectorLearner<M> {
    /// A learner that has learned nothing; `nets` makes nets of so many classes.
    pub(crate) fn start(
        method: M,
        (coding, labels, guard): (&CodingKeys, &LabelKeys, &LossGuard),
        nets: impl FnOnce(usize) -> Result<NetSet>,
        from: &Beginning<'_>,
    ) -> Result<Box<dyn Learner>> {
        let supervised = labels.supervised;
        let labels = FewLabels::draw(labels, from)?;
        let coding = Coding::fit(coding, &from.class.data, from.device)?;
        let (nets, guard) = (nets(labels.classes().len())?, guard.clone());
        let images_per_label = from.class.data.len() as f64 / labels.len() as f64;
        Ok(Box::new(VectorLearner { method, nets, coding, labels, images_per_label, supervised, guard }))
    }

    fn noise(&self, rows: usize, classes: usize, key: Key, device: &Device) -> Result<Noise> {
        let (samples, [first, second]) = self.method.draws();
        let normal =
            |name: &str, rows, numbers| normal_rows(ChainKey::from(key.named(name)), (rows, numbers), device);
        Ok(Noise([
            normal("first", samples * rows, first)?,
            normal("second", samples * rows * classes, second)?,
        ]))
    }
}

impl<M: VectorMethod> Learner for VectorLearner<M> {
    fn step(&mut self, batch: &Batch, at: &mut At<'_>) -> Result<Report> {
        let (images, y) = self.labels.batch(at.t)?;
        let device = images.device();
        let key = at.key.named("labelled");
        let x = self.coding.rows(&images, Some(key.named("fractions")))?;
        let noise = self.noise(x.dim(0)?, 1, key, device)?;
        let others = match self.supervised {
            true => None,
            false => {
                let key = at.key.named("others");
                let rows = self.coding.rows(&Game::images(batch, at)?, Some(key.named("fractions")))?;
                let noise = self.noise(rows.dim(0)?, y.dim(1)?, key, device)?;
                Some((rows, noise))
            }
        };
        let others = others.as_ref().map(|(rows, noise)| (rows, noise));
        let (nets, mut report) = (self.nets.learning()?, Report::default());
        let (coding, images_per_label) = (&self.coding, self.images_per_label);
        let mut pass = Pass { set: &mut self.nets, nets: &nets, coding, images_per_label };
        let loss = self.method.loss(&mut pass, (&x, &y, &noise), others, &mut report)?;
        report.say("loss", scalar(&loss)?);
        let gradient = self.nets.gradient(&loss)?;
        self.method.step(&mut self.nets, gradient, at)?;
        Ok(report)
    }

    fn state(&self) -> Result<State> {
        self.nets.state()
    }

    fn restore(&mut self, state: &State) -> Result<()> {
        self.nets.restore(state)
    }

    fn artefact(&self, _next: &mut dyn FnMut() -> Result<Batch>) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.nets.artefact()?;
        self.coding.save("", &mut tensors);
        Ok(tensors)
    }

    fn categories(&self) -> Vec<String> {
        self.labels.classes().to_vec()
    }

    fn limits(&self) -> Vec<Limit> {
        self.guard.limits()
    }

    fn watched(&self) -> Vec<String> {
        self.method.watched().map(String::from).to_vec()
    }
}
