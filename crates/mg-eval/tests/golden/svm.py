"""Makes svm.json: small problems with the solutions of scikit-learn's LinearSVC, one class against the rest.

    python3 -m venv golden && golden/bin/pip install scikit-learn==1.7.2 numpy==2.3.4
    golden/bin/python crates/mg-eval/tests/golden/svm.py

Features are multiples of 1/16, so that they are exact in the file and in f32.
"""

import json
import warnings
from pathlib import Path

import numpy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

C_VALUES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
QUERIES = 8


def problem(name, seed, width, counts, relu):
    """Rows of `len(counts)` classes with shifted means, `counts` of each."""
    rng = numpy.random.default_rng(seed)
    means = rng.normal(0, 0.7, (len(counts), width))
    labels = numpy.repeat(numpy.arange(len(counts)), counts)
    labels = numpy.concatenate([labels, rng.integers(0, len(counts), QUERIES)])
    rows = means[labels] + rng.normal(0, 1, (len(labels), width))
    rows = numpy.round(numpy.maximum(rows, 0) * 16 if relu else rows * 16) / 16
    return name, rows[:-QUERIES], labels[:-QUERIES], rows[-QUERIES:]


def objective_and_gap(rows, signs, c, svm):
    """|w|^2 / 2 + C sum max(0, 1 - y w x)^2 and half the gradient's squared length."""
    rows = numpy.hstack([rows, numpy.ones((len(rows), 1))])
    w = numpy.append(svm.coef_[0], svm.intercept_[0])
    slack = numpy.maximum(0, 1 - signs * (rows @ w))
    gradient = w - 2 * c * rows.T @ (signs * slack)
    return 0.5 * w @ w + c * slack @ slack, 0.5 * gradient @ gradient


def fit(rows, labels, queries, c):
    objectives, decisions = [], []
    for label in range(labels.max() + 1):
        signs = numpy.where(labels == label, 1, -1)
        svm = LinearSVC(C=c, loss="squared_hinge", penalty="l2", dual=False, tol=1e-14, max_iter=100_000)
        svm.fit(rows, signs)
        objective, gap = objective_and_gap(rows, signs, c, svm)
        assert gap < 1e-9 * objective, f"LinearSVC stopped {gap / objective} of the objective too early"
        objectives.append(objective)
        decisions.append(svm.decision_function(queries))
    decisions = numpy.stack(decisions, 1)
    return {
        "c": c,
        "objectives": objectives,
        "decisions": decisions.tolist(),
        "predictions": decisions.argmax(1).tolist(),
    }


def main():
    warnings.simplefilter("ignore", ConvergenceWarning)
    problems = [
        problem("fewer rows than features", 1, 40, (8, 8, 8), relu=True),
        problem("more rows than features", 2, 5, (15, 15, 15, 15), relu=False),
        problem("unbalanced classes", 3, 12, (30, 11, 3), relu=False),
        problem("two classes", 4, 30, (9, 11), relu=True),
    ]
    out = {"made_with": f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}", "problems": []}
    for name, rows, labels, queries in problems:
        fits = [fit(rows, labels, queries, c) for c in C_VALUES]
        out["problems"].append(
            {
                "name": name,
                "features": rows.tolist(),
                "labels": labels.tolist(),
                "queries": queries.tolist(),
                "fits": fits,
            }
        )
    Path(__file__).with_suffix(".json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
