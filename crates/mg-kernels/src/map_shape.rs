use crate::{Activation, ConvGeometry, Error, Norm, Result};

/// The architecture of a network from maps to maps: convolutional layers that shrink maps or enlarge them. Vectors are maps
/// of side 1, and a fully connected layer is a convolution whose kernel covers the map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapShape {
    /// Channels of the input.
    pub channels: usize,
    /// Side of the input.
    pub side: usize,
    /// The layers, from the input to the output.
    pub layers: Vec<MapLayer>,
}

/// One layer: a convolution or its adjoint, then normalisation or a bias, then an activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapLayer {
    /// The convolution. Of [`Direction::Up`] it is the one from this layer's output to its input.
    pub conv: ConvGeometry,
    /// Which way the layer goes.
    pub direction: Direction,
    /// [`Norm::None`], or [`Norm::Batch`], where the layer has gamma and beta in place of a bias.
    pub norm: Norm,
    /// Whether a layer without norm has a bias.
    pub bias: bool,
    /// The activation.
    pub activation: Activation,
}

/// Whether a layer is a convolution or its adjoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A convolution.
    Down,
    /// A convolution's adjoint (a "transposed convolution"), to maps of this side.
    Up {
        /// Side of the output.
        side: usize,
    },
}

/// A parameter of a network, and where it lies in the vector of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Number of the layer, and what it is there: `weight`, `bias`, `gamma` or `beta`, as in `3.weight`.
    pub name: String,
    /// Its shape.
    pub dims: Vec<usize>,
    /// Its place.
    pub range: std::ops::Range<usize>,
}

impl MapLayer {
    /// A convolution of `kernel` x `kernel`, padded by `(before, after)`, without norm or activation.
    pub fn down(
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
        (pad_before, pad_after): (usize, usize),
    ) -> Self {
        let conv = ConvGeometry { c_in, c_out, kernel, stride, pad_before, pad_after };
        Self {
            conv,
            direction: Direction::Down,
            norm: Norm::None,
            bias: true,
            activation: Activation::IDENTITY,
        }
    }

    /// The adjoint of a convolution of `kernel` x `kernel`, padded by `(before, after)`, from `c_in` channels to maps of
    /// `c_out` channels and `side`; without norm or activation. Its weight is `[c_in, c_out, kernel, kernel]`.
    pub fn up(
        (c_in, c_out): (usize, usize),
        kernel: usize,
        stride: usize,
        (pad_before, pad_after): (usize, usize),
        side: usize,
    ) -> Self {
        let conv = ConvGeometry { c_in: c_out, c_out: c_in, kernel, stride, pad_before, pad_after };
        Self {
            conv,
            direction: Direction::Up { side },
            norm: Norm::None,
            bias: true,
            activation: Activation::IDENTITY,
        }
    }

    /// The same with a norm.
    #[must_use]
    pub fn with_norm(self, norm: Norm) -> Self {
        Self { norm, ..self }
    }

    /// The same without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// The same with an activation.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Channels of the input and the output.
    pub fn channels(&self) -> (usize, usize) {
        match self.direction {
            Direction::Down => (self.conv.c_in, self.conv.c_out),
            Direction::Up { .. } => (self.conv.c_out, self.conv.c_in),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.direction, Direction::Up { .. })
    }

    /// Side of the output for an input of `side`.
    fn out_side(&self, layer: usize, side: usize) -> Result<usize> {
        match self.direction {
            Direction::Down => self.conv.out_side(side),
            Direction::Up { side: out } => {
                let back = self.conv.out_side(out)?;
                if back == side {
                    return Ok(out);
                }
                let reason = format!(
                    "maps of side {out} come from maps of side {back}, but those of side {side} come in: choose \
                     another side, kernel, stride or padding"
                );
                Err(Error::Layer { layer, reason })
            }
        }
    }

    fn check(&self, layer: usize, channels: usize) -> Result<()> {
        let wrong = |reason: String| Err(Error::Layer { layer, reason });
        if self.channels().0 != channels {
            return wrong(format!("takes {} channels, but {channels} come in", self.channels().0));
        }
        match (self.norm, self.activation) {
            (_, Activation::LeakyRelu { slope }) if !(slope >= 0.0 && slope.is_finite()) => {
                wrong(format!("leaky slope {slope} must be finite and not negative"))
            }
            (Norm::Batch { eps }, _) if !(eps > 0.0 && eps.is_finite()) => {
                wrong(format!("eps {eps} must be positive and finite"))
            }
            (Norm::None | Norm::Batch { .. }, _) => Ok(()),
            (norm, _) => wrong(format!(
                "{norm:?} is not for networks of maps: use `Norm::Batch`, and give its statistics to evaluate"
            )),
        }
    }
}

impl MapShape {
    /// Sides of the maps: the input's, then each layer's output.
    ///
    /// # Errors
    /// No layers, or the first layer that does not fit, does not continue the channels before it, or contradicts itself.
    pub fn sides(&self) -> Result<Vec<usize>> {
        if self.layers.is_empty() {
            let reason = "there are none: give at least one".to_owned();
            return Err(Error::Layer { layer: 0, reason });
        }
        let (mut sides, mut channels) = (vec![self.side], self.channels);
        for (index, layer) in self.layers.iter().enumerate() {
            layer.check(index, channels)?;
            sides.push(layer.out_side(index, *sides.last().unwrap_or(&self.side))?);
            channels = layer.channels().1;
        }
        Ok(sides)
    }

    /// Channels of the output.
    pub fn out_channels(&self) -> usize {
        self.layers.last().map_or(self.channels, |layer| layer.channels().1)
    }

    /// All parameters in the order of their vector: of each layer the weight, then its bias, or gamma and beta.
    pub fn parameters(&self) -> Vec<Parameter> {
        let (mut all, mut at) = (vec![], 0);
        for (index, layer) in self.layers.iter().enumerate() {
            let mut add = |what: &str, dims: Vec<usize>| {
                let len: usize = dims.iter().product();
                all.push(Parameter {
                    layer: index,
                    name: format!("{index}.{what}"),
                    dims,
                    range: at..at + len,
                });
                at += len;
            };
            add("weight", layer.conv.weight_dims().to_vec());
            let channels = vec![layer.channels().1];
            match layer.norm {
                Norm::None if !layer.bias => {}
                Norm::None => add("bias", channels),
                _ => ["gamma", "beta"].into_iter().for_each(|what| add(what, channels.clone())),
            }
        }
        all
    }

    /// Length of the vector of all parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters().last().map_or(0, |parameter| parameter.range.end)
    }
}
