use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use crate::{Collective, Error, Result};

/// Where the chain of each image ended last time (persistent CD, section 4.2), unmirrored.
#[derive(Clone, Debug, Default)]
pub struct PersistentChains {
    chains: BTreeMap<u64, Vec<f32>>,
    shape: Vec<usize>,
}

impl PersistentChains {
    /// The chains of these images, mirrored where `flips` says so; an image without one starts at its row of
    /// `observed`, [n, c, s, s].
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn get(&self, numbers: &[u64], flips: &[bool], observed: &Tensor) -> Result<Tensor> {
        let rows = numbers.iter().zip(flips).enumerate().map(|(i, (number, &flip))| {
            let Some(chain) = self.chains.get(number) else {
                return Ok(observed.get(i)?);
            };
            let row = Tensor::from_slice(chain, self.shape.as_slice(), &Device::Cpu)?;
            Ok(mirror(&row, flip)?.to_device(observed.device())?)
        });
        Ok(Tensor::stack(&rows.collect::<Result<Vec<_>>>()?, 0)?)
    }

    /// Keeps where the chains of these images, [n, c, s, s], ended, and those of all peers: the next pass deals the images
    /// out anew.
    ///
    /// # Errors
    /// When a tensor cannot be read, or a peer is gone.
    pub fn put(
        &mut self,
        numbers: &[u64],
        flips: &[bool],
        chains: &Tensor,
        peers: &dyn Collective,
    ) -> Result<()> {
        self.shape = chains.dims()[1..].to_vec();
        let chains = peers.gather(&chains.to_device(&Device::Cpu)?)?;
        let numbers: Vec<i64> = numbers.iter().map(|&number| number as i64).collect();
        let flips: Vec<u8> = flips.iter().map(|&flip| u8::from(flip)).collect();
        let numbers = peers.gather(&Tensor::new(numbers, &Device::Cpu)?)?.to_vec1::<i64>()?;
        let flips = peers.gather(&Tensor::new(flips, &Device::Cpu)?)?.to_vec1::<u8>()?;
        for (i, (number, flip)) in numbers.into_iter().zip(flips).enumerate() {
            let row = mirror(&chains.get(i)?, flip == 1)?.flatten_all()?.to_vec1::<f32>()?;
            self.chains.insert(number as u64, row);
        }
        Ok(())
    }

    /// Puts the chains under `prefix`, with the numbers of their images.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn save(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) -> Result<()> {
        if self.chains.is_empty() {
            return Ok(());
        }
        let n = self.chains.len();
        let numbers: Vec<i64> = self.chains.keys().map(|&number| number as i64).collect();
        let values: Vec<f32> = self.chains.values().flatten().copied().collect();
        let mut shape = vec![n];
        shape.extend(&self.shape);
        into.insert(format!("{prefix}.numbers"), Tensor::from_vec(numbers, n, &Device::Cpu)?);
        into.insert(format!("{prefix}.values"), Tensor::from_vec(values, shape, &Device::Cpu)?);
        Ok(())
    }

    /// The chains that [`save`](PersistentChains::save) put under `prefix`; none when there were none.
    ///
    /// # Errors
    /// When numbers and values do not fit each other.
    pub fn restore(prefix: &str, from: &BTreeMap<String, Tensor>) -> Result<Self> {
        let get = |name: &str| from.get(&format!("{prefix}.{name}"));
        let (Some(numbers), Some(values)) = (get("numbers"), get("values")) else {
            return Ok(PersistentChains::default());
        };
        let numbers = numbers.to_vec1::<i64>()?;
        if numbers.len() != values.dim(0)? {
            let (n, chains) = (numbers.len(), values.dim(0)?);
            return Err(Error::Class(format!(
                "{n} image numbers for {chains} persistent chains: a damaged state"
            )));
        }
        let rows = values.to_device(&Device::Cpu)?.flatten_from(1)?.to_vec2::<f32>()?;
        let chains = numbers.iter().map(|&number| number as u64).zip(rows).collect();
        Ok(PersistentChains { chains, shape: values.dims()[1..].to_vec() })
    }
}

/// [c, s, s], mirrored left to right if `flip`.
fn mirror(image: &Tensor, flip: bool) -> candle_core::Result<Tensor> {
    if flip { image.flip(&[2]) } else { Ok(image.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alone;

    fn images(values: std::ops::Range<u32>) -> Tensor {
        let n = values.len();
        let values: Vec<f32> = values.flat_map(|v| (0..12).map(move |i| (v * 100 + i) as f32)).collect();
        Tensor::from_vec(values, (n, 3, 2, 2), &Device::Cpu).unwrap()
    }

    fn same(a: &Tensor, b: &Tensor) -> bool {
        a.dims() == b.dims()
            && a.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                == b.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    }

    #[test]
    fn chains_come_back_mirrored_as_asked_and_new_images_start_at_the_data() {
        let mut chains = PersistentChains::default();
        chains.put(&[5, 1 << 30], &[false, true], &images(1..3), &Alone).unwrap();
        let observed = images(7..10);
        let got = chains.get(&[1 << 30, 9, 5], &[true, false, true], &observed).unwrap();
        assert!(same(&got.get(0).unwrap(), &images(2..3).get(0).unwrap()));
        assert!(same(&got.get(1).unwrap(), &observed.get(1).unwrap()));
        assert!(same(&got.get(2).unwrap(), &mirror(&images(1..2).get(0).unwrap(), true).unwrap()));
    }

    #[test]
    fn a_restored_state_is_the_saved_one() {
        let mut chains = PersistentChains::default();
        chains.put(&[3, (1 << 40) + 77], &[false, false], &images(0..2), &Alone).unwrap();
        let mut saved = BTreeMap::new();
        chains.save("c", &mut saved).unwrap();
        let restored = PersistentChains::restore("c", &saved).unwrap();
        assert_eq!((restored.chains, restored.shape), (chains.chains, chains.shape));
        assert!(PersistentChains::restore("other", &saved).unwrap().chains.is_empty());
    }
}
