use candle_core::{DType, Device, Tensor};
use mg_energy::Params;
use mg_model::Model;
use mg_model::multigrid::Settings;
use mg_pyramid::{Grids, Pyramid};
use mg_random::Key;

use crate::head::{Dropout, Head};
use crate::loss::{classify, cross_entropy};
use crate::maps::{CHUNK, Extractor};
use crate::trunk::Trunk;
use crate::{Error, Result};
use mg_data::Labelled;

/// The classifier of table 3: the convolutions of every grid's net, up to their top maps; on each map a 3x3 convolution
/// with 64 channels; and one fully connected layer from all their values to the scores of K classes.
///
/// Images enter every grid as in learning: as means of blocks of the finest.
#[derive(Clone, Debug)]
pub struct Probe {
    grids: Grids,
    /// Coarse to fine.
    trunks: Vec<Trunk>,
    head: Head,
    device: Device,
}

/// The loss of a batch and its gradients by name.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// Mean cross entropy.
    pub(crate) loss: f64,
    pub(crate) head: Params,
    /// None when the trunk does not learn.
    pub(crate) trunk: Option<Params>,
}

impl Probe {
    /// A new head for `classes` classes on the nets that `model` has learned.
    ///
    /// # Errors
    /// A model without nets f, or a conditional one, which has several nets a grid; fewer than two classes.
    pub fn on_model(model: &dyn Model, classes: usize, key: Key) -> Result<Self> {
        let score_nets = model.must_have_score_nets()?;
        let names = &model.header().classes;
        if names.len() != 1 {
            let names = names.join(", ");
            return Err(Error::Unsupported(format!(
                "this model is conditional ({names}) and has a net of every grid for each class; a probe needs one learned with data.class = \"all\""
            )));
        }
        let nets = score_nets.nets(None)?;
        let trunks = nets.iter().map(Trunk::of_model).collect::<Result<Vec<_>>>()?;
        let tensor = nets.first().and_then(|grid| grid.params.iter().next());
        let (dtype, device) =
            tensor.map_or((DType::F32, Device::Cpu), |(_, t)| (t.dtype(), t.device().clone()));
        let sides: Vec<usize> = [1].iter().chain(score_nets.sides()).copied().collect();
        Self::new(Grids::new(&sides)?, trunks, classes, key, (dtype, device))
    }

    /// The same classifier with random weights everywhere, for learning from labels alone: "trained from scratch with
    /// the same structure".
    ///
    /// # Errors
    /// A norm that takes statistics from a generative run; fewer than two classes.
    pub fn from_scratch(settings: &Settings, classes: usize, key: Key, device: &Device) -> Result<Self> {
        let trunk = |level| {
            let spec = settings.net_spec_on(level, device)?;
            Trunk::init(&spec, key, DType::F32, device)
        };
        let trunks = (0..settings.sides().len()).map(trunk).collect::<Result<Vec<_>>>()?;
        Self::new(settings.grids()?, trunks, classes, key, (DType::F32, device.clone()))
    }

    pub(crate) fn new(
        grids: Grids,
        trunks: Vec<Trunk>,
        classes: usize,
        key: Key,
        (dtype, device): (DType, Device),
    ) -> Result<Self> {
        if classes < 2 {
            let (name, must) = ("the number of classes", "at least 2".to_string());
            return Err(Error::Setting { name, value: classes.to_string(), must });
        }
        let head = Head::init(&trunks, classes, key.named("head"), (dtype, &device))?;
        Ok(Probe { grids, trunks, head, device })
    }

    /// Length of the vector that the fully connected layer sees: 64 times the areas of the top maps. With the paper's nets
    /// and `model.padding = "same"` 20,736; the paper's 34,624 has two pixels of padding everywhere and three layers on
    /// each grid.
    pub fn features(&self) -> usize {
        self.head.features()
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.head.classes()
    }

    /// Numbers of parameters of the trunk and of the head.
    pub fn parameters(&self) -> (usize, usize) {
        let trunk = self.trunks.iter().flat_map(Trunk::learnable).map(|(_, tensor)| tensor.elem_count());
        (trunk.sum(), self.head.params().count())
    }

    /// Scores of the classes, [n, K], of `images` [n, 3, s, s] on the finest grid, in [-1, 1].
    ///
    /// # Errors
    /// Images of another size.
    pub fn scores(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.head.forward(&self.extractor()?.maps(images)?, None)?.0)
    }

    /// Images of a set that are classified wrongly, percent; `done` is called with the number of images seen.
    ///
    /// # Errors
    /// Images of another size, other classes, or scores that are not finite.
    pub fn error_rate(&self, set: &Labelled, done: &mut dyn FnMut(usize)) -> Result<f64> {
        self.check(set)?;
        let (extractor, mut wrong, mut seen) = (self.extractor()?, 0, 0);
        for images in set.data().batches(CHUNK, &self.device) {
            wrong += self.wrong(&extractor.maps(&images?)?, &set.labels()[seen..])?;
            seen = (seen + CHUNK).min(set.len());
            done(seen);
        }
        Ok(100.0 * wrong as f64 / set.len() as f64)
    }

    /// How many of the images with these top maps are classified wrongly; further labels are ignored.
    pub(crate) fn wrong(&self, tops: &[Tensor], labels: &[u32]) -> Result<usize> {
        let classes = classify(&self.head.forward(tops, None)?.0)?;
        Ok(classes.iter().zip(labels).filter(|(class, label)| class != label).count())
    }

    /// Refuses images that are no input of this net.
    pub(crate) fn check(&self, set: &Labelled) -> Result<()> {
        let (side, finest, name) = (set.data().side(), self.grids.finest(), set.data().name());
        if side != finest {
            return Err(Error::Side { set: name.to_string(), side, finest });
        }
        if set.classes().len() != self.classes() {
            let (name, value) = ("the number of classes", set.classes().len().to_string());
            return Err(Error::Setting { name, value, must: format!("the probe's, {}", self.classes()) });
        }
        Ok(())
    }

    /// Where it computes.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn extractor(&self) -> Result<Extractor> {
        let nets = self.trunks.iter().map(Trunk::net).collect::<Result<_>>()?;
        Ok(Extractor { grids: self.grids.clone(), nets })
    }

    /// Gradients of the head alone, on top maps that stay as they are.
    pub(crate) fn head_gradients(
        &self,
        tops: &[Tensor],
        labels: &[u32],
        dropout: Option<Dropout>,
    ) -> Result<Gradients> {
        let (scores, trace) = self.head.forward(tops, dropout)?;
        let (loss, gradient) = cross_entropy(&scores, labels)?;
        Ok(Gradients { loss, head: self.head.backward(&trace, &gradient, false)?.0, trunk: None })
    }

    /// Gradients of everything; nets with batch statistics are normalised by this batch.
    pub(crate) fn gradients(
        &self,
        images: &Tensor,
        labels: &[u32],
        dropout: Option<Dropout>,
    ) -> Result<Gradients> {
        let pyramid = Pyramid::of(images, &self.grids)?;
        let ascents = self.trunks.iter().zip(pyramid.levels().iter().skip(1));
        let ascents = ascents.map(|(trunk, x)| trunk.forward(x)).collect::<Result<Vec<_>>>()?;
        let (tops, traces): (Vec<_>, Vec<_>) = ascents.into_iter().unzip();
        let (scores, trace) = self.head.forward(&tops, dropout)?;
        let (loss, gradient) = cross_entropy(&scores, labels)?;
        let (head, tops) = self.head.backward(&trace, &gradient, true)?;
        let mut trunk = Vec::new();
        for ((net, traces), top) in self.trunks.iter().zip(&traces).zip(tops) {
            trunk.extend(net.backward(traces, top)?);
        }
        Ok(Gradients { loss, head, trunk: Some(Params::from_entries(trunk)) })
    }

    /// What a trunk that learns consists of, by name.
    pub(crate) fn trunk_params(&self) -> Params {
        Params::from_entries(self.trunks.iter().flat_map(Trunk::learnable).collect())
    }

    /// What the head consists of, by name.
    pub(crate) fn head_params(&self) -> &Params {
        self.head.params()
    }

    /// Takes over parameters of these names.
    pub(crate) fn take(&mut self, head: Params, trunk: Option<&Params>) -> Result<()> {
        self.head.take(head);
        trunk.map_or(Ok(()), |learned| self.trunks.iter_mut().try_for_each(|net| net.take(learned)))
    }

    /// The same nets with batch normalisation where they had none, from `images` [n, 3, s, s] on the finest grid.
    pub(crate) fn with_batch_norm(mut self, images: &Tensor) -> Result<Self> {
        let pyramid = Pyramid::of(images, &self.grids)?;
        for (trunk, x) in self.trunks.iter_mut().zip(pyramid.levels().iter().skip(1)) {
            *trunk = trunk.with_batch_norm(x)?;
        }
        Ok(self)
    }

    /// Fixes what brings top maps to mean 0 and variance 1 by those of some images, one [n, c, s, s] per grid.
    pub(crate) fn standardise_by(&mut self, tops: &[Tensor]) -> Result<()> {
        self.head.standardise_by(tops)
    }

    /// Averages what nets with batch statistics are evaluated with over batches of `batch` images, up to `most` images.
    pub(crate) fn average_statistics(&mut self, set: &Labelled, batch: usize, most: usize) -> Result<()> {
        if !self.trunks.iter().any(Trunk::has_batch_statistics) {
            return Ok(());
        }
        let (len, batch) = (set.len().min(most.max(batch)), batch.min(set.len()));
        let mut pyramids = Vec::new();
        for first in (0..len / batch).map(|number| (number * batch) as u64) {
            let numbers: Vec<u64> = (first..first + batch as u64).collect();
            let images = set.data().batch(&numbers, &[], &self.device)?;
            pyramids.push(Pyramid::of(&images, &self.grids)?);
        }
        for (level, trunk) in self.trunks.iter_mut().enumerate() {
            let inputs: Vec<Tensor> = pyramids.iter().filter_map(|p| p.level(level + 1).cloned()).collect();
            trunk.average_statistics(&inputs)?;
        }
        Ok(())
    }
}
