use std::fmt;

use candle_core::{Device, Tensor};
use mg_kernels::{Graph, Inference, MapId};

use crate::layers::Layers;
use crate::weights::hash;
use crate::{Convention, Error, Result, Weights, inception, lite0};

/// A pretrained network that turns images into features and features into logits.
pub struct Backbone {
    name: &'static str,
    id: String,
    convention: Convention,
    side: usize,
    net: Inference,
    /// [classes, features].
    head: Tensor,
    bias: Option<Tensor>,
}

/// The embedded weights of EfficientNet-Lite0: convolutions rounded to f16, batch norms in f32.
const LITE0: &[u8] = include_bytes!("../weights/efficientnet-lite0.safetensors");

/// SHA-256 of `pt_inception-2015-12-05-6726825d.pth`, the 2015 graph's weights as converted for PyTorch.
pub const INCEPTION_SHA256: &str = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";

impl Backbone {
    /// EfficientNet-Lite0 with the weights of this crate: 1280 features, 1000 classes of ImageNet, input 224 x 224 by
    /// [`Convention::HalfPixel`].
    ///
    /// # Errors
    /// When the weights cannot be put on the device.
    pub fn lite0(device: &Device) -> Result<Self> {
        Self::lite0_of(&Weights::from_safetensors(LITE0)?, device)
    }

    /// EfficientNet-Lite0 with other weights of the same names.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn lite0_of(weights: &Weights, device: &Device) -> Result<Self> {
        let network = Network { name: "EfficientNet-Lite0", side: 224, eps: 1e-3, head: "_fc", bias: true };
        network.with(weights, device, Convention::HalfPixel, lite0::features)
    }

    /// The network of the inception score and the Fréchet inception distance: 2048 features, 1008 logits without bias,
    /// input 299 x 299 by `convention` ([`Convention::TensorFlow1`] for numbers that are to be compared with published
    /// ones).
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn inception(weights: &Weights, convention: Convention, device: &Device) -> Result<Self> {
        let network = Network { name: "Inception-2015", side: 299, eps: 1e-3, head: "fc", bias: false };
        network.with(weights, device, convention, inception::features)
    }

    /// The network's name, which belongs beside every number made with it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Names the network, its weights and how images reach it: 64 hexadecimal digits. Backbones with the same id give
    /// the same features for an image.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Number of features per image.
    pub fn width(&self) -> usize {
        self.head.dims()[1]
    }

    /// Number of logits per image.
    pub fn classes(&self) -> usize {
        self.head.dims()[0]
    }

    /// Features [n, width] of images [n, 3, s, s] with values in [-1, 1], on the CPU. An image's features do not depend
    /// on the others.
    ///
    /// # Errors
    /// When the images have another shape.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.convention.apply(images, self.side)?.to_device(self.head.device())?;
        match &self.net.run(&x)?[..] {
            [features] => Ok(features.flatten_from(1)?.to_device(&Device::Cpu)?),
            outputs => unreachable!("one output was asked for, not {}", outputs.len()),
        }
    }

    /// Logits [n, classes] of features [n, width], on the CPU.
    ///
    /// # Errors
    /// When the features have another width.
    pub fn logits(&self, features: &Tensor) -> Result<Tensor> {
        let (_, found) = features.dims2()?;
        if found != self.width() {
            return Err(Error::Width { network: self.name, expected: self.width(), found });
        }
        let logits = features.to_device(self.head.device())?.matmul(&self.head.t()?)?;
        let logits = self.bias.as_ref().map_or(Ok(logits.clone()), |bias| logits.broadcast_add(bias))?;
        Ok(logits.to_device(&Device::Cpu)?)
    }
}

/// What tells networks apart.
struct Network {
    name: &'static str,
    side: usize,
    eps: f64,
    head: &'static str,
    bias: bool,
}

impl Network {
    fn with(
        self,
        weights: &Weights,
        device: &Device,
        convention: Convention,
        features: fn(&mut Layers<'_>) -> Result<MapId>,
    ) -> Result<Backbone> {
        let graph = Graph::new(3, self.side);
        let mut net = Layers { graph, network: self.name, weights, device, eps: self.eps };
        let output = features(&mut net)?;
        let (width, _) = net.graph.dims(output)?;
        let head = net.tensor(&format!("{}.weight", self.head))?;
        if head.rank() != 2 || head.dims()[1] != width {
            let found = head.dims().last().copied().unwrap_or(0);
            return Err(Error::Width { network: self.name, expected: width, found });
        }
        let bias = self.bias.then(|| net.tensor(&format!("{}.bias", self.head))).transpose()?;
        let id = hash(format!("{} {} {}", self.name, weights.sha256, convention.name()).as_bytes());
        let net = Inference::new(&net.graph, &[output])?;
        Ok(Backbone { name: self.name, id, convention, side: self.side, net, head, bias })
    }
}

impl fmt::Debug for Backbone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backbone").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}
