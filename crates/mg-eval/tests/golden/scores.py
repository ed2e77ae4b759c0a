"""Writes scores.json: the scores of deterministic features and images by their reference implementations.

    pip install torch torchvision torch-fidelity==0.4.0 scikit-image scikit-learn
    python scores.py

Features and images come from a hash of their indices, in integers, so that tests/it/golden.rs makes the same bits.
torch-fidelity computes in the precision of its input: it gets doubles.
"""

import importlib.metadata
import json
import pathlib

import numpy as np
import torch
from scipy.spatial.distance import pdist
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.neighbors import NearestNeighbors
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kernel_mmd, kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric


def mixed(i, j, seed):
    """32 bits for every pair of indices."""
    x = (np.uint64(4099) * i + np.uint64(257) * j + np.uint64(65537 * seed)).astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(16))


def features(n, d, seed, rank, shift):
    """[n, d] multiples of 2^-16; column j is column j % rank."""
    i, j = np.arange(n, dtype=np.uint64)[:, None], np.arange(d, dtype=np.uint64)[None, :] % np.uint64(rank)
    value = (mixed(i, j, seed) >> np.uint32(16)).astype(np.int64) * (1 + j.astype(np.int64) % 5)
    return (value + shift) / 65536.0


def images(n, c, side, seed):
    """[n, c, side, side] multiples of 1/256 in [0, 1): a pattern with noise of its own, and the same with more."""
    index = np.arange(n * c * side * side, dtype=np.uint64).reshape(n, c, side, side)
    y, x = (index // np.uint64(side)) % np.uint64(side), index % np.uint64(side)
    pattern = ((16 * y + 9 * x) % 256).astype(np.int64)
    noise = [(mixed(index, np.uint64(0), seed + k) >> np.uint32(24)).astype(np.int64) for k in (0, 1)]
    first = (noise[0] + 3 * pattern) // 4
    second = (noise[1] + 2 * first) // 3
    return first / 256.0, second / 256.0


SETS = {
    "more rows than features": ((200, 32, 1, 32, 0), (150, 32, 2, 32, 9000)),
    "fewer rows than features": ((20, 48, 3, 48, 0), (30, 48, 4, 48, 20000)),
    "identical": ((120, 16, 5, 16, 0), (120, 16, 5, 16, 0)),
    "deficient in rank": ((100, 24, 6, 7, 0), (90, 24, 7, 24, 4000)),
    "overlapping": ((300, 4, 8, 4, 0), (280, 4, 9, 4, 70000)),
}


def singular_frechet(a, b):
    """The same distance from the singular values of the rows' products: exact at any rank."""
    rows = [(x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    shared = np.linalg.svd(rows[0] @ rows[1].T, compute_uv=False).sum()
    traces = sum((x**2).sum() for x in rows)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + traces - 2 * shared)


def kid(a, b, subsets, size, seed):
    """torch-fidelity's, and the subsets that its generator drew."""
    options = {"kid_subsets": subsets, "kid_subset_size": size, "rng_seed": seed, "verbose": False}
    found = kid_features_to_metric(torch.from_numpy(a), torch.from_numpy(b), **options)
    rng = np.random.RandomState(seed)
    drawn = [[rng.choice(len(x), size, replace=False).tolist() for x in (a, b)] for _ in range(subsets)]
    return {
        "mean": found["kernel_inception_distance_mean"],
        "std_dev": found["kernel_inception_distance_std"],
        "subsets": drawn,
    }


def of_sets(first, second):
    a, b = features(*first), features(*second)
    x, y = torch.from_numpy(a), torch.from_numpy(b)
    statistics = [fid_features_to_statistics(table) for table in (x, y)]
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(a).kneighbors(b)
    options = {"save_cpu_ram": False, "verbose": False}
    return {
        "first": first,
        "second": second,
        "sums": [float(a.sum()), float(b.sum())],
        "covariance": [float(statistics[0]["sigma"][i, j]) for i, j in ((0, 0), (0, 1), (3, 2))],
        "fid": fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"],
        "fid_by_singular_values": singular_frechet(a, b),
        "kid": kid(a, b, 3, 15, 2020),
        # torch-fidelity wants equally many rows: those of the smaller set.
        "kid_of_all": float(kernel_mmd(a[: len(b)], b[: len(a)])),
        # The samples come first in version 0.4, and second before.
        "prc": [prc_features_to_metric(y, x, prc_neighborhood=k, prc_batch_size=64, **options) for k in (1, 3, 5)],
        "nearest": {"rows": nearest[1][:, 0].tolist(), "distances_sum": float(nearest[0].sum())},
        "pairwise": [float(pdist(a[at : at + 10]).mean()) for at in range(0, len(a), 10)],
    }


def of_logits(n, classes, seed, splits):
    logits = 3 * features(n, classes, seed, classes, 0)
    found = isc_features_to_metric(torch.from_numpy(logits), splits, shuffle=False)
    return {
        "n": n,
        "classes": classes,
        "seed": seed,
        "splits": splits,
        "mean": found["inception_score_mean"],
        "std_dev": found["inception_score_std"],
    }


def of_images(n, c, side, seed):
    a, b = images(n, c, side, seed)
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    ssim = lambda x, y, **options: float(structural_similarity(x, y, channel_axis=0, data_range=1, **options))
    hidden = (mixed(np.arange(n * side * side, dtype=np.uint64), np.uint64(1), seed) >> np.uint32(24)) < 100
    hidden = np.broadcast_to(hidden.reshape(n, 1, side, side), a.shape)
    psnr = lambda x, y: float(peak_signal_noise_ratio(x, y, data_range=1))
    return {
        "n": n,
        "channels": c,
        "side": side,
        "seed": seed,
        "ssim": [ssim(x, y) for x, y in zip(a, b)],
        "ssim_of_wang": [ssim(x, y, **wang) for x, y in zip(a, b)] if side >= 11 else None,
        "psnr_of_hidden": [psnr(x[h], y[h]) for x, y, h in zip(a, b, hidden)],
        "pooled_psnr_of_hidden": psnr(a[hidden], b[hidden]),
        "mae_of_hidden": float(np.abs(a[hidden] - b[hidden]).mean()),
        "ssim_as_seen": [ssim(x, np.where(h, y, x)) for x, y, h in zip(a, b, hidden)],
    }


def main():
    packages = ("numpy", "scipy", "scikit-image", "scikit-learn", "torch", "torch-fidelity")
    golden = {
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "sets": {name: of_sets(*sets) for name, sets in SETS.items()},
        "logits": [of_logits(203, 17, 11, 10), of_logits(64, 5, 12, 1)],
        "images": [of_images(3, 3, 16, 13), of_images(2, 1, 11, 14), of_images(2, 3, 7, 15)],
    }
    path = pathlib.Path(__file__).with_name("scores.json")
    path.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
