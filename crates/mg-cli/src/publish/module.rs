//! The score network as a PyTorch module: what a model's card contains.

use anyhow::Result;
use mg_energy::{Activation, NetSpec, Norm};

/// A module of about ten lines that evaluates f(Y) of any of these nets, which differ in their layers only.
///
/// # Errors
/// When a spec describes no net.
pub(super) fn module(specs: &[NetSpec]) -> Result<String> {
    let Some(first) = specs.first() else { return Ok(String::new()) };
    let layers = specs.iter().map(layers).collect::<Result<Vec<_>>>()?;
    let layer = match first.norm {
        Norm::Group { .. } => "stride, before, after, groups",
        _ => "stride, before, after",
    };
    let alike = specs.iter().all(|spec| spec.activation == first.activation);
    let timed = specs.iter().any(|spec| spec.clock > 0);
    let mut lines = vec![
        format!("import {}torch, torch.nn.functional as F", if timed { "math, " } else { "" }),
        "from safetensors.torch import load_file".to_owned(),
        format!("LAYERS = {{{}}}  # side: ({layer})", layers.join(", ")),
    ];
    if !alike {
        let of = |spec: &NetSpec| format!("{}: lambda y: {}", spec.side, activation(spec.activation));
        let all: Vec<String> = specs.iter().map(of).collect();
        lines.push(format!("ACTIVATIONS = {{{}}}", all.join(", ")));
    }
    let class = "\nclass Score(torch.nn.Module):  # f(Y): [n, 3, side, side] in [-1, 1] -> [n]
    def __init__(self, file, side, of=\"class0\"):
        super().__init__()
        prefix, self.side, self.layers = f\"{of}.grid{side}.\", side, LAYERS[side]
        self.w = {k[len(prefix):]: v for k, v in load_file(file).items() if k.startswith(prefix)}";
    lines.push(class.to_owned());
    lines.push(format!("    def forward(self, y{}):", if timed { ", t=1.0" } else { "" }));
    if timed {
        let clock = "        planes = range(1, self.w[\"conv1.weight\"].shape[1] - y.shape[1] + 1)  # tell the time t in [0, 1]
        y = torch.cat([y] + [torch.full_like(y[:, :1], math.cos(math.pi * j * t)) for j in planes], 1)";
        lines.push(clock.to_owned());
    }
    let convolve = "            y = F.pad(y, (before, after, before, after))
            y = F.conv2d(y, self.w[f\"conv{i}.weight\"], self.w[f\"conv{i}.bias\"], stride)";
    lines.push(format!("        for i, ({layer}) in enumerate(self.layers, 1):\n{convolve}"));
    lines.extend(norm(first.norm).map(|line| format!("            y = {line}")));
    let activated = match alike {
        true => activation(first.activation),
        false => "ACTIVATIONS[self.side](y)".to_owned(),
    };
    lines.push(format!("            y = {activated}"));
    let head = "self.w[\"head.weight\"], self.w[\"head.bias\"]";
    lines.push(format!("        return F.linear(y.flatten(1), {head}).squeeze(1)"));
    Ok(lines.join("\n") + "\n")
}

/// A net's convolutions, as Python writes them.
fn layers(spec: &NetSpec) -> Result<String> {
    let convs = spec.shape()?.layers.into_iter().map(|layer| {
        let conv = layer.conv;
        let groups = match spec.norm {
            // The greatest divisor of the channels that is not above the number of groups, as the nets take it.
            Norm::Group { groups } => {
                let divides = |g: &usize| conv.c_out % g == 0;
                format!(", {}", (1..=groups).rev().find(divides).unwrap_or(1))
            }
            _ => String::new(),
        };
        format!("({}, {}, {}{groups})", conv.stride, conv.pad_before, conv.pad_after)
    });
    Ok(format!("{}: [{}]", spec.side, convs.collect::<Vec<_>>().join(", ")))
}

fn norm(norm: Norm) -> Option<String> {
    let scale = "self.w[f\"norm{i}.weight\"], self.w[f\"norm{i}.bias\"]";
    let of = "self.w[f\"norm{i}.running_mean\"], self.w[f\"norm{i}.running_var\"]";
    match norm {
        Norm::None => None,
        Norm::Batch => Some(format!("F.batch_norm(y, None, None, {scale}, True)")),
        Norm::Observed | Norm::Frozen => Some(format!("F.batch_norm(y, {of}, {scale})")),
        Norm::Group { .. } => Some(format!("F.group_norm(y, groups, {scale})")),
    }
}

fn activation(activation: Activation) -> String {
    match activation {
        Activation::LeakyRelu { slope } => format!("F.leaky_relu(y, {slope})"),
        Activation::Relu => "F.relu(y)".to_owned(),
        Activation::Silu => "F.silu(y)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use candle_core::{DType, Device, Tensor};
    use mg_energy::{ConvNet, Params};
    use mg_model::multigrid::{ChainStarts, MultigridClass, MultigridModel, Settings};
    use mg_model::{DataId, GridNet, Header, Model};
    use mg_pyramid::{InitialDistribution, InitialForm};
    use mg_random::Key;
    use mg_train::config::{Layer, resolve};
    use mg_train::{Config, METHODS};

    use super::*;

    fn random(shape: &[usize], key: Key) -> Tensor {
        let mut values = vec![0f32; shape.iter().product()];
        key.fill_normal(&mut values);
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// A model of nets with random parameters, biases and scales too.
    fn model(config: &Config) -> MultigridModel {
        let settings = Settings::of_config(&config.values()).unwrap();
        let grid = |level: usize| {
            let spec = settings.net_spec(level).unwrap();
            let key = Key::new(level as u64);
            let shapes = Params::init(&spec, key, DType::F32, &Device::Cpu).unwrap();
            let moved = shapes.iter().map(|(name, tensor)| {
                let noise = random(tensor.dims(), key.named(name)).affine(0.1, 0.0).unwrap();
                (name.to_owned(), (tensor + noise).unwrap())
            });
            let params = Params::from_entries(moved.collect());
            let observed = random(&[6, 3, spec.side, spec.side], key.named("observed"));
            let statistics = match spec.norm {
                Norm::None | Norm::Group { .. } => None,
                _ => Some(ConvNet::statistics(&spec, &params, &observed).unwrap()),
            };
            GridNet { spec, params, statistics }
        };
        let grids = (0..settings.sides().len()).map(grid).collect();
        let images = random(&[4, 3, 1, 1], Key::new(9)).clamp(-1.0, 1.0).unwrap();
        let initial = InitialDistribution::learn(InitialForm::Triples, &images, Key::new(9)).unwrap();
        let data = DataId { source: "random".into(), images: 4, sha256: "0".repeat(64) };
        let header = Header::new("multigrid", config.values(), 1, data, vec!["all".into()]);
        let starts = ChainStarts { initial, gaussians: vec![None; 3] };
        MultigridModel { header, settings, classes: vec![MultigridClass { starts, grids }] }
    }

    #[test]
    #[cfg_attr(not(has_pytorch), ignore = "MG_PYTHON names no python with torch and safetensors")]
    fn the_module_of_the_card_is_the_net_in_pytorch() {
        let python = std::env::var("MG_PYTHON").expect("the name of a python");
        let folder = tempfile::tempdir().unwrap();
        let nets: [&[&str]; 7] = [
            &["model.norm=\"none\""],
            &["model.norm=\"batch\"", "model.padding=\"same-tensorflow\""],
            &["model.norm=\"group\"", "model.activation=\"silu\""],
            &["model.norm=\"observed\"", "model.activation=\"relu\""],
            &["model.norm=\"none\"", "model.padding=\"two\""],
            &["model.law=[\"flow\",\"density\"]", "model.activation=[\"silu\",\"leaky-relu\"]"],
            &["model.norm=\"batch\"", "model.grids=[1,4,16,64]"],
        ];
        // One process for all of them: PyTorch takes seconds to start.
        let (mut script, mut ours) = (String::new(), Vec::new());
        for (number, sets) in nets.iter().enumerate() {
            let small = ["model.grids=[1,4,16]", "model.width=0.25"];
            let layers = small.iter().chain(*sets).map(|set| Layer::assignment(set).unwrap());
            let config = resolve(METHODS, &layers.collect::<Vec<_>>()).unwrap();
            let model = model(&config);
            let file = folder.path().join(format!("{number}.safetensors"));
            std::fs::write(&file, model.artefact().unwrap().to_bytes().unwrap()).unwrap();
            let specs: Vec<NetSpec> = model.classes[0].grids.iter().map(|grid| grid.spec.clone()).collect();
            script += &module(&specs).unwrap();
            for grid in &model.classes[0].grids {
                let side = grid.spec.side;
                let images = random(&[5, 3, side, side], Key::new(7));
                let images_file = folder.path().join(format!("{number}-{side}.safetensors"));
                images.save_safetensors("images", &images_file).unwrap();
                script += &format!(
                    "print(Score({file:?}, {side})(load_file({images_file:?})[\"images\"]).tolist())\n"
                );
                ours.push(grid.net(false).unwrap().score(&images).unwrap().to_vec1::<f32>().unwrap());
            }
        }
        let output = Command::new(&python).args(["-c", &script]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        let theirs: Vec<Vec<f64>> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((theirs.len(), ours.len()), (6 * 2 + 3, 6 * 2 + 3));
        for (a, &b) in theirs.iter().flatten().zip(ours.iter().flatten()) {
            assert!((a - f64::from(b)).abs() < 1e-3 * (1.0 + a.abs()), "{a} and {b}");
        }
    }

    #[test]
    fn the_module_is_short() {
        for norm in [Norm::None, Norm::Batch, Norm::Group { groups: 8 }] {
            let spec = NetSpec { norm, ..NetSpec::paper(16) };
            let text = module(&[spec]).unwrap();
            let body = text.lines().filter(|line| line.starts_with(' ')).count();
            assert!(body <= 11 && text.lines().all(|line| line.len() <= 120), "{body} lines\n{text}");
        }
    }
}
