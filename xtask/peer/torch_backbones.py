"""Times the PyTorch implementations of the networks that scores look through, on their own input's side.

    pip install torch torchvision pytorch-fid efficientnet-lite-pytorch
    python torch_backbones.py --network lite0|inception --batch 50 --threads 2 --repeats 5

Prints one JSON line. Weights are random: time does not depend on them.
"""
import argparse
import json
import sys
import time

import torch


def lite0():
    from efficientnet_lite_pytorch import EfficientNet
    net = EfficientNet.from_name("efficientnet-lite0").eval()
    return lambda x: net._fc(net.extract_features(x).mean((2, 3))), 224


def inception():
    from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
    from torchvision.models.inception import inception_v3
    net = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    net.Mixed_5b, net.Mixed_5c, net.Mixed_5d = FIDInceptionA(192, 32), FIDInceptionA(256, 64), FIDInceptionA(288, 64)
    net.Mixed_6b, net.Mixed_6c = FIDInceptionC(768, channels_7x7=128), FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d, net.Mixed_6e = FIDInceptionC(768, channels_7x7=160), FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b, net.Mixed_7c = FIDInceptionE_1(1280), FIDInceptionE_2(2048)
    net.eval()

    def run(x):
        x = net.maxpool1(net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x))))
        x = net.maxpool2(net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(x)))
        for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(net, f"Mixed_{name}")(x)
        return x.mean((2, 3)) @ net.fc.weight.T

    return run, 299


def peak_mib():
    """Peak resident memory; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["lite0", "inception"], default="lite0")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net, side = {"lite0": lite0, "inception": inception}[args.network]()
    images = torch.zeros(args.batch, 3, side, side)
    net(images)
    times = []
    for _ in range(args.repeats):
        begin = time.perf_counter()
        net(images)
        times.append(time.perf_counter() - begin)
    report = {
        "peer": f"torch {torch.__version__}",
        "network": args.network,
        "batch": args.batch,
        "threads": args.threads,
        "repeats": args.repeats,
        "image_s": sorted(times)[len(times) // 2] / args.batch,
        "peak_mib": round(peak_mib()),
    }
    print(json.dumps(report))


main()
