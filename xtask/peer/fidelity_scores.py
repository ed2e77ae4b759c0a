"""Scores of the features that `mg eval` has kept, by torch-fidelity, beside its own: a Markdown table.

    pip install torch torchvision torch-fidelity==0.4.0 safetensors
    mg eval --input A --ref B --features DIR --json=scores.json
    python fidelity_scores.py DIR scores.json ...

Kernel distances are means over other random subsets, so they agree within their deviation; all else is one number.
"""

import json
import pathlib
import struct
import sys

import numpy as np
import torch
from safetensors.numpy import load_file
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "crates/mg-backbone/weights/efficientnet-lite0.safetensors"
BLOCK, CHECK = 64, 8
MOST_PAIRS = 10**8  # precision and recall of larger sets would not fit memory


def header_of(path):
    """What a file says of itself, behind a magic and the header's length, and where its rows begin."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(16)[8:])[0]
        return json.loads(file.read(length)), 16 + length


def read(path):
    """[n, d] features of a file: blocks of rows with a checksum each."""
    (header, at), data, blocks = header_of(path), path.read_bytes(), []
    for first in range(0, header["rows"], BLOCK):
        count = min(BLOCK, header["rows"] - first) * header["width"]
        blocks.append(np.frombuffer(data, "<f4", count, at))
        at += 4 * count + CHECK
    return np.concatenate(blocks).reshape(header["rows"], header["width"]).astype(np.float64)


def scores(a, b, ours):
    """torch-fidelity's numbers, by the names of ours."""
    weights = load_file(WEIGHTS)
    logits = a @ weights["_fc.weight"].astype(np.float64).T + weights["_fc.bias"].astype(np.float64)
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    quiet = {"verbose": False}
    isc = isc_features_to_metric(torch.from_numpy(logits), splits=ours["inception_score"]["splits"], shuffle=False)
    fid = fid_statistics_to_metric(fid_features_to_statistics(a), fid_features_to_statistics(b), False)
    kid = kid_features_to_metric(a, b, kid_subset_size=ours["kernel_distance"]["subset"], **quiet)
    found = {
        "inception score": isc["inception_score_mean"], "its deviation": isc["inception_score_std"],
        "Fréchet distance": fid["frechet_inception_distance"],
        "kernel distance": kid["kernel_inception_distance_mean"],
        "its deviation ": kid["kernel_inception_distance_std"],
    }
    if max(len(a), len(b)) ** 2 <= MOST_PAIRS:
        prc = prc_features_to_metric(a, b, prc_neighborhood=ours["k"], **quiet)
        found |= {"precision": prc["precision"], "recall": prc["recall"]}
    return found


def main():
    folder, reports = pathlib.Path(sys.argv[1]), sys.argv[2:]
    files = {}
    for path in folder.glob("*.features"):
        header, _ = header_of(path)
        files[header["backbone"], header["images"]] = path
    print("| images | reference | score | `mg eval` | torch-fidelity |\n|---|---|---|---|---|")
    for report in reports:
        ours = json.loads(pathlib.Path(report).read_text())
        sides = [ours["input"], ours["reference"]]
        a, b = (read(files[ours["backbone_id"], side["id"]]) for side in sides)
        own = {
            "inception score": ours["inception_score"]["mean"], "its deviation": ours["inception_score"]["std_dev"],
            "Fréchet distance": ours["frechet_distance"], "kernel distance": ours["kernel_distance"]["mean"],
            "its deviation ": ours["kernel_distance"]["std_dev"], "precision": ours["precision"],
            "recall": ours["recall"],
        }
        names = [f"{side['what']}, {side['images']}" for side in sides]
        for name, value in scores(a, b, ours).items():
            print(f"| {names[0]} | {names[1]} | {name.strip()} | {own[name]:.6f} | {value:.6f} |", flush=True)


main()
