"""Effective sample sizes and split R-hats of small chains by ArviZ, for tests/it/golden.rs.

python3 -m venv reference && reference/bin/pip install "arviz<1" && reference/bin/python diagnosis.py
"""

import json
import pathlib

import arviz
import numpy


def autoregression(rng, phi, chains, draws, shift=0.0, drift=0.0):
    x = rng.normal(size=chains) / numpy.sqrt(1 - phi * phi)
    rows = []
    for t in range(draws):
        rows.append(x + shift * numpy.arange(chains) + drift * t)
        x = phi * x + rng.normal(size=chains)
    return numpy.round(numpy.stack(rows, axis=1), 3)


rng = numpy.random.default_rng(7)
cases = {
    "independent": autoregression(rng, 0.0, 4, 60),
    "slow": autoregression(rng, 0.9, 4, 150),
    "odd": autoregression(rng, 0.5, 2, 101),
    "single": autoregression(rng, 0.6, 1, 120),
    "overshooting": autoregression(rng, -0.6, 3, 100),
    "apart": autoregression(rng, 0.3, 4, 80, shift=0.5),
    "drifting": autoregression(rng, 0.3, 2, 80, drift=0.02),
}
golden = {
    "arviz": arviz.__version__,
    "numpy": numpy.__version__,
    "cases": [
        {
            "name": name,
            "chains": chains.tolist(),
            "effective_sample_size": float(arviz.ess(chains, method="mean")),
            "bulk": float(arviz.ess(chains, method="bulk")),
            "tail": float(arviz.ess(chains, method="tail")),
            # ArviZ refuses a single chain.
            "split_r_hat": float(arviz.rhat(chains, method="split")) if len(chains) > 1 else None,
            "rank_r_hat": float(arviz.rhat(chains, method="rank")) if len(chains) > 1 else None,
        }
        for name, chains in cases.items()
    ],
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
