use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::histogram::{BINS, Histogram};
use super::{InitialDistribution, InitialForm, MAX_TRIPLES, Values};
use crate::{Error, Result};

/// Names of the two numbers stored with every form.
const CHANNELS: &str = "channels";
const N_IMAGES: &str = "n-images";

impl InitialDistribution {
    /// The distribution as named tensors, to be stored: the numbers `channels` and `n-images`, i64 of shape (1),
    /// and under the name of its form `triples` [k, c] f32, or `per-channel` [c, 256] or `pooled` (1, 256)
    /// counts, i64.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let integer = |value: i64| Tensor::new(&[value], &Device::Cpu);
        let values = match &self.values {
            Values::Triples(values) => {
                let shape = (values.len() / self.channels, self.channels);
                Tensor::from_slice(values, shape, &Device::Cpu)?
            }
            Values::PerChannel(histograms) => counts(histograms)?,
            Values::Pooled(histogram) => counts(std::slice::from_ref(histogram))?,
        };
        Ok(BTreeMap::from([
            (CHANNELS.to_owned(), integer(self.channels as i64)?),
            (N_IMAGES.to_owned(), integer(self.n_images as i64)?),
            (self.form().name().to_owned(), values),
        ]))
    }

    /// The distribution that [`tensors`](InitialDistribution::tensors) gave; it samples the same bits.
    ///
    /// # Errors
    /// When a tensor is missing, has another type or shape, or holds values that no distribution has.
    pub fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let channels = integer(tensors, CHANNELS)?;
        let n_images = integer(tensors, N_IMAGES)?;
        let mut forms =
            InitialForm::ALL.into_iter().filter_map(|form| Some((form, tensors.get(form.name())?)));
        let (Some((form, stored)), None) = (forms.next(), forms.next()) else {
            return Err(wrong(format!("expected exactly one form, found tensors {:?}", tensors.keys())));
        };
        let channels = usize::try_from(channels).map_err(|_| wrong(format!("{channels} channels")))?;
        let values = match form {
            InitialForm::Triples => Values::Triples(triples(stored, channels)?),
            InitialForm::PerChannel => Values::PerChannel(histograms(stored, channels)?),
            InitialForm::Pooled => {
                Values::Pooled(histograms(stored, 1)?.pop().ok_or_else(|| wrong("no histogram".into()))?)
            }
        };
        Ok(InitialDistribution { channels, n_images, values })
    }
}

fn wrong(reason: String) -> Error {
    Error::Stored { reason }
}

fn counts(histograms: &[Histogram]) -> Result<Tensor> {
    let counts: Vec<i64> = histograms.iter().flat_map(Histogram::counts).map(|&n| n as i64).collect();
    Ok(Tensor::from_vec(counts, (histograms.len(), BINS), &Device::Cpu)?)
}

/// A positive number stored as an i64 tensor [1].
fn integer(tensors: &BTreeMap<String, Tensor>, name: &str) -> Result<u64> {
    let stored = tensors.get(name).ok_or_else(|| wrong(format!("no tensor {name:?}")))?;
    expect(stored, name, DType::I64, &[1])?;
    match u64::try_from(stored.to_vec1::<i64>()?[0]) {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(wrong(format!("{name} is {:?}", stored.to_vec1::<i64>()?))),
    }
}

fn triples(stored: &Tensor, channels: usize) -> Result<Vec<f32>> {
    let k = stored.dims().first().copied().unwrap_or(0).clamp(1, MAX_TRIPLES);
    expect(stored, InitialForm::Triples.name(), DType::F32, &[k, channels])?;
    let values = stored.flatten_all()?.to_vec1::<f32>()?;
    match values.iter().find(|v| !(-1.0..=1.0).contains(*v)) {
        Some(value) => Err(wrong(format!("triples hold {value}, outside [-1, 1]"))),
        None => Ok(values),
    }
}

fn histograms(stored: &Tensor, rows: usize) -> Result<Vec<Histogram>> {
    expect(stored, "counts", DType::I64, &[rows, BINS])?;
    let row = |row: Vec<i64>| {
        let counts: Option<Vec<u64>> = row.into_iter().map(|n| u64::try_from(n).ok()).collect();
        let histogram = counts.and_then(Histogram::from_counts);
        histogram.ok_or_else(|| wrong("counts are negative or all zero".into()))
    };
    stored.to_vec2::<i64>()?.into_iter().map(row).collect()
}

fn expect(stored: &Tensor, name: &str, dtype: DType, shape: &[usize]) -> Result<()> {
    if stored.dtype() == dtype && stored.dims() == shape {
        return Ok(());
    }
    let (got_dtype, got) = (stored.dtype(), stored.dims());
    Err(wrong(format!("{name} is {got_dtype:?} {got:?}, expected {dtype:?} {shape:?}")))
}

#[cfg(test)]
mod tests {
    use mg_random::Key;

    use super::*;

    fn learned(form: InitialForm) -> InitialDistribution {
        let mut values = vec![0f32; 300];
        Key::new(2).fill_uniform(&mut values);
        let x = Tensor::from_vec(values, (100, 3, 1, 1), &Device::Cpu).unwrap();
        InitialDistribution::learn(form, &x, Key::new(0)).unwrap()
    }

    #[test]
    fn a_stored_distribution_is_the_same_distribution() {
        for form in InitialForm::ALL {
            let initial = learned(form);
            let restored = InitialDistribution::from_tensors(&initial.tensors().unwrap()).unwrap();
            assert_eq!(restored, initial);
        }
    }

    #[test]
    fn damaged_tensors_are_refused() {
        for form in InitialForm::ALL {
            let whole = learned(form).tensors().unwrap();
            for name in whole.keys() {
                let mut missing = whole.clone();
                missing.remove(name);
                assert!(InitialDistribution::from_tensors(&missing).is_err(), "{form} without {name}");
                let mut negative = whole.clone();
                negative.insert(name.clone(), whole[name].affine(-1.0, -7.0).unwrap());
                assert!(InitialDistribution::from_tensors(&negative).is_err(), "{form}, negative {name}");
                let mut flat = whole.clone();
                flat.insert(name.clone(), whole[name].unsqueeze(0).unwrap());
                assert!(InitialDistribution::from_tensors(&flat).is_err(), "{form}, reshaped {name}");
                let mut other = whole.clone();
                other.insert(name.clone(), whole[name].to_dtype(DType::U8).unwrap());
                assert!(InitialDistribution::from_tensors(&other).is_err(), "{form}, retyped {name}");
            }
        }
        assert!(InitialDistribution::from_tensors(&BTreeMap::new()).is_err());
    }

    #[test]
    fn two_forms_at_once_are_refused() {
        let mut both = learned(InitialForm::Triples).tensors().unwrap();
        both.extend(learned(InitialForm::Pooled).tensors().unwrap());
        let error = InitialDistribution::from_tensors(&both).unwrap_err().to_string();
        assert!(error.contains("triples") && error.contains("pooled"), "{error}");
    }
}
