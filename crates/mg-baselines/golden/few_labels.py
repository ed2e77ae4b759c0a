"""Golden values of the methods that learn from few labels: losses and one update of each, by PyTorch, as make.py's.

    peer/bin/python crates/mg-baselines/golden/few_labels.py
"""
import math

import torch
import torch.nn.functional as F

from make import EPS, ramp, write

CLASSES, LABELLED, OTHERS = 3, 4, 6
BETAS = (0.9, 0.999)


class Stack:
    """Convolutions (c_in, c_out, kernel, padding, norm, activation) with stride 1 whose parameters are one vector: of each the
    weight, then gamma and beta of a norm, or a bias."""

    def __init__(self, layers, phase):
        self.layers = layers
        self.shapes, parts = [], []
        for c_in, c_out, k, _, norm, _ in layers:
            for shape, mean in [((c_out, c_in, k, k), 0.0)] + ([((c_out,), 1.0), ((c_out,), 0.0)] if norm else [((c_out,), 0.0)]):
                parts.append(ramp(math.prod(shape), phase + len(self.shapes), 0.2) + mean)
                self.shapes.append(shape)
        self.p = torch.cat(parts).requires_grad_()

    def __call__(self, x):
        pieces = [part.reshape(shape) for part, shape in zip(self.p.split([math.prod(s) for s in self.shapes]), self.shapes)]
        for _, _, _, pad, norm, activation in self.layers:
            x = F.conv2d(x, pieces.pop(0), padding=pad)
            if norm:
                x = F.batch_norm(x, None, None, pieces.pop(0), pieces.pop(0), training=True, eps=EPS)
            else:
                x = x + pieces.pop(0).reshape(1, -1, 1, 1)
            x = activation(x)
        return x


same = lambda x: x
leaky = lambda x: F.leaky_relu(x, 0.1)


def mlp(inputs, outputs, width, hidden, norm, activation, phase):
    ends = [inputs] + [width] * hidden
    layers = [(a, b, 1, 0, norm, activation) for a, b in zip(ends, ends[1:])]
    return Stack(layers + [(ends[-1], outputs, 1, 0, False, same)], phase)


def labels():
    return F.one_hot(torch.tensor([0, 1, 2, 1]), CLASSES).double()


def vat(name, side, parts):
    images = lambda n, phase: ramp(n * 3 * side * side, phase, 0.9).reshape(n, 3, side, side)
    labelled, others, direction = images(LABELLED, 3.0), images(OTHERS, 5.0), images(OTHERS, 6.5)
    distance, probe = 1.5, 1.0

    def scores(x):
        for number, part in enumerate(parts):
            x = part(x)
            left = len(parts) - number
            if left == 2:
                x = x.mean((2, 3), keepdim=True)
            elif left > 2:
                x = F.max_pool2d(x, 2)
        return x.flatten(1)

    def divergence(p, q):
        p, q = F.log_softmax(p, 1), F.log_softmax(q, 1)
        return (p.exp() * (p - q)).sum(1).mean()

    unit = lambda d: d / d.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    adam = torch.optim.Adam([part.p for part in parts], 1e-3, betas=BETAS)
    cross_entropy = -(labels() * F.log_softmax(scores(labelled), 1)).sum(1).mean()
    said = scores(others)
    r = (unit(direction) * probe).requires_grad_()
    (g,) = torch.autograd.grad(divergence(said.detach(), scores(others + r)), r)
    roughness = divergence(said.detach(), scores(others + unit(g) * distance))
    entropy = -(F.softmax(said, 1) * F.log_softmax(said, 1)).sum(1).mean()
    (cross_entropy + 0.7 * roughness + 0.3 * entropy).backward()
    adam.step()
    nets = {f"part{number}": part.p for number, part in enumerate(parts)}
    write(name, cross_entropy=cross_entropy, roughness=roughness, entropy=entropy, **nets)


class Normal:
    def __init__(self, outputs):
        self.mean, self.log_variance = outputs.flatten(1).chunk(2, 1)

    def draw(self, noise):
        return self.mean + (self.log_variance / 2).exp() * noise

    def log_density(self, x):
        return torch.distributions.Normal(self.mean, (self.log_variance / 2).exp()).log_prob(x).sum(1)

    def entropy(self):
        return torch.distributions.Normal(self.mean, (self.log_variance / 2).exp()).entropy().sum(1)

    def divergence(self):
        standard = torch.distributions.Normal(torch.zeros_like(self.mean), 1.0)
        return torch.distributions.kl_divergence(torch.distributions.Normal(self.mean, (self.log_variance / 2).exp()), standard).sum(1)


def rows(n, numbers, phase, scale=1.0):
    return ramp(n * numbers, phase, scale).reshape(n, numbers)


beside = lambda *parts: torch.cat(parts, 1)[:, :, None, None]
every = lambda n: torch.eye(CLASSES).repeat_interleave(n, 0)


def marginal(bounds, said):
    p = F.log_softmax(said.flatten(1), 1)
    return (p.exp() * (bounds.reshape(CLASSES, -1).T - p)).sum(1)


choice_loss = lambda said, y: -(y * F.log_softmax(said.flatten(1), 1)).sum(1).mean()


def adgm():
    x_len, a_len, z_len, samples, weight, prior = 12, 4, 5, 2, 0.1 * 10.0, 1.0 / 40.0
    net = lambda inputs, outputs, phase: mlp(inputs, outputs, 8, 2, True, F.relu, phase)
    qa, qy = net(x_len, 2 * a_len, 0.0), net(a_len + x_len, CLASSES, 100.0)
    qz, pa = net(a_len + CLASSES + x_len, 2 * z_len, 200.0), net(x_len + CLASSES + z_len, 2 * a_len, 300.0)
    px = net(CLASSES + z_len, 2 * x_len, 400.0)
    nets = dict(qa=qa, qy=qy, qz=qz, pa=pa, px=px)

    def auxiliary(x, noise):
        q = Normal(qa(beside(x)).repeat(samples, 1, 1, 1))
        a = q.draw(noise)
        return q, a, qy(beside(a, x.repeat(samples, 1)))

    def bound(x, y, q, a, noise):
        qz_of = Normal(qz(beside(a, y, x)))
        z = qz_of.draw(noise)
        made = Normal(px(beside(y, z))).log_density(x)
        return made + Normal(pa(beside(x, y, z))).log_density(a) + q.entropy() - qz_of.divergence()

    x, others, y = rows(LABELLED, x_len, 3.0), rows(OTHERS, x_len, 5.0), labels()
    q, a, said = auxiliary(x, rows(samples * LABELLED, a_len, 7.0))
    x, y = x.repeat(samples, 1), y.repeat(samples, 1)
    cross_entropy = choice_loss(said, y)
    labelled = bound(x, y, q, a, rows(samples * LABELLED, z_len, 9.0)).mean()
    q, a, said = auxiliary(others, rows(samples * OTHERS, a_len, 11.0))
    q.mean, q.log_variance = q.mean.repeat(CLASSES, 1), q.log_variance.repeat(CLASSES, 1)
    n = samples * OTHERS
    bounds = bound(others.repeat(samples * CLASSES, 1), every(n), q, a.repeat(CLASSES, 1), rows(CLASSES * n, z_len, 13.0))
    unlabelled = marginal(bounds, said).mean()
    (weight * cross_entropy - labelled - unlabelled).backward()
    parameters = [net.p for net in nets.values()]
    torch.nn.utils.clip_grad_norm_(parameters, 5.0)
    for p in parameters:
        p.grad.clamp_(-1.0, 1.0)
    torch.optim.Adam(parameters, 3e-4, betas=BETAS, weight_decay=prior).step()
    values = {name: net.p for name, net in nets.items()}
    write("adgm", cross_entropy=cross_entropy, labelled_bound=labelled, bound=unlabelled, **values)


def dgn():
    x_len, z1_len, z2_len, weight = 12, 5, 3, 0.1 * 10.0
    net = lambda inputs, outputs, hidden, phase: mlp(inputs, outputs, 8, hidden, False, F.softplus, phase)
    q1, px = net(x_len, 2 * z1_len, 2, 0.0), net(z1_len, 2 * x_len, 2, 100.0)
    qy, q2 = net(z1_len, CLASSES, 1, 200.0), net(z1_len + CLASSES, 2 * z2_len, 1, 300.0)
    p1 = net(CLASSES + z2_len, 2 * z1_len, 1, 400.0)
    nets = dict(q1=q1, px=px, qy=qy, q2=q2, p1=p1)

    def bound(z1, y, noise):
        q = Normal(q2(beside(z1, y)))
        return Normal(p1(beside(y, q.draw(noise)))).log_density(z1) - q.divergence()

    x, others, y = rows(LABELLED, x_len, 3.0), rows(OTHERS, x_len, 5.0), labels()
    z1 = Normal(q1(beside(x))).draw(rows(LABELLED, z1_len, 7.0)).detach()
    cross_entropy = choice_loss(qy(beside(z1)), y)
    labelled = bound(z1, y, rows(LABELLED, z2_len, 9.0)).mean()
    q = Normal(q1(beside(others)))
    z1 = q.draw(rows(OTHERS, z1_len, 11.0))
    first = (Normal(px(beside(z1))).log_density(others) - q.divergence()).mean()
    z1 = z1.detach()
    bounds = bound(z1.repeat(CLASSES, 1), every(OTHERS), rows(CLASSES * OTHERS, z2_len, 13.0))
    second = marginal(bounds, qy(beside(z1))).mean()
    (weight * cross_entropy - first - labelled - second).backward()
    torch.optim.Adam([net.p for net in nets.values()], 3e-4, betas=BETAS).step()
    values = {name: net.p for name, net in nets.items()}
    write("dgn", cross_entropy=cross_entropy, first_bound=first, labelled_bound=labelled, bound=second, **values)


if __name__ == "__main__":
    full = Stack([(3, 8, 8, 0, True, F.relu), (8, 8, 1, 0, True, F.relu), (8, CLASSES, 1, 0, False, same)], 0.0)
    vat("vat", 8, [full])
    three = lambda a, b, phase: Stack([(a, b, 3, 1, True, leaky), (b, b, 3, 1, True, leaky), (b, b, 3, 1, True, leaky)], phase)
    last = Stack([(8, 16, 3, 0, True, leaky), (16, 8, 1, 0, True, leaky), (8, 4, 1, 0, True, leaky)], 200.0)
    scores = Stack([(4, CLASSES, 1, 0, True, same)], 300.0)
    vat("vat-conv", 12, [three(3, 4, 0.0), three(4, 8, 100.0), last, scores])
    adgm()
    dgn()
