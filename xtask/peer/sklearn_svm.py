"""Radford's protocol (table 2) with scikit-learn: LinearSVC on balanced draws of synthetic features.

The features are made by the recipe of the example `svm` of mg-eval: ReLUs of random mixtures of 64 hidden numbers, whose
means differ between ten classes. LIBLINEAR computes on one thread, so fits run side by side on as many threads as given.

    python3 -m venv peer && peer/bin/pip install scikit-learn
    cargo xtask bench svm --peer peer/bin/python

It prints one JSON line: seconds per draw of fitting all seven C with their accuracies on validation rows (choice_s), of
fitting one C with its error on test rows (test_s), and of table 2's ten of the former and hundred of the latter (grid_s).
"""

import argparse
import json
import sys
import time
import warnings

import numpy
import sklearn
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

CLASSES, HIDDEN, SHIFT, NOISE = 10, 64, 0.25, 0.5
C_GRID = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)


def rows(rng, mixture, means, n):
    labels = numpy.arange(n) % CLASSES
    hidden = means[labels] + rng.standard_normal((n, HIDDEN), dtype=numpy.float32)
    features = hidden @ mixture
    features += NOISE * rng.standard_normal(features.shape, dtype=numpy.float32)
    return numpy.maximum(features, 0, out=features), labels


def balanced(rng, labels, per_class):
    draws = [rng.choice(numpy.flatnonzero(labels == k), per_class, replace=False) for k in range(CLASSES)]
    return numpy.concatenate(draws)


def accuracy(train, held, c):
    return LinearSVC(C=c).fit(*train).score(*held)


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
    for option, default in (("labels", 1000), ("width", 15360), ("pool", 10000), ("held", 2000)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)

    rng = numpy.random.default_rng(1)
    mixture = rng.standard_normal((HIDDEN, args.width), dtype=numpy.float32) / numpy.float32(HIDDEN**0.5)
    means = numpy.float32(SHIFT) * rng.standard_normal((CLASSES, HIDDEN), dtype=numpy.float32)
    pool, validation, test = (rows(rng, mixture, means, n) for n in (args.pool, args.held, args.held))
    parallel = Parallel(n_jobs=args.threads, prefer="threads")

    def draw():
        chosen = balanced(rng, pool[1], args.labels // CLASSES)
        return pool[0][chosen].astype(numpy.float64), pool[1][chosen]

    begin = time.perf_counter()
    tasks = [delayed(accuracy)(train, validation, c) for train in (draw() for _ in range(args.draws)) for c in C_GRID]
    accuracies = numpy.reshape(parallel(tasks), (args.draws, len(C_GRID)))
    c = C_GRID[accuracies.mean(0).argmax()]
    choice_s = (time.perf_counter() - begin) / args.draws
    begin = time.perf_counter()
    accuracies = parallel(delayed(accuracy)(draw(), test, c) for _ in range(args.draws))
    test_s = (time.perf_counter() - begin) / args.draws
    report = {
        "peer": f"scikit-learn {sklearn.__version__}",
        "labels": args.labels,
        "width": args.width,
        "pool": args.pool,
        "held": args.held,
        "draws": args.draws,
        "threads": args.threads,
        "choice_s": round(choice_s, 4),
        "test_s": round(test_s, 4),
        "grid_s": round(10 * choice_s + 100 * test_s, 3),
        "c": c,
        "error": round(100 * (1 - numpy.mean(accuracies)), 3),
        "peak_mib": round(peak_mib()),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
