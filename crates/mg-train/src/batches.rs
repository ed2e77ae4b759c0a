use candle_core::{Device, Tensor};
use mg_data::{Loader, Request};
use mg_energy::Part;
use mg_langevin::ChainKey;
use mg_random::Key;

use crate::config::Config;
use crate::{Batch, Class, Error, Result};

/// The observed images of one iteration after another, of the classes in turn, read ahead while the learner computes. What
/// an iteration gets does not depend on those before: one that is not the next, as after a rollback, begins the reading
/// anew.
#[derive(Debug)]
pub struct Batches {
    classes: Vec<Class>,
    flip: bool,
    /// Deviation of the noise added to images.
    noise: f64,
    key: Key,
    device: Device,
    /// Which of how many learners these batches are for.
    share: (usize, usize),
    /// The iteration that the next batch of the loader is for.
    ahead: Option<(u64, Loader)>,
}

/// The share of a learner that has the whole batch.
const ALONE: (usize, usize) = (0, 1);
/// Batches held ready, besides one at work and one in use.
const READY: usize = 2;

impl Batches {
    /// The batches of a run; of every batch the part of learner number `rank` of `size`.
    ///
    /// # Errors
    /// When there are more learners than parts of a batch, or none of this rank.
    pub fn new(
        config: &Config,
        classes: Vec<Class>,
        device: &Device,
        (rank, size): (usize, usize),
    ) -> Result<Self> {
        for class in &classes {
            let batch = class.request(0, false).indices.len();
            let most = Part::most_shares(batch);
            if size > most.max(1) || rank >= size {
                return Err(Error::Learners { rank, size, batch, most });
            }
        }
        Ok(Batches {
            classes,
            flip: config.data.flip,
            noise: config.data.noise,
            key: Key::new(config.seed).named("data"),
            device: device.clone(),
            share: (rank, size),
            ahead: None,
        })
    }

    /// The classes, in their order.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The batch of an iteration, from 0, and the passes over its class that are done before it.
    ///
    /// # Errors
    /// When an image cannot be read, or no thread can be started.
    pub fn at(&mut self, iteration: u64) -> Result<(Batch, f64)> {
        let mut loader = match self.ahead.take() {
            Some((next, loader)) if next == iteration => loader,
            _ => self.loader(iteration)?,
        };
        let images = loader.next().unwrap_or(Err(mg_data::Error::Loader))?;
        self.ahead = iteration.checked_add(1).map(|next| (next, loader));
        let (number, turn) = turn(iteration, self.classes.len());
        Ok((self.batch(number, turn, self.share, images)?, self.classes[number].order.passes(turn)))
    }

    /// The whole batch that a class is learned from in the iteration at hand or in the next one that serves it, read now.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn of_class(&self, number: usize, iteration: u64) -> Result<Batch> {
        let (_, turn) = turn(iteration, self.classes.len());
        let request = self.classes[number].request(turn, self.flip);
        let images = request.set.batch(&request.indices, &request.flips, &self.device)?;
        self.batch(number, turn, ALONE, images)
    }

    fn loader(&self, first: u64) -> Result<Loader> {
        let (classes, flip, share) = (self.classes.clone(), self.flip, self.share);
        let request = move |iteration| {
            let (number, turn) = turn(iteration, classes.len());
            part_of(classes[number].request(turn, flip), share)
        };
        Ok(Loader::of((first..=u64::MAX).map(request), READY, &self.device)?)
    }

    /// A share of batch number `turn` of a class out of its images as they are in the set, [n, c, s, s].
    fn batch(&self, number: usize, turn: u64, share: (usize, usize), mut images: Tensor) -> Result<Batch> {
        let class = &self.classes[number];
        let key = self.key.named(&class.name).fold(turn);
        let request = class.request(turn, self.flip);
        let whole = request.indices.len();
        let first = Part::share(share.0, share.1, whole).start;
        let Request { set, indices: numbers, mut flips } = part_of(request, share);
        flips.resize(numbers.len(), false);
        let part = Part { first, of: whole };
        if self.noise > 0.0 {
            let noise = ChainKey { key: key.named("noise"), first: part.first }.normal_like(&images)?;
            images = (images + (noise * self.noise)?)?.clamp(-1.0, 1.0)?;
        }
        let labels = numbers.iter().map(|&number| set.label(number)).collect();
        Ok(Batch { images, numbers, flips, labels, class: number, part, key })
    }
}

/// The class that iteration number `iteration` learns, and the number of its turn.
fn turn(iteration: u64, classes: usize) -> (usize, u64) {
    let classes = classes as u64;
    ((iteration % classes) as usize, iteration / classes)
}

/// The part of a request that belongs to a share.
fn part_of(mut request: Request, (rank, size): (usize, usize)) -> Request {
    let rows = Part::share(rank, size, request.indices.len());
    if !request.flips.is_empty() {
        request.flips = request.flips[rows.clone()].to_vec();
    }
    request.indices = request.indices[rows].to_vec();
    request
}
