"""Golden values of the compared systems: losses and one update of each, by PyTorch, on fixed weights and inputs.

    python3 -m venv peer && peer/bin/pip install torch numpy
    peer/bin/python crates/mg-baselines/golden/make.py

writes one JSON file for each method beside this script. Everything is computed in f64; weights, latent numbers and images
are the sines of `ramp`, which the tests make in the same way.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
SIDE, LATENT, WIDTH, BATCH, EPS = 16, 5, 4, 6, 1e-5


def ramp(count, phase, scale):
    return torch.sin(12.9898 * torch.arange(1, count + 1, dtype=torch.float64) + phase) * scale


def padding(kernel):
    return (1, 2) if kernel == 5 else (1, 1)


def biased(kind, c_out, norm):
    return kind == "biased" or (kind == "gather" and c_out > 1 and not norm)


class Net:
    """Layers (kind, c_in, c_out, norm, activation) whose parameters are one vector: of each layer the weight, then gamma and
    beta of a norm."""

    def __init__(self, layers, kernel, phase):
        self.layers, self.kernel = layers, kernel
        shapes = []
        for kind, c_in, c_out, norm, _ in layers:
            k = 4 if kind in ("spread", "gather") else kernel
            shapes.append((c_in, c_out, k, k) if kind in ("spread", "up") else (c_out, c_in, k, k))
            shapes += [(c_out,), (c_out,)] if norm else []
            shapes += [(c_out,)] if biased(kind, c_out, norm) else []
        self.shapes = shapes
        parts = []
        for number, shape in enumerate(shapes):
            count = torch.Size(shape).numel()
            gamma = len(shape) == 1 and len(shapes[number - 1]) == 4 and shapes[number + 1 : number + 2] == [shape]
            parts.append(ramp(count, phase + number, 0.2) + (1.0 if gamma else 0.0))
        self.p = torch.cat(parts).requires_grad_()

    def __call__(self, x):
        at, number = 0, 0

        def take():
            nonlocal at, number
            shape = self.shapes[number]
            count = torch.Size(shape).numel()
            tensor = self.p[at : at + count].reshape(shape)
            at, number = at + count, number + 1
            return tensor

        before, after = padding(self.kernel)
        for kind, _, _, norm, activation in self.layers:
            w = take()
            if kind == "spread":
                x = F.conv_transpose2d(x, w)
            elif kind == "gather":
                x = F.conv2d(x, w)
            elif kind in ("down", "biased"):
                x = F.conv2d(F.pad(x, (before, after, before, after)), w, stride=2)
            else:
                full = F.conv_transpose2d(x, w, stride=2)
                x = full[..., before : full.shape[-1] - after, before : full.shape[-1] - after]
            if norm:
                x = F.batch_norm(x, None, None, take(), take(), training=True, eps=EPS)
            elif biased(kind, w.shape[0], norm):
                x = x + take().reshape(1, -1, 1, 1)
            x = activation(x)
        return x


leaky = lambda x: F.leaky_relu(x, 0.2)
same = lambda x: x


def generator(kernel):
    return Net([("spread", LATENT, 2 * WIDTH, True, F.relu), ("up", 2 * WIDTH, WIDTH, True, F.relu), ("up", WIDTH, 3, False, torch.tanh)], kernel, 0.0)


def discriminator(kernel, outputs=1):
    return Net([("down", 3, WIDTH, False, leaky), ("down", WIDTH, 2 * WIDTH, True, leaky), ("gather", 2 * WIDTH, outputs, False, same)], kernel, 100.0)


def inputs():
    observed = ramp(BATCH * 3 * SIDE * SIDE, 3.0, 0.9).reshape(BATCH, 3, SIDE, SIDE)
    return observed, ramp(BATCH * LATENT, 5.0, 1.0).reshape(BATCH, LATENT, 1, 1)


def write(name, **values):
    plain = lambda v: [float(f"{x:.9g}") for x in v.detach().flatten()] if v.ndim else float(v.detach())
    text = json.dumps({key: plain(value) for key, value in values.items()})
    (HERE / f"{name}.json").write_text(text + "\n")


def dcgan(kernel=5):
    g, d = generator(kernel), discriminator(kernel)
    adam = lambda net: torch.optim.Adam([net.p], 2e-4, betas=(0.5, 0.999), weight_decay=1e-5)
    og, od = adam(g), adam(d)
    observed, z = inputs()
    bce = lambda x, truth: F.binary_cross_entropy_with_logits(x, torch.full_like(x, truth))
    generated = g(z)
    loss = bce(d(observed), 1.0) + bce(d(generated.detach()), 0.0)
    loss.backward()
    od.step()
    generator_loss = bce(d(generated), 1.0)
    og.zero_grad()
    generator_loss.backward()
    og.step()
    write("dcgan", loss=loss, generator_loss=generator_loss, generator=g.p, discriminator=d.p)


def wgan(kernel=4):
    g, d = generator(kernel), discriminator(kernel)
    rms = lambda net: torch.optim.RMSprop([net.p], 5e-5)
    og, od = rms(g), rms(d)
    with torch.no_grad():
        d.p.clamp_(-0.01, 0.01)
    observed, z = inputs()
    loss = d(g(z).detach()).mean() - d(observed).mean()
    loss.backward()
    od.step()
    with torch.no_grad():
        d.p.clamp_(-0.01, 0.01)
    generator_loss = -d(g(z)).mean()
    og.zero_grad()
    generator_loss.backward()
    og.step()
    write("wgan", loss=loss, generator_loss=generator_loss, generator=g.p, discriminator=d.p)


def adagrad(net, rate, l2=0.0, eps=1e-6):
    g = net.p.grad + l2 * net.p.detach()
    with torch.no_grad():
        net.p -= rate * g / (g**2 + eps).sqrt()
    net.p.grad = None


def deep_directed(kernel=5, experts=7):
    g = generator(kernel)
    layers = [("biased", 3, WIDTH, False, F.relu), ("biased", WIDTH, 2 * WIDTH, False, torch.tanh)]
    d = Net(layers + [("gather", 2 * WIDTH, experts, False, same)], kernel, 100.0)
    gammas = lambda p: torch.cat([p[640:648], p[1456:1460]])  # after 5 x 8 x 16 weights; after 8 betas and 8 x 4 x 25 weights
    observed, z = inputs()
    energy = lambda x: -F.softplus(d(x)).sum((1, 2, 3)).mean()
    entropy = (1 + math.log(2 * math.pi)) / 2 + (gammas(g.p) ** 2).log().mean() / 2
    generator_loss = energy(g(z)) - entropy
    generator_loss.backward()
    adagrad(g, 2e-3)
    d.p.grad = None
    loss = energy(observed) - energy(g(z).detach())
    loss.backward()
    adagrad(d, 1e-3, 1e-5)
    write("deep-directed", loss=loss, generator_loss=generator_loss, generator=g.p, discriminator=d.p)


def adversarial_cd(kernel=4, weight=0.5, regularization=0.01):
    g, d = generator(kernel), discriminator(kernel)
    r = Net(discriminator(kernel, 2 * LATENT).layers, kernel, 200.0)
    adam = lambda *nets: torch.optim.Adam([net.p for net in nets], 2e-4, betas=(0.5, 0.999))
    og, od = adam(g, r), adam(d)
    observed, z = inputs()
    generated = g(z)
    on_observed, on_generated = d(observed), d(generated.detach())
    loss = on_generated.mean() - on_observed.mean()
    (loss + regularization * ((on_observed**2).mean() + (on_generated**2).mean())).backward()
    od.step()
    mean, log_variance = r(generated).chunk(2, 1)
    log_variance = log_variance.clamp(-8, 8)
    density = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(z)
    unseen = -(density + math.log(2 * math.pi) / 2).sum((1, 2, 3)).mean()
    generator_loss = -d(generated).mean() + weight * unseen
    og.zero_grad()
    generator_loss.backward()
    og.step()
    write("adversarial-cd", loss=loss, generator_loss=generator_loss, generator=g.p, discriminator=d.p, inference=r.p)


def context_encoder(kernel=4, squares=0.9):
    layers = discriminator(kernel).layers[:-1] + [("gather", 2 * WIDTH, LATENT, True, leaky)] + generator(kernel).layers
    e, d = Net(layers, kernel, 0.0), discriminator(kernel)
    adam = lambda net, rate: torch.optim.Adam([net.p], rate, betas=(0.5, 0.999))
    oe, od = adam(e, 2e-3), adam(d, 2e-4)
    observed, _ = inputs()
    known = torch.ones(BATCH, 1, SIDE, SIDE)
    known[:, :, 3:11, 5:13] = 0
    bce = lambda x, truth: F.binary_cross_entropy_with_logits(x, torch.full_like(x, truth))
    made = e(observed * known)
    loss = bce(d(observed), 1.0) + bce(d(made.detach()), 0.0)
    loss.backward()
    od.step()
    encoder_loss = squares * F.mse_loss(made, observed) + (1 - squares) * bce(d(made), 1.0)
    oe.zero_grad()
    encoder_loss.backward()
    oe.step()
    write("context-encoder", loss=loss, encoder_loss=encoder_loss, encoder=e.p, discriminator=d.p)


def cooperative(kernel=5, outputs=3, sigma=0.5, steps=4, delta=0.1, residual=0.3):
    g = generator(kernel)
    shapes = [(4, 3, 5, 5), (4,), (6, 4, 3, 3), (6,), (8, 6, 3, 3), (8,), (128,), (1,)]
    e = [ramp(torch.Size(shape).numel(), 300.0 + i, 0.2).reshape(shape).requires_grad_() for i, shape in enumerate(shapes)]
    # All outputs of the fully connected layer, each with parameters of its own.
    head = [e[6].detach().repeat(outputs, 1).requires_grad_(), e[7].detach().repeat(outputs).requires_grad_()]
    observed, z = inputs()

    def score(x):
        for i, (stride, pad) in enumerate([(2, 2), (2, 1), (1, 1)]):
            x = leaky(F.conv2d(x, e[2 * i], e[2 * i + 1], stride=stride, padding=pad))
        return F.linear(x.flatten(1), head[0], head[1]).sum(1)

    begun = g(z)
    x = begun.detach()
    for _ in range(steps):
        x = x.requires_grad_()
        energy = (x**2).sum() / (2 * sigma**2) - score(x).sum()
        x = (x - delta**2 / 2 * torch.autograd.grad(energy, x)[0]).detach()
    gap = score(observed).mean() - score(x).mean()
    oe = torch.optim.Adam(e[:6] + head, 0.007, betas=(0.5, 0.999))
    oe.zero_grad()
    (-gap).backward()
    oe.step()
    og = torch.optim.Adam([g.p], 1e-4, betas=(0.5, 0.999))
    generator_loss = F.mse_loss(begun, x) / (2 * residual**2)
    og.zero_grad()
    generator_loss.backward()
    og.step()
    energy = torch.cat([p.detach().flatten() for p in e[:6]] + [head[0].detach()[0], head[1].detach()[:1]])
    write("cooperative", gap=gap, generator_loss=generator_loss, generator=g.p, energy=energy)


if __name__ == "__main__":
    dcgan()
    wgan()
    deep_directed()
    adversarial_cd()
    context_encoder()
    cooperative()
