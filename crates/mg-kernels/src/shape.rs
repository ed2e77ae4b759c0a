use crate::{Activation, ConvGeometry, Error, Norm, Result};

/// A network's architecture: convolutional layers, then one fully connected layer to a single number, the score.
///
/// The head's input is the last map flattened in the order `[c, h, w]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreShape {
    /// Channels of an image.
    pub channels: usize,
    /// Side of an image.
    pub side: usize,
    /// The layers, from the image to the head.
    pub layers: Vec<LayerShape>,
}

/// One layer: convolution with bias, then normalisation, then activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    /// The convolution.
    pub conv: ConvGeometry,
    /// What happens between the convolution and the activation.
    pub norm: Norm,
    /// The activation.
    pub activation: Activation,
}

impl ScoreShape {
    /// Sides of the maps: the image's, then each layer's output.
    ///
    /// # Errors
    /// The first layer that does not fit, does not continue the channels before it, or contradicts itself.
    pub fn sides(&self) -> Result<Vec<usize>> {
        let (mut sides, mut channels) = (vec![self.side], self.channels);
        for (index, layer) in self.layers.iter().enumerate() {
            layer.check(index, channels)?;
            sides.push(layer.conv.out_side(*sides.last().unwrap_or(&self.side))?);
            channels = layer.conv.c_out;
        }
        Ok(sides)
    }

    /// Channels of the last map.
    pub fn last_channels(&self) -> usize {
        self.layers.last().map_or(self.channels, |layer| layer.conv.c_out)
    }

    /// Whether a score depends on the other images of its batch (some layer has [`Norm::Batch`]).
    pub fn couples_images(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.norm, Norm::Batch { .. }))
    }
}

impl LayerShape {
    fn check(&self, layer: usize, channels: usize) -> Result<()> {
        let wrong = |reason: String| Err(Error::Layer { layer, reason });
        if self.conv.c_in != channels {
            return wrong(format!("takes {} channels, but {channels} come in", self.conv.c_in));
        }
        if let Activation::LeakyRelu { slope } = self.activation
            && !(slope >= 0.0 && slope.is_finite())
        {
            return wrong(format!("leaky slope {slope} must be finite and not negative"));
        }
        if let Norm::Group { groups, .. } = self.norm
            && (groups == 0 || !self.conv.c_out.is_multiple_of(groups))
        {
            return wrong(format!("{groups} groups do not divide {} channels", self.conv.c_out));
        }
        match self.norm {
            Norm::Batch { eps } | Norm::Group { eps, .. } | Norm::Fixed { eps }
                if !(eps > 0.0 && eps.is_finite()) =>
            {
                wrong(format!("eps {eps} must be positive and finite"))
            }
            _ => Ok(()),
        }
    }
}
