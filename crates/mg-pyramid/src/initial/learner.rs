use candle_core::{DType, Device, Tensor};
use mg_random::Key;

use super::histogram::Histogram;
use super::{InitialDistribution, InitialForm, Values};
use crate::scale::image_dims;
use crate::{Error, Result};

/// Most triples an initial distribution keeps.
pub const MAX_TRIPLES: usize = 65_536;

/// Learns an [`InitialDistribution`] batch by batch, in constant memory.
///
/// Triples beyond [`MAX_TRIPLES`] are kept by reservoir sampling (Vitter's algorithm R), each image with equal
/// probability; the result depends on the key and the order of the images, not on how they were batched.
#[derive(Clone, Debug)]
pub struct InitialLearner {
    form: InitialForm,
    key: Key,
    channels: usize,
    n_images: u64,
    triples: Vec<f32>,
    /// One per channel, or one for all.
    histograms: Vec<Histogram>,
}

impl InitialLearner {
    /// A learner that has seen nothing.
    pub fn new(form: InitialForm, key: Key) -> Self {
        let key = key.named("reservoir");
        InitialLearner { form, key, channels: 0, n_images: 0, triples: vec![], histograms: vec![] }
    }

    /// Learns from a batch x [n, c, 1, 1] with values in [-1, 1]. A batch that is refused changes nothing.
    ///
    /// # Errors
    /// When x is not a batch of 1x1 images, has another number of channels than before, or holds a value
    /// outside [-1, 1] or one that is not a number.
    pub fn observe(&mut self, x: &Tensor) -> Result<()> {
        let (_, channels, side) = image_dims(x)?;
        if side != 1 {
            return Err(Error::NotOneByOne { shape: x.dims().to_vec() });
        }
        if self.n_images > 0 && channels != self.channels {
            return Err(Error::Channels { learned: self.channels, given: channels });
        }
        let values = x.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if let Some(at) = values.iter().position(|v| !(-LIMIT..=LIMIT).contains(v)) {
            return Err(Error::OutOfRange { image: at / channels, value: values[at] });
        }
        self.channels = channels;
        for image in values.chunks_exact(channels) {
            self.observe_image(image);
        }
        Ok(())
    }

    /// The distribution of everything observed.
    ///
    /// # Errors
    /// When nothing was observed.
    pub fn finish(self) -> Result<InitialDistribution> {
        let mut histograms = self.histograms;
        let values = match self.form {
            _ if self.n_images == 0 => return Err(Error::NothingLearned),
            InitialForm::Triples => Values::Triples(self.triples),
            InitialForm::PerChannel => Values::PerChannel(histograms),
            InitialForm::Pooled => Values::Pooled(histograms.pop().ok_or(Error::NothingLearned)?),
        };
        Ok(InitialDistribution { channels: self.channels, n_images: self.n_images, values })
    }

    fn observe_image(&mut self, image: &[f32]) {
        let image = image.iter().map(|v| v.clamp(-1.0, 1.0));
        match self.form {
            InitialForm::Triples => match self.place() {
                Some(i) if i * self.channels < self.triples.len() => {
                    self.triples[i * self.channels..].iter_mut().zip(image).for_each(|(kept, v)| *kept = v);
                }
                Some(_) => self.triples.extend(image),
                None => {}
            },
            InitialForm::PerChannel => {
                self.histograms.resize_with(self.channels, Histogram::empty);
                self.histograms.iter_mut().zip(image).for_each(|(histogram, v)| histogram.add(v));
            }
            InitialForm::Pooled => {
                self.histograms.resize_with(1, Histogram::empty);
                image.for_each(|v| self.histograms[0].add(v));
            }
        }
        self.n_images += 1;
    }

    /// Where the next triple goes: the end until the reservoir is full, then a random place or nowhere.
    fn place(&self) -> Option<usize> {
        let place = match self.n_images {
            n if n < MAX_TRIPLES as u64 => n,
            n => self.key.fold(n).stream().below(n + 1),
        };
        usize::try_from(place).ok().filter(|&place| place < MAX_TRIPLES)
    }
}

/// A block mean may leave [-1, 1] by rounding, in bf16 by this much.
const LIMIT: f32 = 1.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(values: Vec<f32>, channels: usize) -> Tensor {
        Tensor::from_vec(values.clone(), (values.len() / channels, channels, 1, 1), &Device::Cpu).unwrap()
    }

    #[test]
    fn batches_do_not_matter() {
        // More images than the reservoir keeps.
        let n = MAX_TRIPLES + 20_000;
        let mut values = vec![0f32; 2 * n];
        Key::new(4).fill_uniform(&mut values);
        for form in InitialForm::ALL {
            let whole = InitialDistribution::learn(form, &batch(values.clone(), 2), Key::new(0)).unwrap();
            let mut learner = InitialLearner::new(form, Key::new(0));
            for piece in values.chunks(2 * 7777) {
                learner.observe(&batch(piece.to_vec(), 2)).unwrap();
            }
            assert_eq!(learner.finish().unwrap(), whole, "{form}");
            assert_eq!((whole.n_images(), whole.channels(), whole.form()), (n as u64, 2, form));
        }
    }

    #[test]
    fn the_reservoir_is_bounded_and_keeps_early_and_late_images_alike() {
        let n = 3 * MAX_TRIPLES;
        let numbers: Vec<f32> = (0..n).map(|i| i as f32 / n as f32).collect();
        let learned =
            InitialDistribution::learn(InitialForm::Triples, &batch(numbers, 1), Key::new(1)).unwrap();
        let Values::Triples(kept) = &learned.values else { panic!("not triples") };
        assert_eq!(kept.len(), MAX_TRIPLES);
        for tenth in 0..10 {
            let count = kept.iter().filter(|v| (**v * 10.0) as usize == tenth).count() as f64;
            let expected = MAX_TRIPLES as f64 / 10.0;
            assert!((count - expected).abs() < 5.0 * expected.sqrt(), "tenth {tenth}: {count}");
        }
        let mut sorted = kept.clone();
        sorted.sort_by(f32::total_cmp);
        sorted.dedup();
        assert_eq!(sorted.len(), MAX_TRIPLES, "an image was kept twice");
    }

    #[test]
    fn a_refused_batch_changes_nothing() {
        let mut learner = InitialLearner::new(InitialForm::PerChannel, Key::new(0));
        learner.observe(&batch(vec![0.5, -0.5], 2)).unwrap();
        let before = learner.clone().finish().unwrap();
        let message = |learner: &mut InitialLearner, x| learner.observe(&x).unwrap_err().to_string();
        assert!(
            message(&mut learner, batch(vec![0.0, 0.0, 0.0, 200.0], 2))
                .contains("image 1 of the batch holds 200")
        );
        assert!(message(&mut learner, batch(vec![f32::NAN, 0.0], 2)).contains("NaN"));
        assert!(message(&mut learner, batch(vec![0.0; 3], 3)).contains("2 channels, these images have 3"));
        let large = Tensor::zeros((1, 2, 4, 4), DType::F32, &Device::Cpu).unwrap();
        assert!(message(&mut learner, large).contains("[1, 2, 4, 4]"));
        assert_eq!(learner.finish().unwrap(), before);
    }

    #[test]
    fn nothing_cannot_be_learned() {
        for form in InitialForm::ALL {
            assert!(InitialLearner::new(form, Key::new(0)).finish().is_err());
        }
    }
}
