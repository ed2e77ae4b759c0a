"""The compared systems in PyTorch, timed: the peer of `cargo xtask bench baselines`.

    pip install torch numpy
    python torch_baselines.py --method dcgan --precision bf16 --batch 128 --threads 2 --repeats 10

Prints one JSON line: the median of an iteration's seconds and the most memory the process has had. Images are noise: time
does not depend on them. An iteration of wgan is one update of the critic, with a fifth of an update of the generator.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


def generator(kernel, width=64, latent=100):
    layers, channels = [], [latent, 8 * width, 4 * width, 2 * width, width, 3]
    for i, (a, b) in enumerate(zip(channels, channels[1:])):
        if i == 0:
            layers.append(nn.ConvTranspose2d(a, b, 4, bias=False))
        elif kernel == 5:
            layers.append(nn.ConvTranspose2d(a, b, 5, 2, 2, output_padding=1, bias=False))
        else:
            layers.append(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False))
        layers += [nn.Tanh()] if b == 3 else [nn.BatchNorm2d(b), nn.ReLU(True)]
    return prepared(nn.Sequential(*layers))


def discriminator(kernel, width=64):
    layers, channels = [], [3, width, 2 * width, 4 * width, 8 * width]
    for i, (a, b) in enumerate(zip(channels, channels[1:])):
        layers.append(nn.Conv2d(a, b, kernel, 2, 2 if kernel == 5 else 1, bias=False))
        layers += ([nn.BatchNorm2d(b)] if i else []) + [nn.LeakyReLU(0.2, True)]
    return prepared(nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, bias=False), nn.Flatten(0)))


def prepared(net):
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0, 0.02)
    return net.to(memory_format=torch.channels_last)


class Dcgan:
    def __init__(self):
        self.g, self.d = generator(5), discriminator(5)
        adam = lambda net: torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999), weight_decay=1e-5)
        self.og, self.od = adam(self.g), adam(self.d)

    def iteration(self, real, cast):
        n = len(real)
        bce = F.binary_cross_entropy_with_logits
        with cast():
            fake = self.g(torch.rand(n, 100, 1, 1) * 2 - 1)
            on_real, on_fake = self.d(real).float(), self.d(fake.detach()).float()
        loss = bce(on_real, torch.ones(n)) + bce(on_fake, torch.zeros(n))
        self.od.zero_grad(set_to_none=True)
        loss.backward()
        self.od.step()
        with cast():
            on_fake = self.d(fake).float()
        loss = bce(on_fake, torch.ones(n))
        self.og.zero_grad(set_to_none=True)
        loss.backward()
        self.og.step()


class Wgan:
    def __init__(self):
        self.g, self.d = generator(4), discriminator(4)
        self.og, self.od = (torch.optim.RMSprop(net.parameters(), 5e-5) for net in (self.g, self.d))
        self.done = 0

    def iteration(self, real, cast):
        n = len(real)
        for parameter in self.d.parameters():
            parameter.requires_grad_(True)
        with cast():
            with torch.no_grad():
                fake = self.g(torch.randn(n, 100, 1, 1))
            loss = self.d(fake).float().mean() - self.d(real).float().mean()
        self.od.zero_grad(set_to_none=True)
        loss.backward()
        self.od.step()
        with torch.no_grad():
            for parameter in self.d.parameters():
                parameter.clamp_(-0.01, 0.01)
        self.done += 1
        if self.done % 5:
            return
        for parameter in self.d.parameters():
            parameter.requires_grad_(False)
        with cast():
            loss = -self.d(self.g(torch.randn(n, 100, 1, 1))).float().mean()
        self.og.zero_grad(set_to_none=True)
        loss.backward()
        self.og.step()


class ContextEncoder:
    def __init__(self):
        down = list(discriminator(4))[:-2]
        narrow = [nn.Conv2d(512, 4000, 4, bias=False), nn.BatchNorm2d(4000), nn.LeakyReLU(0.2, True)]
        self.e, self.d = prepared(nn.Sequential(*down, *narrow, *generator(4, latent=4000))), discriminator(4)
        adam = lambda net, rate: torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.999))
        self.oe, self.od = adam(self.e, 2e-3), adam(self.d, 2e-4)

    def iteration(self, real, cast):
        n, side = len(real), real.shape[-1]
        bce, left = F.binary_cross_entropy_with_logits, side // 4
        visible = real.clone()
        visible[..., left : left + side // 2, left : left + side // 2] = 0
        with cast():
            made = self.e(visible)
            on_real, on_made = self.d(real).float(), self.d(made.detach()).float()
        loss = bce(on_real, torch.ones(n)) + bce(on_made, torch.zeros(n))
        self.od.zero_grad(set_to_none=True)
        loss.backward()
        self.od.step()
        with cast():
            on_made = self.d(made).float()
        loss = 0.999 * (made.float() - real).square().mean() + 0.001 * bce(on_made, torch.ones(n))
        self.oe.zero_grad(set_to_none=True)
        loss.backward()
        self.oe.step()


class DeepDirected:
    def __init__(self):
        layers, channels = [], [3, 128, 256, 512, 1024]
        for a, b in zip(channels, channels[1:]):
            layers += [nn.Conv2d(a, b, 5, 2, 2), nn.Tanh() if b == 1024 else nn.ReLU(True)]
        self.g, self.d = generator(5, 128), prepared(nn.Sequential(*layers, nn.Conv2d(1024, 1024, 4), nn.Flatten()))
        self.og = torch.optim.Adagrad(self.g.parameters(), 2e-3)
        self.od = torch.optim.Adagrad(self.d.parameters(), 1e-3, weight_decay=1e-5)

    def iteration(self, real, cast):
        energy = lambda x: -F.softplus(self.d(x).float()).sum(1).mean()
        z = torch.rand(len(real), 100, 1, 1) * 2 - 1
        with cast():
            loss = energy(self.g(z))
        gammas = [m.weight for m in self.g if isinstance(m, nn.BatchNorm2d)]
        loss = loss - torch.cat(gammas).abs().log().mean()
        self.og.zero_grad(set_to_none=True)
        loss.backward()
        self.og.step()
        with cast():
            with torch.no_grad():
                fake = self.g(z)
            loss = energy(real) - energy(fake)
        self.od.zero_grad(set_to_none=True)
        loss.backward()
        self.od.step()


class Cooperative:
    def __init__(self):
        self.g = generator(5)
        layers = [nn.Conv2d(3, 64, 5, 2, 2), nn.LeakyReLU(0.2, True), nn.Conv2d(64, 128, 3, 2, 1), nn.LeakyReLU(0.2, True)]
        layers += [nn.Conv2d(128, 256, 3, 1, 1), nn.LeakyReLU(0.2, True), nn.Flatten(), nn.Linear(256 * 16 * 16, 100)]
        self.e = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.og = torch.optim.Adam(self.g.parameters(), 1e-4, betas=(0.5, 0.999))
        self.oe = torch.optim.Adam(self.e.parameters(), 0.007, betas=(0.5, 0.999))

    def iteration(self, real, cast):
        score = lambda x: self.e(x).float().sum(1)
        with cast():
            begun = self.g(torch.randn(144, 100, 1, 1)).float()
        x = begun.detach()
        for parameter in self.e.parameters():
            parameter.requires_grad_(False)
        for _ in range(15):
            x.requires_grad_(True)
            with cast():
                f = score(x).sum()
            (gradient,) = torch.autograd.grad(f, x)
            x = (x + 0.002**2 / 2 * (gradient - x / 0.016**2) + 0.002 * torch.randn_like(x)).detach()
        for parameter in self.e.parameters():
            parameter.requires_grad_(True)
        with cast():
            loss = score(x).mean() - score(real).mean()
        self.oe.zero_grad(set_to_none=True)
        loss.backward()
        self.oe.step()
        loss = (begun - x).square().mean() / (2 * 0.3**2)
        self.og.zero_grad(set_to_none=True)
        loss.backward()
        self.og.step()


METHODS = {
    "dcgan": Dcgan,
    "wgan": Wgan,
    "context-encoder": ContextEncoder,
    "deep-directed": DeepDirected,
    "cooperative": Cooperative,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, default="dcgan")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")
    method = METHODS[args.method]()
    real = torch.rand(args.batch, 3, 64, 64).mul(2).sub(1).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(2 + args.repeats):
        start = time.perf_counter()
        method.iteration(real, cast)
        times.append(time.perf_counter() - start)
    times = times[2:]
    # Iterations of wgan differ: what they take on average.
    seconds = statistics.mean(times) if args.method == "wgan" else statistics.median(times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(vars(args) | {"iteration_s": seconds, "peak_mib": peak, "peer": f"PyTorch {torch.__version__}"}))


if __name__ == "__main__":
    main()
