//! p(0): the type and its sampling here, learning in [`learner`], bins in [`histogram`], storage in [`stored`].

mod histogram;
mod learner;
mod stored;

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, Tensor};
use mg_random::{Key, Stream};

use crate::{Error, Result};
use histogram::Histogram;
pub use learner::{InitialLearner, MAX_TRIPLES};

/// The distribution p(0) of 1x1 images, from which chains begin when nothing is observed.
///
/// Section 5: p(0) "can be simply modeled by a one-dimensional histogram of Y(0) pooled from the 1x1 versions
/// of the training images". For colour images that leaves open what is pooled: see [`InitialForm`].
///
/// ```
/// use candle_core::{Device, Tensor};
/// use mg_pyramid::{InitialDistribution, InitialForm, Key};
///
/// // Two training images, one red, one blue, in their 1x1 versions [n, c, 1, 1].
/// let x = Tensor::new(&[1f32, -1., -1., -1., -1., 1.], &Device::Cpu)?.reshape((2, 3, 1, 1))?;
/// let initial = InitialDistribution::learn(InitialForm::Triples, &x, Key::new(0))?;
/// let y = initial.sample(100, Key::new(1), &Device::Cpu)?;
/// assert_eq!(y.dims(), [100, 3, 1, 1]);
/// assert_eq!(y.sum_all()?.to_scalar::<f32>()?, -100.0); // every image is one of the two, never a mixture
/// # Ok::<(), mg_pyramid::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct InitialDistribution {
    channels: usize,
    n_images: u64,
    values: Values,
}

/// Which 1x1 images the initial distribution can draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum InitialForm {
    /// Resamples the 1x1 images seen (their RGB triples): keeps the dependence between channels. The default.
    #[default]
    Triples,
    /// One histogram per channel; channels are drawn independently.
    PerChannel,
    /// One histogram of all values of all channels, the paper's words; channels are drawn independently.
    Pooled,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    /// Invariant: a positive multiple of `channels` values in [-1, 1], image by image.
    Triples(Vec<f32>),
    /// Invariant: one histogram per channel, none empty.
    PerChannel(Vec<Histogram>),
    /// Invariant: not empty.
    Pooled(Histogram),
}

impl InitialDistribution {
    /// Learns from one batch x [n, c, 1, 1] with values in [-1, 1]; `key` chooses the triples to keep when
    /// there are more than [`MAX_TRIPLES`]. For sets larger than memory see [`InitialLearner`].
    ///
    /// # Errors
    /// When x is not a batch of 1x1 images or a value lies outside [-1, 1].
    pub fn learn(form: InitialForm, x: &Tensor, key: Key) -> Result<Self> {
        let mut learner = InitialLearner::new(form, key);
        learner.observe(x)?;
        learner.finish()
    }

    /// The form learned.
    pub fn form(&self) -> InitialForm {
        match self.values {
            Values::Triples(_) => InitialForm::Triples,
            Values::PerChannel(_) => InitialForm::PerChannel,
            Values::Pooled(_) => InitialForm::Pooled,
        }
    }

    /// Channels per image.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of images it was learned from.
    pub fn n_images(&self) -> u64 {
        self.n_images
    }

    /// Draws n images [n, c, 1, 1], f32; image i depends on the key and i only.
    ///
    /// # Errors
    /// When the tensor cannot be made on the device.
    pub fn sample(&self, n: usize, key: Key, device: &Device) -> Result<Tensor> {
        let key = key.named("initial");
        let mut drawn = Vec::with_capacity(n * self.channels);
        for i in 0..n {
            self.draw(&mut key.fold(i as u64).stream(), &mut drawn);
        }
        Ok(Tensor::from_vec(drawn, (n, self.channels, 1, 1), device)?)
    }

    fn draw(&self, stream: &mut Stream, out: &mut Vec<f32>) {
        match &self.values {
            Values::Triples(values) => {
                let i = stream.below((values.len() / self.channels) as u64) as usize;
                out.extend_from_slice(&values[i * self.channels..(i + 1) * self.channels]);
            }
            Values::PerChannel(histograms) => out.extend(histograms.iter().map(|h| h.sample(stream))),
            Values::Pooled(histogram) => out.extend((0..self.channels).map(|_| histogram.sample(stream))),
        }
    }
}

impl InitialForm {
    /// All forms.
    pub const ALL: [InitialForm; 3] = [InitialForm::Triples, InitialForm::PerChannel, InitialForm::Pooled];

    /// Its name in files: triples, per-channel or pooled.
    pub fn name(self) -> &'static str {
        match self {
            InitialForm::Triples => "triples",
            InitialForm::PerChannel => "per-channel",
            InitialForm::Pooled => "pooled",
        }
    }
}

impl fmt::Display for InitialForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for InitialForm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = InitialForm::ALL.into_iter().find(|form| form.name() == name);
        found.ok_or_else(|| Error::UnknownForm { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Correlated 1x1 colours: r uniform, g = r / 2, b skewed; [n, 3, 1, 1].
    fn colours(n: usize) -> Tensor {
        let mut u = vec![0f32; 2 * n];
        Key::new(8).fill_uniform(&mut u);
        let colour = |p: &[f32]| [2.0 * p[0] - 1.0, p[0] - 0.5, p[1] * p[1] * 2.0 - 1.0];
        let values: Vec<f32> = u.chunks_exact(2).flat_map(colour).collect();
        Tensor::from_vec(values, (n, 3, 1, 1), &Device::Cpu).unwrap()
    }

    fn rows(x: &Tensor) -> Vec<Vec<f32>> {
        x.flatten_from(1).unwrap().to_vec2().unwrap()
    }

    /// E[prod of the channels listed], raw moments.
    fn moment(rows: &[Vec<f32>], channels: &[usize]) -> f64 {
        let product = |row: &Vec<f32>| channels.iter().map(|&c| f64::from(row[c])).product::<f64>();
        rows.iter().map(product).sum::<f64>() / rows.len() as f64
    }

    const N: usize = 40_000;

    #[test]
    fn sampled_channels_have_the_moments_of_the_images() {
        let x = colours(N);
        let data = rows(&x);
        for form in [InitialForm::Triples, InitialForm::PerChannel] {
            let initial = InitialDistribution::learn(form, &x, Key::new(0)).unwrap();
            let drawn = rows(&initial.sample(N, Key::new(1), &Device::Cpu).unwrap());
            for c in 0..3 {
                for channels in [&[c][..], &[c, c], &[c, c, c]] {
                    let gap = moment(&drawn, channels) - moment(&data, channels);
                    // Values of [-1, 1]: five standard errors of a mean, and a bin's width.
                    assert!(gap.abs() < 5.0 / (N as f64).sqrt() + 1e-3, "{form} {channels:?}: {gap}");
                }
            }
        }
    }

    #[test]
    fn pooled_draws_every_channel_from_the_mixture_of_all() {
        let x = colours(N);
        let initial = InitialDistribution::learn(InitialForm::Pooled, &x, Key::new(0)).unwrap();
        let (data, drawn) = (rows(&x), rows(&initial.sample(N, Key::new(1), &Device::Cpu).unwrap()));
        for power in 1..=3 {
            let pooled = (0..3).map(|c| moment(&data, &vec![c; power])).sum::<f64>() / 3.0;
            for c in 0..3 {
                let gap = moment(&drawn, &vec![c; power]) - pooled;
                assert!(gap.abs() < 0.03, "channel {c}, power {power}: {gap}");
            }
        }
    }

    #[test]
    fn triples_keep_the_dependence_of_channels_and_histograms_drop_it() {
        let x = colours(N);
        let correlation = |form| {
            let initial = InitialDistribution::learn(form, &x, Key::new(0)).unwrap();
            let drawn = rows(&initial.sample(N, Key::new(1), &Device::Cpu).unwrap());
            let covariance = |a, b| moment(&drawn, &[a, b]) - moment(&drawn, &[a]) * moment(&drawn, &[b]);
            covariance(0, 1) / (covariance(0, 0) * covariance(1, 1)).sqrt()
        };
        assert!((correlation(InitialForm::Triples) - 1.0).abs() < 1e-4);
        assert!(correlation(InitialForm::PerChannel).abs() < 0.03);
        assert!(correlation(InitialForm::Pooled).abs() < 0.03);
    }

    #[test]
    fn an_image_depends_on_the_key_and_its_number_only() {
        for form in InitialForm::ALL {
            let initial = InitialDistribution::learn(form, &colours(500), Key::new(0)).unwrap();
            let sample = |n, seed| rows(&initial.sample(n, Key::new(seed), &Device::Cpu).unwrap());
            assert_eq!(sample(10, 3), sample(20, 3)[..10]);
            assert_ne!(sample(10, 3), sample(10, 4));
        }
    }

    #[test]
    fn forms_are_read_by_the_names_they_print() {
        for form in InitialForm::ALL {
            assert_eq!(form.to_string().parse::<InitialForm>().unwrap(), form);
        }
        let error = "tripels".parse::<InitialForm>().unwrap_err().to_string();
        assert!(error.contains("tripels") && error.contains("per-channel"), "{error}");
    }
}
