"""Makes backbones.json: features and logits by the PyTorch implementations, for `tests/it/published.rs`.

    pip install torch torchvision torch-fidelity pytorch-fid safetensors efficientnet-lite-pytorch
    python backbones.py

EfficientNet-Lite0 has the weights of this crate, the Inception graph numbers from a formula: its published weights are not
needed to see that two implementations agree.
"""
import importlib.metadata
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite_pytorch import EfficientNet
from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
from safetensors.torch import load_file
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x
from torchvision.models.inception import inception_v3

HERE = pathlib.Path(__file__).parent


def images(n, side):
    """Bytes that the Rust side makes by the same formula."""
    i, c, y, x = np.ogrid[:n, :3, :side, :side]
    return torch.tensor((37 * i + 61 * c + 5 * y + 3 * x + x * y * (c + 1) // 7) % 256, dtype=torch.float32)


def numbers(salt, shape, low, high):
    """Numbers between two bounds from a hash of their positions, exact in both languages."""
    i = np.arange(np.prod(shape), dtype=np.uint64)
    h = (i * np.uint64(2654435761) + np.uint64(salt) * np.uint64(40503)) % np.uint64(2**32)
    h ^= h >> np.uint64(15)
    h = h * np.uint64(2246822519) % np.uint64(2**32)
    h ^= h >> np.uint64(13)
    return torch.tensor((low + (high - low) * (h.astype(np.float64) / 2**32)).reshape(shape), dtype=torch.float32)


def formula_weights(net):
    state = {name: t for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    for salt, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        if len(shape) > 1:
            bound = np.sqrt(6.0 / np.prod(shape[1:]))
            state[name] = numbers(salt, shape, -bound, bound)
        elif name.endswith("running_var") or name.endswith("bn.weight"):
            state[name] = numbers(salt, shape, 0.5, 1.5)
        else:
            state[name] = numbers(salt, shape, -0.2, 0.2)
    net.load_state_dict(state, strict=False)
    shapes = {name: list(state[name].shape) for name in sorted(state)}
    (HERE / "inception-shapes.json").write_text(json.dumps(shapes) + "\n")


def inception():
    net = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    net.Mixed_5b, net.Mixed_5c, net.Mixed_5d = FIDInceptionA(192, 32), FIDInceptionA(256, 64), FIDInceptionA(288, 64)
    net.Mixed_6b, net.Mixed_6c = FIDInceptionC(768, channels_7x7=128), FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d, net.Mixed_6e = FIDInceptionC(768, channels_7x7=160), FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b, net.Mixed_7c = FIDInceptionE_1(1280), FIDInceptionE_2(2048)
    formula_weights(net)
    return net.eval()


def inception_features(net, x):
    x = net.maxpool1(net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x))))
    x = net.maxpool2(net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(x)))
    for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
        x = getattr(net, f"Mixed_{name}")(x)
    return x.mean((2, 3))


def lite0():
    net = EfficientNet.from_name("efficientnet-lite0")
    state = load_file(HERE.parent.parent / "weights" / "efficientnet-lite0.safetensors")
    missing = net.load_state_dict({name: t.float() for name, t in state.items()}, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return net.eval()


def case(features, logits):
    keep = lambda t: [round(float(v), 7) for v in t.double().flatten()[::9]]
    return {"features": keep(features), "norm": float(features.double().norm()), "logits": keep(logits)}


def pth_files():
    """Files as PyTorch has written them before and since version 1.6."""
    base = torch.arange(12, dtype=torch.float32)
    state = {"a.weight": (base * 0.5).reshape(2, 2, 3), "part": base[4:10].reshape(3, 2), "half": base[:5].half(),
             "count": torch.tensor(7)}
    torch.save(state, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, HERE / "zipped.pth")


@torch.no_grad()
def main():
    pth_files()
    result = {"versions": {name: importlib.metadata.version(name) for name in
                           ("torch", "torchvision", "torch-fidelity", "pytorch-fid", "efficientnet-lite-pytorch")}}
    net = lite0()
    for side in (32, 64, 250):
        x = F.interpolate(images(2, side), size=(224, 224), mode="bilinear", align_corners=False)
        features = net.extract_features((x / 255 - 0.5) / 0.5).mean((2, 3))
        result[f"lite0-{side}"] = case(features, net._fc(features))
    net = inception()
    for side in (32, 64):
        x = interpolate_bilinear_2d_like_tensorflow1x(images(2, side), size=(299, 299), align_corners=False)
        features = inception_features(net, (x - 128) / 128)
        result[f"inception-tensorflow-1-{side}"] = case(features, features @ net.fc.weight.T)
        x = F.interpolate(images(2, side), size=(299, 299), mode="bilinear", align_corners=False)
        features = inception_features(net, 2 * (x / 255) - 1)
        result[f"inception-half-pixel-{side}"] = case(features, features @ net.fc.weight.T)
    (HERE / "backbones.json").write_text(json.dumps(result, indent=0) + "\n")


main()
