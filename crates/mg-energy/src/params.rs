use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use mg_kernels::{LayerWeights, ScoreWeights};
use mg_random::Key;

use crate::{Error, NetSpec, Result};

/// Mean and biased variance of every layer's maps before normalisation, bottom-up: `[c]` each.
pub type Statistics = Vec<(Tensor, Tensor)>;

/// The parameters of one net, in order, by name: `conv1.weight` [c_out, c_in, k, k], `conv1.bias` `[c_out]`,
/// `norm1.weight` and `norm1.bias` `[c_out]` where the net normalises, ..., `head.weight` [1, c h w], `head.bias`
/// `[1]`. Gradients and optimiser moments have the same form.
#[derive(Clone, Debug)]
pub struct Params {
    entries: Vec<(String, Tensor)>,
}

impl Params {
    /// Xavier-uniform weights, zero biases, unit scales (the authors' releases). Every tensor depends on `key`
    /// and its own name only.
    ///
    /// # Errors
    /// When the spec describes no net.
    pub fn init(spec: &NetSpec, key: Key, dtype: DType, device: &Device) -> Result<Self> {
        let tensor = |(name, shape): (String, Vec<usize>)| -> Result<(String, Tensor)> {
            let mut values = vec![0f32; shape.iter().product()];
            if name.ends_with(".weight") && name.starts_with("norm") {
                values.fill(1.0);
            } else if name.ends_with(".weight") {
                xavier_uniform(&shape, key.named(&name), &mut values);
            }
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)?.to_device(device)?;
            Ok((name, tensor))
        };
        Ok(Params { entries: Self::shapes(spec)?.into_iter().map(tensor).collect::<Result<_>>()? })
    }

    /// The parameters of `spec` out of named tensors, each checked.
    ///
    /// # Errors
    /// When one is missing or has another shape: the weights of another architecture.
    pub fn from_tensors(spec: &NetSpec, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let find = |(name, expected): (String, Vec<usize>)| match tensors.get(&name) {
            Some(tensor) if tensor.dims() == expected => Ok((name, tensor.clone())),
            found => {
                let found = found.map_or("nothing".to_string(), |t| format!("{:?}", t.dims()));
                Err(Error::Parameter { name, expected, found })
            }
        };
        Ok(Params { entries: Self::shapes(spec)?.into_iter().map(find).collect::<Result<_>>()? })
    }

    /// Tensors of any names, in this order, each name once: what more than one net, or something else, learns.
    pub fn from_entries(entries: Vec<(String, Tensor)>) -> Self {
        Params { entries }
    }

    /// Names and shapes of the parameters of a net, in order.
    pub fn shapes(spec: &NetSpec) -> Result<Vec<(String, Vec<usize>)>> {
        let shape = spec.shape()?;
        let mut shapes = Vec::new();
        for (i, layer) in (1..).zip(&shape.layers) {
            let c = &layer.conv;
            shapes.push((format!("conv{i}.weight"), vec![c.c_out, c.c_in, c.kernel, c.kernel]));
            shapes.push((format!("conv{i}.bias"), vec![c.c_out]));
            if spec.norm.is_affine() {
                shapes.push((format!("norm{i}.weight"), vec![c.c_out]));
                shapes.push((format!("norm{i}.bias"), vec![c.c_out]));
            }
        }
        let side = spec.map_sides()?.last().copied().unwrap_or(0);
        let channels = spec.layers.last().map_or(0, |layer| layer.channels);
        shapes.push(("head.weight".to_string(), vec![1, channels * side * side]));
        shapes.push(("head.bias".to_string(), vec![1]));
        Ok(shapes)
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find(|(n, _)| n == name).map(|(_, tensor)| tensor)
    }

    /// How many numbers there are in all.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|(_, tensor)| tensor.elem_count()).sum()
    }

    /// The same names with tensors computed from these.
    pub fn map(&self, mut f: impl FnMut(&str, &Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        let entry = |(name, tensor): &(String, Tensor)| Ok((name.clone(), f(name, tensor)?));
        Ok(Params { entries: self.entries.iter().map(entry).collect::<Result<_>>()? })
    }

    /// The same names with tensors computed from these and those of `other`, which has the same form.
    ///
    /// # Errors
    /// When `other` lacks a name.
    pub fn zip(
        &self,
        other: &Params,
        mut f: impl FnMut(&str, &Tensor, &Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Self> {
        let entry = |(name, tensor): &(String, Tensor)| match other.get(name) {
            Some(theirs) => Ok((name.clone(), f(name, tensor, theirs)?)),
            None => Err(Error::Parameter {
                name: name.clone(),
                expected: tensor.dims().to_vec(),
                found: "nothing".to_string(),
            }),
        };
        Ok(Params { entries: self.entries.iter().map(entry).collect::<Result<_>>()? })
    }

    /// Zeros of the same form.
    pub fn zeros_like(&self) -> Result<Self> {
        self.map(|_, tensor| tensor.zeros_like())
    }

    pub(crate) fn to_weights(&self, spec: &NetSpec, statistics: Option<&Statistics>) -> Result<ScoreWeights> {
        let get = |name: String| match self.get(&name) {
            Some(tensor) => Ok(tensor.clone()),
            None => Err(Error::Parameter { name, expected: vec![], found: "nothing".to_string() }),
        };
        let layer = |i: usize| {
            let affine = match spec.norm.is_affine() {
                true => Some((get(format!("norm{i}.weight"))?, get(format!("norm{i}.bias"))?)),
                false => None,
            };
            let statistics = statistics.and_then(|all| all.get(i - 1).cloned());
            let (weight, bias) = (get(format!("conv{i}.weight"))?, get(format!("conv{i}.bias"))?);
            Ok(LayerWeights { weight, bias, affine, statistics })
        };
        Ok(ScoreWeights {
            layers: (1..=spec.layers.len()).map(layer).collect::<Result<_>>()?,
            head: get("head.weight".to_string())?.flatten_all()?,
            head_bias: get("head.bias".to_string())?,
        })
    }

    pub(crate) fn from_weights(weights: ScoreWeights) -> Result<Self> {
        let mut entries = Vec::new();
        for (i, layer) in (1..).zip(weights.layers) {
            entries.push((format!("conv{i}.weight"), layer.weight));
            entries.push((format!("conv{i}.bias"), layer.bias));
            if let Some((gamma, beta)) = layer.affine {
                entries.push((format!("norm{i}.weight"), gamma));
                entries.push((format!("norm{i}.bias"), beta));
            }
        }
        entries.push(("head.weight".to_string(), weights.head.unsqueeze(0)?));
        entries.push(("head.bias".to_string(), weights.head_bias));
        Ok(Params { entries })
    }
}

/// The tensors under `prefix.`, without it.
pub fn below(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let dotted = format!("{prefix}.");
    let strip =
        |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix(&dotted)?.to_string(), tensor.clone()));
    tensors
        .range(dotted.clone()..)
        .take_while(|(name, _)| name.starts_with(&dotted))
        .filter_map(strip)
        .collect()
}

/// U(-a, a) with a = sqrt(6 / (fan in + fan out)) (Glorot and Bengio, AISTATS 2010); shape [out, in, ...].
fn xavier_uniform(shape: &[usize], key: Key, values: &mut [f32]) {
    let receptive: usize = shape[2..].iter().product();
    let fans = ((shape[0] + shape[1]) * receptive) as f64;
    let bound = (6.0 / fans).sqrt() as f32;
    key.fill_uniform(values);
    values.iter_mut().for_each(|v| *v = bound * (2.0 * *v - 1.0));
}
