"""What a bundle answers requests with, against each of its terms alone: recall@10 and MRR on reviews.

    python benchmarks/bench_request_sum.py [--only cards|beauty|kit|amazon] [--seeds 0 1 2] [--amazon FILE]
        [--set key=value]... [--json] [--save NAME]

Trains configs/requests_amazon_fashion.yaml on each data set and once a seed, and measures the test split: what the
bundle answers (the fitted sum) with a user and without, its bits, and the peers that it must not fall behind: words
alone, taste alone, the untrained encoder, BM25 and popularity. Made reviews are drawn anew for each seed
(benchmarks/review_worlds.py); Amazon Fashion lies beside the project and is left out when absent.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from machine import machine
from review_worlds import FORMS, write_reviews

import results
from fashion_hash.config.experiment import load_experiment
from fashion_hash.config.requests import RequestConfig
from fashion_hash.evaluation.requests import request_metrics, request_values
from fashion_hash.training.measure.requests import (
    ANSWER,
    ANSWER_ANYONE,
    BITS,
    BM25,
    CHANCE,
    POPULARITY,
    TEXT_ONLY,
    USER_ONLY,
    ZERO_SHOT,
    request_scorers,
)
from fashion_hash.training.requests.inputs import load_request_data
from fashion_hash.training.requests.loop import fit_requests

PROJECT = Path(__file__).resolve().parent.parent
PEERS = (TEXT_ONLY, USER_ONLY, ZERO_SHOT, BM25, POPULARITY)
ROWS = (ANSWER, ANSWER_ANYONE, BITS, *PEERS, CHANCE)
METRICS = ("recall@10", "mrr")

Figures = Mapping[str, Mapping[str, float]]


def measure(root: Path, seed: int, overrides: Sequence[str]) -> dict[str, dict[str, float]]:
    """The metrics of each row on the test split of one training."""
    settings = [f"data.root={root}", f"seed={seed}", f"data.seed={seed}", *overrides]
    config = load_experiment(PROJECT / "configs/requests_amazon_fashion.yaml", settings)
    assert isinstance(config, RequestConfig)
    data = load_request_data(config)
    with tempfile.TemporaryDirectory() as folder:
        run = fit_requests(config, data, Path(folder) / "run")
        test = data.split("test")
        scorers = request_scorers(run, "test", data, test.texts)
        return {name: request_metrics(request_values(scorers[name], test)) for name in ROWS}


def over_seeds(of_seeds: Sequence[Figures]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean and standard deviation of each row and metric."""
    values = {name: {key: [figures[name][key] for figures in of_seeds] for key in METRICS} for name in ROWS}
    return {
        name: {
            key: {"mean": statistics.mean(numbers), "deviation": statistics.pstdev(numbers)}
            for key, numbers in of_row.items()
        }
        for name, of_row in values.items()
    }


def table(name: str, figures: Mapping[str, Any]) -> str:
    """The figures of one data set as text."""
    lines = [f"{name}, {figures['queries']} test requests a seed", " " * 22 + "".join(f"{key:>18}" for key in METRICS)]
    for row, metrics in figures["rows"].items():
        cells = [f"{metrics[key]['mean']:.3f} ± {metrics[key]['deviation']:.3f}" for key in METRICS]
        lines.append(f"{row:22}{''.join(f'{cell:>18}' for cell in cells)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", choices=(*FORMS, "amazon"))
    parser.add_argument("--amazon", type=Path, default=PROJECT / "../shared/data/amazon_fashion/AMAZON_FASHION_5.json")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--threads", type=int, default=1)
    results.add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, Any] = {}
    for name in [options.only] if options.only else (*FORMS, "amazon"):
        if name == "amazon" and not options.amazon.exists():
            print(f"amazon: left out, because {options.amazon} does not exist", file=sys.stderr)
            continue
        of_seeds = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                root = options.amazon if name == "amazon" else write_reviews(Path(folder), name, seed)
                of_seeds.append(measure(root, seed, options.set))
            print(f"{name}, seed {seed}: {of_seeds[-1][ANSWER]}", file=sys.stderr, flush=True)
        queries = [int(figures[ANSWER]["queries"]) for figures in of_seeds]
        found[name] = {"seeds": options.seeds, "queries": queries, "rows": over_seeds(of_seeds)}
        if not options.json:
            print(table(name, found[name]), flush=True)
    if not results.hand_over(options, {"machine": machine(), **found}):
        print(machine())


if __name__ == "__main__":
    main()
