//! Images as rows of numbers, for models of vectors.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use mg_data::DataSet;
use mg_model::{Error, below};
use mg_random::Key;
use serde::{Deserialize, Serialize};

use crate::vectors::{Normal, log_coins};
use linear::{BYTE, Linear};

mod linear;

/// `[model]`, as far as it says what rows are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CodingKeys {
    pub(crate) side: usize,
    pub(crate) pixels: Pixels,
    pub(crate) grey: bool,
    pub(crate) components: usize,
}

/// Its keys.
pub(crate) const CODING_KEYS: &str = include_str!("../keys/coding.toml");

/// What pixels are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pixels {
    /// Normal numbers, whose means and variances a net gives.
    Normal,
    /// Coins, whose logits a net gives; a grey is a share of heads.
    Coins,
}

/// Images of one side as rows, and back.
#[derive(Clone, Debug)]
pub(crate) struct Coding {
    keys: CodingKeys,
    /// Of normal numbers.
    linear: Option<Linear>,
}

/// Images that statistics are taken from.
const MOST: u64 = 10_000;

impl CodingKeys {
    fn pixel_count(&self) -> usize {
        self.side * self.side * if self.grey { 1 } else { 3 }
    }

    /// Numbers of a row.
    pub(crate) fn numbers(&self) -> usize {
        match (self.pixels, self.components) {
            (Pixels::Normal, 1..) => self.components,
            _ => self.pixel_count(),
        }
    }

    /// Outputs of a net that describes a row.
    pub(crate) fn outputs(&self) -> usize {
        match self.pixels {
            Pixels::Normal => 2 * self.numbers(),
            Pixels::Coins => self.numbers(),
        }
    }

    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> mg_model::Result<()> {
        let most = self.pixel_count();
        if self.components > most {
            return Err(Error::value(
                "model.components",
                self.components,
                format!("at most the {most} numbers of an image"),
            ));
        }
        if self.pixels == Pixels::Coins && self.components > 0 {
            return Err(Error::value(
                "model.components",
                self.components,
                "0 where model.pixels is \"coins\"",
            ));
        }
        Ok(())
    }

    /// Pixels of images [n, 3, s, s] in rows, [n, D].
    fn pixels(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let images = if self.grey { images.mean_keepdim(1)? } else { images.clone() };
        images.flatten_from(1)
    }
}

impl Coding {
    /// The coding that fits the images of a set.
    ///
    /// # Errors
    /// When an image cannot be read, or there are fewer of them than directions.
    pub(crate) fn fit(keys: &CodingKeys, set: &DataSet, device: &Device) -> mg_train::Result<Self> {
        let linear = match keys.pixels {
            Pixels::Coins => None,
            Pixels::Normal => {
                let numbers: Vec<u64> = (0..set.len().min(MOST)).collect();
                let pixels = keys.pixels(&set.batch(&numbers, &[], &Device::Cpu)?)?;
                Some(match keys.components {
                    0 => Linear::of_channels(keys.side * keys.side, &pixels, device)?,
                    count => Linear::of_components(count, &pixels, device)?,
                })
            }
        };
        Ok(Coding { keys: keys.clone(), linear })
    }

    /// Rows [n, d] of images [n, 3, s, s]. With a `key` normal pixels get the fraction of a byte that rounding took, anew each
    /// time (as Theis, van den Oord and Bethge, ICLR 2016, advise), else its mean.
    pub(crate) fn rows(&self, images: &Tensor, key: Option<Key>) -> candle_core::Result<Tensor> {
        let Some(linear) = &self.linear else {
            return self.keys.pixels(&images.affine(0.5, 0.5)?);
        };
        let mut fractions = vec![0.5f32; images.elem_count()];
        if let Some(key) = key {
            key.fill_uniform(&mut fractions);
        }
        let fractions = Tensor::from_vec(fractions, images.shape(), images.device())?;
        let pixels = self.keys.pixels(&(images + ((fractions - 0.5)? * BYTE)?)?)?;
        let centred = pixels.broadcast_sub(&linear.mean)?;
        let along = linear
            .directions
            .as_ref()
            .map_or_else(|| Ok(centred.clone()), |directions| centred.matmul(directions))?;
        along.broadcast_div(&linear.deviation)
    }

    /// Images [n, 3, s, s] of what a net says of rows, [n, outputs, 1, 1]: the means.
    pub(crate) fn images(&self, outputs: &Tensor) -> candle_core::Result<Tensor> {
        let pixels = match &self.linear {
            None => (outputs.flatten_from(1)?.neg()?.exp()? + 1.0)?.recip()?.affine(2.0, -1.0)?,
            Some(linear) => {
                let along = Normal::of(outputs)?.mean.broadcast_mul(&linear.deviation)?;
                let centred = match &linear.directions {
                    Some(directions) => along.matmul(&directions.t()?)?,
                    None => along,
                };
                centred.broadcast_add(&linear.mean)?
            }
        };
        let (n, side) = (pixels.dim(0)?, self.keys.side);
        let images = pixels.reshape((n, (), side, side))?.clamp(-1.0, 1.0)?;
        if self.keys.grey { images.repeat((1, 3, 1, 1)) } else { Ok(images) }
    }

    /// Log likelihoods of rows [n, d] by what a net says of them, [n, outputs, 1, 1]: [n].
    pub(crate) fn log_likelihood(&self, outputs: &Tensor, rows: &Tensor) -> candle_core::Result<Tensor> {
        match self.keys.pixels {
            Pixels::Normal => Normal::of(outputs)?.log_density(rows),
            Pixels::Coins => log_coins(outputs, rows),
        }
    }

    /// Puts its tensors under `prefix`.
    pub(crate) fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
        for linear in self.linear.iter() {
            let mut put =
                |name: &str, tensor: &Tensor| into.insert(format!("{prefix}coding.{name}"), tensor.clone());
            put("mean", &linear.mean);
            put("deviation", &linear.deviation);
            linear.directions.iter().for_each(|directions| drop(put("directions", directions)));
        }
    }

    /// What [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape.
    pub(crate) fn open(
        keys: &CodingKeys,
        tensors: &BTreeMap<String, Tensor>,
        device: &Device,
    ) -> mg_model::Result<Self> {
        if keys.pixels == Pixels::Coins {
            return Ok(Coding { keys: keys.clone(), linear: None });
        }
        let own = below(tensors, "coding");
        let get = |name: &str, dims: &[usize]| match own.get(name).filter(|tensor| tensor.dims() == dims) {
            Some(tensor) => Ok(tensor.to_device(device)?),
            None => Err(Error::Format(format!("it has no coding.{name} of the right shape"))),
        };
        let (pixels, numbers) = (keys.pixel_count(), keys.numbers());
        let directions = (keys.components > 0).then(|| get("directions", &[pixels, numbers])).transpose()?;
        let linear =
            Linear { mean: get("mean", &[pixels])?, deviation: get("deviation", &[numbers])?, directions };
        Ok(Coding { keys: keys.clone(), linear: Some(linear) })
    }
}

#[cfg(test)]
impl CodingKeys {
    /// Rows of 12 normal numbers.
    pub(crate) fn of_normal_rows() -> Self {
        CodingKeys { side: 2, pixels: Pixels::Normal, grey: false, components: 0 }
    }
}

#[cfg(test)]
impl Coding {
    /// A coding that only says how likely rows are.
    pub(crate) fn of_rows(keys: &CodingKeys) -> Self {
        Coding { keys: keys.clone(), linear: None }
    }
}

#[cfg(test)]
mod tests;
