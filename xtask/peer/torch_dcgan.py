"""A DCGAN (Radford et al., ICLR 2016) learning for a while: what an energy model's minutes are compared with.

    pip install torch numpy pillow pyarrow
    python torch_dcgan.py --data celeba/data/train-00000-of-00001.parquet --crop 108 --minutes 27 --at 9,18 --out dcgan

Writes 2,000 images into OUT/MINUTES for every time asked for and for the end, to be scored as any folder:
`mg eval --input OUT/27 --ref celeba --ref-split test --crop 108 --side 64 --fid`.
"""

import argparse
import io
import pathlib
import time

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn


def images(path, crop):
    """All images of a table, [n, 3, 64, 64] in bytes: the centre crop, reduced."""
    rows = pq.read_table(path, columns=["image"])["image"].to_pylist()
    out = np.empty((len(rows), 3, 64, 64), np.uint8)
    for i, row in enumerate(rows):
        image = Image.open(io.BytesIO(row["bytes"])).convert("RGB")
        left, top = (image.width - crop) // 2, (image.height - crop) // 2
        image = image.crop((left, top, left + crop, top + crop)).resize((64, 64), Image.BOX)
        out[i] = np.asarray(image).transpose(2, 0, 1)
    return torch.from_numpy(out)


def generator(width, latent):
    channels = [latent, 8 * width, 4 * width, 2 * width, width, 3]
    layers = []
    for i, (a, b) in enumerate(zip(channels, channels[1:])):
        stride, padding = (1, 0) if i == 0 else (2, 1)
        last = b == 3
        layers.append(nn.ConvTranspose2d(a, b, 4, stride, padding, bias=last))
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def discriminator(width):
    channels = [3, width, 2 * width, 4 * width, 8 * width]
    layers = []
    for i, (a, b) in enumerate(zip(channels, channels[1:])):
        layers.append(nn.Conv2d(a, b, 4, 2, 1, bias=i == 0))
        layers += [nn.BatchNorm2d(b)] if i else []
        layers.append(nn.LeakyReLU(0.2))
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4))


def initialise(module):
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


@torch.no_grad()
def write(net, latent, folder, n=2000):
    folder.mkdir(parents=True, exist_ok=True)
    net.eval()
    for first in range(0, n, 100):
        batch = net(torch.randn(100, latent, 1, 1)).float().add(1).mul(127.5).round().clamp(0, 255)
        for i, image in enumerate(batch.byte().permute(0, 2, 3, 1).numpy()):
            Image.fromarray(image).save(folder / f"{first + i:05}.png")
    net.train()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--crop", type=int, default=108)
    parser.add_argument("--minutes", type=float, default=27)
    parser.add_argument("--at", default="", help="minutes at which images are written too, 9,18")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--out", default="dcgan")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    data, out = images(args.data, args.crop), pathlib.Path(args.out)
    g, d = generator(args.width, args.latent), discriminator(args.width)
    g.apply(initialise), d.apply(initialise)
    adam = lambda net: torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999))
    adam_g, adam_d, loss = adam(g), adam(d), nn.BCEWithLogitsLoss()
    real, fake = torch.ones(args.batch), torch.zeros(args.batch)
    stops = sorted(float(at) for at in args.at.split(",") if at)
    learned, iteration = 0.0, 0
    while learned < 60 * args.minutes:
        start = time.monotonic()
        x = data[torch.randint(len(data), (args.batch,))].float() / 127.5 - 1
        flip = torch.rand(args.batch) < 0.5
        x[flip] = x[flip].flip(3)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            y = g(torch.randn(args.batch, args.latent, 1, 1))
            gap = loss(d(x).flatten().float(), real) + loss(d(y.detach()).flatten().float(), fake)
            adam_d.zero_grad()
            gap.backward()
            adam_d.step()
            fooled = loss(d(y).flatten().float(), real)
            adam_g.zero_grad()
            fooled.backward()
            adam_g.step()
        iteration += 1
        learned += time.monotonic() - start
        if iteration % 20 == 0:
            print(f"{iteration} iterations, {learned / 60:.2f} minutes, {gap:.3f} {fooled:.3f}", flush=True)
        while stops and learned >= 60 * stops[0]:
            write(g, args.latent, out / f"{stops.pop(0):g}")
    write(g, args.latent, out / f"{args.minutes:g}")
    print(f"{iteration} iterations in {learned / 60:.2f} minutes")


if __name__ == "__main__":
    main()
