"""Taste plus words: recall, NDCG and MRR over the full catalogue in bits, beside each half alone and the baselines.

    python benchmarks/bench_requests.py [--seeds 0 1 2] [--only sample|amazon] [--sample FOLDER] [--amazon FILE]
        [--set key=value]... [--float] [--json]

Trains configs/requests_sample.yaml and configs/requests_amazon_fashion.yaml once a seed and prints the mean of the
test split's figures and their standard deviation. Text only and user only are the same models with one input masked.
The sample is made when the folder is absent; the reviews lie beside the project and are left out when absent.
--float: also trains the same towers for unit vectors instead of bits, for comparison.

Paper: WhisperLite, Sevegnani et al., 2022 (arXiv 2207.12033), which publishes no figures on these data.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from machine import machine

import results
from fashion_hash.config.experiment import load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.sample.write import make_sample
from fashion_hash.training.measure.requests import BITS, FLOAT, METRICS, evaluate_requests, request_table
from fashion_hash.training.requests.inputs import load_request_data
from fashion_hash.training.requests.loop import fit_requests

PROJECT = Path(__file__).resolve().parent.parent
CONFIGS = {"sample": "requests_sample.yaml", "amazon": "requests_amazon_fashion.yaml"}


def measure(path: Path, seeds: Sequence[int], overrides: Sequence[str], trained_float: bool) -> dict[str, Any]:
    """The object of `evaluate_requests` with means over seeds, their "spread", and seconds of training a seed."""
    reports, seconds = [], []
    for seed in seeds:
        config = load_experiment(path, [*overrides, f"seed={seed}"])
        assert isinstance(config, RequestConfig), path
        data = load_request_data(config)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            run = fit_requests(config, data, Path(folder) / "run")
            seconds.append(time.perf_counter() - started)
            report = evaluate_requests(run, data=data)
            if trained_float:
                other = config.model_copy(update={"requests": config.requests.model_copy(update={"output": "float"})})
                found = evaluate_requests(fit_requests(other, data, Path(folder) / "float"), data=data)["scorers"]
                report["scorers"]["taste + words, trained in float"] = found[FLOAT]
        reports.append(report)
    scorers = reports[0]["scorers"]
    values = {one: {key: [r["scorers"][one][key] for r in reports] for key in METRICS} for one in scorers}
    return {
        **reports[0],
        "seeds": list(seeds),
        "seconds": statistics.mean(seconds),
        "scorers": {one: {key: statistics.mean(found) for key, found in of.items()} for one, of in values.items()},
        "spread": {one: {key: statistics.pstdev(found) for key, found in of.items()} for one, of in values.items()},
    }


def margins(report: dict[str, Any]) -> str:
    """How far taste and words stand above every other line, relative, at recall@5, recall@10 and MRR."""
    own = report["scorers"][BITS]
    lines = []
    for other, found in report["scorers"].items():
        if other != BITS:
            shares = (f"{key} {own[key] / found[key] - 1:+.0%}" for key in ("recall@5", "recall@10", "mrr"))
            lines.append(f"  against {other}: {', '.join(shares)}")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=tuple(CONFIGS))
    parser.add_argument("--sample", type=Path, default=PROJECT / "polyvore_data")
    parser.add_argument("--amazon", type=Path, default=PROJECT / "../shared/data/amazon_fashion/AMAZON_FASHION_5.json")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--float", action="store_true", help="also train unit vectors, for comparison")
    parser.add_argument("--threads", type=int, default=2)
    results.add_options(parser)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    roots = {"sample": args.sample, "amazon": args.amazon}
    found: dict[str, Any] = {}
    for name in [args.only] if args.only else CONFIGS:
        if name == "sample" and not roots[name].exists():
            make_sample(roots[name], pictures=False)
        if not roots[name].exists():
            print(f"{name}: left out, there is no {roots[name]}\n", file=sys.stderr)
            continue
        overrides = [f"data.root={roots[name]}", *args.set]
        report = measure(PROJECT / "configs" / CONFIGS[name], args.seeds, overrides, args.float)
        found[name] = report
        if not args.json:
            print(request_table(report, report["spread"]) + margins(report))
            print(
                f"  {len(args.seeds)} seeds, mean ± standard deviation; {report['seconds']:.0f} s of training a seed\n"
            )
    if not results.hand_over(args, {"machine": machine(), **found}):
        print(machine())


if __name__ == "__main__":
    main()
