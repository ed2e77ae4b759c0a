"""The peer of `cargo xtask bench`: the same sweep and update in PyTorch, eager unless --compile says otherwise.

A stranger who would otherwise write Multigrid in PyTorch would write about this. It is tuned as far as options
go: channels-last memory, frozen parameters while sampling, bfloat16 autocast on request, the thread count given.

    python3 -m venv peer && peer/bin/pip install torch numpy
    cargo xtask bench --peer peer/bin/python

It prints one JSON line: seconds per Langevin step of each grid (median), per sweep (30 steps a grid), per parameter
update of all grids and per iteration (both), and the peak of resident memory in MiB.
"""

import argparse
import json
import sys
import time

import torch
from torch import nn

# Layers of (channels, kernel, stride), padding kernel // 2: section 6 of Gao et al., CVPR 2018.
GRIDS = {
    4: ((96, 5, 2), (128, 3, 1), (256, 3, 1)),
    16: ((96, 5, 2), (128, 3, 1), (256, 3, 1), (512, 3, 1)),
    64: ((96, 5, 2), (128, 3, 2), (256, 3, 1)),
}
STEPS = 30
STEP_SIZE = 0.3 / 127.5  # delta, images in [-1, 1]
REFERENCE_STD = 50 / 127.5  # sigma of the Gaussian reference
WARM_UP = 2


class Score(nn.Module):
    """f(x) of one grid: [n, 3, s, s] -> [n]."""

    def __init__(self, side, norm):
        super().__init__()
        body, channels = [], 3
        for width, kernel, stride in GRIDS[side]:
            body += [nn.Conv2d(channels, width, kernel, stride, kernel // 2)]
            body += [nn.BatchNorm2d(width, track_running_stats=False)] if norm == "batch" else []
            body += [nn.LeakyReLU(0.2)]
            channels = width
            side = -(-side // stride)
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(channels * side * side, 1)

    def forward(self, x):
        return self.head(self.body(x).flatten(1)).squeeze(1)


class Grid:
    """One grid's net, optimiser and chains."""

    def __init__(self, side, args):
        self.device = args.device
        self.net = Score(side, args.norm).to(self.device, memory_format=torch.channels_last)
        if args.compile:
            self.net = torch.compile(self.net)
        self.optimiser = torch.optim.SGD(self.net.parameters(), lr=1e-3, momentum=0.9)
        self.bf16 = args.precision == "bf16"
        self.chains = self.images(args.batch, side)
        self.observed = self.images(args.batch, side)

    def images(self, n, side):
        pixels = torch.empty(n, 3, side, side, device=self.device).uniform_(-1, 1)
        return pixels.contiguous(memory_format=torch.channels_last)

    def score(self, x):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            return self.net(x).float()

    def langevin(self):
        """Equation (6): reference, score and noise, then the clamp to the range of images."""
        x = self.chains.requires_grad_(True)
        (drift,) = torch.autograd.grad(self.score(x).sum(), x)
        x = x.detach()
        drift = drift - x / REFERENCE_STD**2
        noise = torch.randn_like(x)
        self.chains = (x + STEP_SIZE**2 / 2 * drift + STEP_SIZE * noise).clamp_(-1, 1)
        self.finish()

    def update(self):
        """Ascends mean f(observed) - mean f(synthesized)."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.score(self.chains).mean() - self.score(self.observed).mean()
        loss.backward()
        self.optimiser.step()
        self.finish()

    def finish(self):
        """Waits for the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        elif self.device == "mps":
            torch.mps.synchronize()


def median_seconds(work, repeats, warm_up):
    times = []
    for _ in range(warm_up + repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    timed = sorted(times[warm_up:])
    return (timed[(repeats - 1) // 2] + timed[repeats // 2]) / 2


def peak_mib():
    """Peak resident memory; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--norm", choices=["none", "batch"], default="none")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each grid")
    parser.add_argument("--device", choices=["cpu", "cuda", "metal"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="torch.compile the nets")
    args = parser.parse_args()
    named = args.device
    args.device = {"metal": "mps"}.get(named, named)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    step_s, update_s = {}, 0.0
    for side in GRIDS:
        grid = Grid(side, args)
        grid.net.requires_grad_(False)
        step_s[str(side)] = median_seconds(grid.langevin, args.repeats, WARM_UP)
        grid.net.requires_grad_(True)
        update_s += median_seconds(grid.update, 3, 1)
    sweep_s = STEPS * sum(step_s.values())
    report = {
        "peer": f"torch {torch.__version__}{', compiled' if args.compile else ''}",
        "device": named,
        "precision": args.precision,
        "norm": args.norm,
        "batch": args.batch,
        "threads": args.threads,
        "repeats": args.repeats,
        "step_s": {side: round(seconds, 7) for side, seconds in step_s.items()},
        "sweep_s": round(sweep_s, 5),
        "update_s": round(update_s, 5),
        "iteration_s": round(sweep_s + update_s, 5),
        "peak_mib": round(peak_mib()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
