use candle_core::{Device, Tensor};
use mg_energy::{EnergyNet, Norm};
use mg_langevin::{Level, Observer, recover, sweep};
use mg_pyramid::Mask;
use mg_random::Key;

use crate::model::{Model, ModelClass, ModelGrid};
use crate::sampler::Sampler;
use crate::{Error, Result};

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

impl Model {
    /// Draws `n` images from p(0) and the energies alone; returns those of every grid, [n, c, s, s], coarse to fine.
    /// Image i depends on `key`, i and, where a net normalises over batches, on the batch it is drawn in. Batches are
    /// of the size learned with. `done` hears how many images are finished.
    ///
    /// # Errors
    /// When there is no such class, or the images of a 1x1 image do not fill batches.
    pub fn sample(
        &self,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut Observer<'_>,
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<Tensor>> {
        let len = self.chunk_len(how)?;
        let mut chunks: Vec<Vec<Tensor>> = Vec::new(); // [chunk][grid]
        for chunk in 0..n.div_ceil(len) {
            chunks.push(self.sample_chunk(chunk, n, how, key, device, observer)?);
            done(n.min((chunk + 1) * len));
        }
        let grids = chunks.first().map_or(0, Vec::len);
        (0..grids).map(|g| Ok(Tensor::cat(&chunks.iter().map(|c| &c[g]).collect::<Vec<_>>(), 0)?)).collect()
    }

    /// Images that are drawn together: a batch of every class.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        Ok(self.config().learn.batch * self.chosen(how)?.len())
    }

    /// Chunk number `chunk` of the `n` images of [`sample`](Self::sample), for more images than fit into memory:
    /// [`chunk_len`](Self::chunk_len) of them, or what is left.
    ///
    /// # Errors
    /// When there is no such class, or no such chunk.
    pub fn sample_chunk(
        &self,
        chunk: usize,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
        observer: &mut Observer<'_>,
    ) -> Result<Vec<Tensor>> {
        let (classes, len, batch) = (self.chosen(how)?, self.chunk_len(how)?, self.config().learn.batch);
        let size = len.min(n.saturating_sub(chunk * len));
        if size == 0 {
            return Err(Error::Class(format!("{n} images have no chunk {chunk} of {len}")));
        }
        let mut parts = Vec::new(); // [class][grid] of [n_class, c, s, s]
        for (c, class) in classes.iter().enumerate() {
            let wanted = size / classes.len() + usize::from(c < size % classes.len());
            if wanted == 0 {
                continue;
            }
            let drawn = if self.couples_images(how) { batch } else { wanted };
            let key = key.named("sample").named(&class.name).fold(chunk as u64);
            let start = self.starts(class, drawn, how, key, device)?;
            let grids = self.with_levels(class, how, |levels| {
                Ok(sweep(levels, &start, key, observer)?.into_iter().map(|run| run.x).collect::<Vec<_>>())
            })?;
            let kept = grids.iter().map(|x| x.narrow(0, 0, wanted));
            parts.push(kept.collect::<candle_core::Result<Vec<_>>>()?);
        }
        interleave(&parts, size)
    }

    /// The 1x1 images that `n` chains begin from, [n, c, 1, 1].
    fn starts(
        &self,
        class: &ModelClass,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
    ) -> Result<Tensor> {
        let Some(per_start) = how.per_start else { return Ok(class.starts.initial.sample(n, key, device)?) };
        let batch = self.config().learn.batch;
        if per_start == 0 || !batch.is_multiple_of(per_start) {
            return Err(Error::PerStart { per_start, batch });
        }
        let starts = class.starts.initial.sample(n.div_ceil(per_start), key, device)?;
        let numbers: Vec<u32> = (0..n).map(|i| (i / per_start) as u32).collect();
        Ok(starts.index_select(&Tensor::new(numbers, device)?, 0)?)
    }

    /// Whether images drawn together depend on each other, so that a batch must be as large as in learning.
    fn couples_images(&self, how: &Synthesis) -> bool {
        let mut grids = self.classes.iter().flat_map(|class| &class.grids);
        !how.frozen && grids.any(|grid| grid.spec.norm == Norm::Batch)
    }

    /// Fills in the hidden pixels of `images`, [n, c, s, s] on the finest grid, one mask each; returns the recovered
    /// images. A conditional model needs a class.
    ///
    /// # Errors
    /// When sizes disagree, or a conditional model is given no class.
    pub fn recover(
        &self,
        images: &Tensor,
        masks: &[Mask],
        how: &Synthesis,
        key: Key,
        done: &mut dyn FnMut(usize),
    ) -> Result<Tensor> {
        let class = self.class(how.class.as_deref())?;
        let n = images.dim(0)?;
        let batch = self.config().learn.batch;
        let mut recovered = Vec::new();
        for (number, first) in (0..n).step_by(batch).enumerate() {
            let len = batch.min(n - first);
            let (images, masks) = (images.narrow(0, first, len)?, &masks[first..first + len]);
            let key = key.named("recover").fold(number as u64);
            let mut runs = self.with_levels(class, how, |levels| {
                Ok(recover(levels, &images, masks, key, &mut mg_langevin::unobserved)?)
            })?;
            recovered.extend(runs.pop().map(|run| run.x));
            done(first + len);
        }
        Ok(Tensor::cat(&recovered, 0)?)
    }

    /// The classes that images are drawn of in turn; neighbours that share a start are of one class.
    fn chosen(&self, how: &Synthesis) -> Result<Vec<&ModelClass>> {
        match (&how.class, how.per_start) {
            (None, None) => Ok(self.classes.iter().collect()),
            (name, _) => Ok(vec![self.class(name.as_deref())?]),
        }
    }

    /// Builds the levels of a class and hands them to `f`.
    fn with_levels<T>(
        &self,
        class: &ModelClass,
        how: &Synthesis,
        f: impl FnOnce(&[Level<'_>]) -> Result<T>,
    ) -> Result<T> {
        let config = self.config();
        let quiet = how.noise.map_or(config.chains.noise_free_synthesis, |noise| !noise);
        let sampler = |level| {
            let sampler = Sampler::new(config, level);
            let sampler = if quiet { sampler.noise_free() } else { sampler };
            Sampler { n_steps: how.steps.unwrap_or(sampler.n_steps), ..sampler }
        };
        let samplers: Vec<Sampler> = (0..class.grids.len()).map(sampler).collect();
        let energies = class.grids.iter().map(|grid| self.energy(grid, how)).collect::<Result<Vec<_>>>()?;
        let bounded: Vec<_> = energies.iter().map(Sampler::bounded).collect();
        let kernels: Vec<_> = samplers.iter().map(Sampler::kernels).collect();
        let kernels: Vec<_> = kernels.iter().map(|kernels| Sampler::borrowed(kernels)).collect();
        let level = |(i, sampler): (usize, &Sampler)| {
            let gaussian = class.starts.gaussians[i].as_ref();
            sampler.level(config.sides()[i], &energies[i], &bounded[i], &kernels[i], gaussian)
        };
        f(&samplers.iter().enumerate().map(level).collect::<Vec<_>>())
    }

    /// The energy of one grid, ready to evaluate.
    fn energy(&self, grid: &ModelGrid, how: &Synthesis) -> Result<EnergyNet> {
        Ok(EnergyNet::new(grid.net(how.frozen)?, self.config().reference()))
    }
}

/// Image i of the result is image i / K of class i mod K.
fn interleave(parts: &[Vec<Tensor>], n: usize) -> Result<Vec<Tensor>> {
    let grids = parts.first().map_or(0, Vec::len);
    let one = |grid: usize| -> Result<Tensor> {
        let rows = (0..n).map(|i| parts[i % parts.len()][grid].narrow(0, i / parts.len(), 1));
        Ok(Tensor::cat(&rows.collect::<candle_core::Result<Vec<_>>>()?, 0)?)
    };
    match parts {
        [only] => Ok(only.clone()),
        _ => (0..grids).map(one).collect(),
    }
}
