use candle_core::{Device, Tensor};
use mg_energy::{EnergyNet, Norm};
use mg_langevin::{Level, StepObserver, climb};
use mg_random::Key;

use super::{MultigridClass, MultigridModel, Place, Sampled, Sampler, with_levels};
use crate::{Error, Generate, Result, Synthesis};

impl Generate for MultigridModel {
    fn sides(&self) -> &[usize] {
        self.settings.sides()
    }

    fn chunk_len(&self, how: &Synthesis) -> Result<usize> {
        Ok(self.settings.batch * self.chosen(how)?.len())
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
        let (classes, len, batch) = (self.chosen(how)?, self.chunk_len(how)?, self.settings.batch);
        let size = len.min(n.saturating_sub(chunk * len));
        if size == 0 {
            return Err(Error::Class(format!("{n} images have no chunk {chunk} of {len}")));
        }
        let mut parts = Vec::new(); // [class][grid] of [n_class, c, s, s]
        for (place, &number) in classes.iter().enumerate() {
            let wanted = size / classes.len() + usize::from(place < size % classes.len());
            if wanted == 0 {
                continue;
            }
            let class = &self.classes[number];
            let drawn = if self.couples_images(how) { batch } else { wanted };
            let key = key.named("sample").named(&self.header.classes[number]).fold(chunk as u64);
            let start = self.starts(class, drawn, how, key, device)?;
            let grids = self.with_levels(class, how, |levels| {
                Ok(climb(levels, &start, key, observer)?.into_iter().map(|run| run.x).collect::<Vec<_>>())
            })?;
            let kept = grids.iter().map(|x| x.narrow(0, 0, wanted));
            parts.push(kept.collect::<candle_core::Result<Vec<_>>>()?);
        }
        interleave(&parts, size)
    }
}

impl MultigridModel {
    /// The 1x1 images that `n` chains begin from, [n, c, 1, 1].
    fn starts(
        &self,
        class: &MultigridClass,
        n: usize,
        how: &Synthesis,
        key: Key,
        device: &Device,
    ) -> Result<Tensor> {
        let Some(per_start) = how.per_start else { return Ok(class.starts.initial.sample(n, key, device)?) };
        let batch = self.settings.batch;
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

    /// The numbers of the classes that images are drawn of in turn; neighbours that share a start are of one class.
    fn chosen(&self, how: &Synthesis) -> Result<Vec<usize>> {
        match (&how.class, how.per_start) {
            (None, None) => Ok((0..self.classes.len()).collect()),
            (name, _) => Ok(vec![self.header.class(name.as_deref())?]),
        }
    }

    /// Builds the levels of a class, as images are synthesized with them, and hands them to `f`.
    pub(super) fn with_levels<T>(
        &self,
        class: &MultigridClass,
        how: &Synthesis,
        f: impl FnOnce(&[Level<'_>]) -> Result<T>,
    ) -> Result<T> {
        let settings = &self.settings;
        let quiet = how.noise.map_or(settings.chains.noise_free_synthesis, |noise| !noise);
        let sampler = |level| {
            let sampler = Sampler::new(settings, level);
            let sampler = if quiet { sampler.noise_free() } else { sampler };
            Sampler { n_steps: how.steps.unwrap_or(sampler.n_steps), ..sampler }
        };
        let energy = |grid: &crate::GridNet| Ok(EnergyNet::new(grid.net(how.frozen)?, settings.reference()));
        let energies = class.grids.iter().map(energy).collect::<Result<Vec<_>>>()?;
        let grids = energies.iter().zip(&class.starts.gaussians).enumerate();
        let grids = grids.map(|(level, (energy, gaussian))| Sampled {
            sampler: sampler(level),
            energy,
            gaussian: gaussian.as_ref(),
            place: Place::default(),
        });
        with_levels(&grids.collect::<Vec<_>>(), f)
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
