use std::fmt::Debug;

use candle_core::{Device, Tensor};
use mg_energy::Precision;
use mg_langevin::StepObserver;
use mg_pyramid::Mask;
use mg_random::Key;

use crate::{Artefact, Energies, Error, FeatureNets, Header, Images, Result, ScoreNets};

/// A learned model of any kind. What it can do is asked for: each capability is there or is not.
pub trait Model: Debug + Send + Sync {
    /// What it is and where it came from.
    fn header(&self) -> &Header;

    /// Changes what is said of where it came from, such as names of folders.
    fn header_mut(&mut self) -> &mut Header;

    /// The file that holds it.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn artefact(&self) -> Result<Artefact>;

    /// Side of its images, pixels.
    fn side(&self) -> usize;

    /// From now on its nets multiply in this precision; models that know only one keep it.
    fn set_precision(&mut self, _precision: Precision) {}

    /// Nets that normalise over batches are evaluated with the statistics of all these images from now on: their average
    /// over batches of the size learned with (section 6.3's features). Other nets stay as they are. `done` hears how many
    /// images of how many are finished.
    ///
    /// # Errors
    /// When an image cannot be read or is of another side.
    fn observe(&mut self, _images: &dyn Images, _done: &mut dyn FnMut(usize, usize)) -> Result<()> {
        Ok(())
    }

    /// Draws images from scratch.
    fn generate(&self) -> Option<&dyn Generate> {
        None
    }

    /// Fills in hidden pixels.
    fn recover(&self) -> Option<&dyn Recover> {
        None
    }

    /// Turns images into features.
    fn features(&self) -> Option<&dyn Features> {
        None
    }

    /// Scores images.
    fn energies(&self) -> Option<&dyn Energies> {
        None
    }

    /// Says what images show.
    fn classify(&self) -> Option<&dyn Classify> {
        None
    }
}

impl dyn Model + '_ {
    /// [`generate`](Model::generate), or an error that says what this model can do.
    pub fn must_generate(&self) -> Result<&dyn Generate> {
        self.generate().ok_or_else(|| self.lacks("draw images"))
    }

    /// [`recover`](Model::recover), or an error that says what this model can do.
    pub fn must_recover(&self) -> Result<&dyn Recover> {
        self.recover().ok_or_else(|| self.lacks("fill in hidden pixels"))
    }

    /// [`features`](Model::features), or an error that says what this model can do.
    pub fn must_have_features(&self) -> Result<&dyn Features> {
        self.features().ok_or_else(|| self.lacks("give features"))
    }

    /// [`energies`](Model::energies), or an error that says what this model can do.
    pub fn must_have_energies(&self) -> Result<&dyn Energies> {
        self.energies().ok_or_else(|| self.lacks("give energies"))
    }

    /// [`classify`](Model::classify), or an error that says what this model can do.
    pub fn must_classify(&self) -> Result<&dyn Classify> {
        self.classify().ok_or_else(|| self.lacks("classify images"))
    }

    /// The [`ScoreNets`] of its energies, or an error that says what this model can do.
    pub fn must_have_score_nets(&self) -> Result<&dyn ScoreNets> {
        let nets = self.energies().and_then(Energies::score_nets);
        nets.ok_or_else(|| self.lacks("give nets f below a p0"))
    }

    fn lacks(&self, what: &'static str) -> Error {
        let can = [
            self.generate().map(|_| "draw images"),
            self.recover().map(|_| "fill in hidden pixels"),
            self.features().map(|_| "give features"),
            self.energies().map(|_| "give energies"),
            self.classify().map(|_| "classify images"),
        ];
        let can: Vec<&str> = can.into_iter().flatten().collect();
        let can = if can.is_empty() { "do nothing".to_string() } else { can.join(", ") };
        Error::Lacks { kind: self.header().kind.clone(), what, can }
    }
}

/// How images are synthesized.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Synthesis {
    /// Class; all in turn when `None`.
    pub class: Option<String>,
    /// Whether the noise stays on; as configured when `None`.
    pub noise: Option<bool>,
    /// Steps per grid; as configured when `None`.
    pub steps: Option<usize>,
    /// Images in a row that begin from the same 1x1 image, as in figure 5; each from its own when `None`. A conditional
    /// model then needs a class.
    pub per_start: Option<usize>,
    /// Normalise with statistics of observed images rather than of the batch, which frees the batch size.
    pub frozen: bool,
}

impl Synthesis {
    /// Refuses what only chains have, for a model of another kind.
    ///
    /// # Errors
    /// When steps, noise or starts of chains are asked for.
    pub fn refuse_chains(&self, kind: &str) -> Result<()> {
        if self.steps.is_none() && self.noise.is_none() && self.per_start.is_none() {
            return Ok(());
        }
        let what = "take steps, noise or starts of chains: it makes an image at once; leave them out";
        Err(Error::Format(format!("a {kind} model cannot {what}")))
    }
}

/// Draws images from scratch.
pub trait Generate {
    /// Sides of the grids that images are drawn on, coarse to fine; one for models without grids.
    fn sides(&self) -> &[usize];

    /// Images that are drawn together.
    ///
    /// # Errors
    /// When there is no such class.
    fn chunk_len(&self, how: &Synthesis) -> Result<usize>;

    /// Chunk number `chunk` of `n` images, [`chunk_len`](Generate::chunk_len) of them or what is left, on every grid: [n, c,
    /// s, s] each, coarse to fine. Image i depends on `key`, i and, where a net normalises over batches, on the batch it is
    /// drawn in. `observer` sees the chains, where there are any.
    ///
    /// # Errors
    /// When there is no such class or chunk, or the model has no use for something that `how` asks for.
    fn chunk(
        &self,
        chunk: usize,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut StepObserver<'_>,
    ) -> Result<Vec<Tensor>>;
}

/// Draws `n` images; returns those of every grid, [n, c, s, s], coarse to fine. `done` hears how many are finished.
///
/// # Errors
/// As [`Generate::chunk`], and when the model cannot draw images.
pub fn generate(
    model: &dyn Model,
    n: usize,
    how: &Synthesis,
    key: Key,
    device: &Device,
    observer: &mut StepObserver<'_>,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Tensor>> {
    let generator = model.must_generate()?;
    let len = generator.chunk_len(how)?;
    let mut chunks: Vec<Vec<Tensor>> = Vec::new(); // [chunk][grid]
    for chunk in 0..n.div_ceil(len) {
        chunks.push(generator.chunk(chunk, n, how, key, device, observer)?);
        done(n.min((chunk + 1) * len));
    }
    let grids = chunks.first().map_or(0, Vec::len);
    (0..grids).map(|g| Ok(Tensor::cat(&chunks.iter().map(|c| &c[g]).collect::<Vec<_>>(), 0)?)).collect()
}

/// Fills in hidden pixels.
pub trait Recover {
    /// The images, [n, c, s, s] of the model's side, with their hidden pixels filled in: one mask each. `done` hears how
    /// many are finished. A conditional model needs a class.
    ///
    /// # Errors
    /// When sizes disagree, or a conditional model is given no class.
    fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor>;
}

/// Turns images into features.
pub trait Features {
    /// The nets of some grids, by their sides, in this order; of the finest when none is named. A conditional model needs
    /// the name of a class.
    ///
    /// # Errors
    /// When there is no such grid or class, or a conditional model is given no class.
    fn nets(&self, grids: &[usize], class: Option<&str>) -> Result<FeatureNets>;
}

/// Says what images show.
pub trait Classify {
    /// Log probabilities of the header's [`categories`](crate::Header::categories), [n, K], for `images` [n, c, s, s] of the
    /// model's side.
    ///
    /// # Errors
    /// When the images are of another size.
    fn log_probabilities(&self, images: &Tensor) -> Result<Tensor>;
}
