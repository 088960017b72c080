"""What requests can be answered without a model: chance, popularity, history, neighbours, BM25; planted ceilings.

    python benchmarks/bench_request_baselines.py                            the sample's requests
    python benchmarks/bench_request_baselines.py amazon_reviews ROOT [--copies blank] [--seeds 3]

The ceilings are known for a sample only: the best that the words alone, the planted taste alone and both reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

import results
from fashion_hash.data.load import load_dataset
from fashion_hash.data.requests.load import load_requests
from fashion_hash.data.requests.synthesis import make_requests
from fashion_hash.data.requests.table import RequestData
from fashion_hash.data.sample.truth import planted_tastes
from fashion_hash.evaluation import requests as measured

NAMES = tuple(measured.REQUEST_METRICS)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("format", nargs="?", default="polyvore_u")
    parser.add_argument("root", nargs="?", default="polyvore_data")
    parser.add_argument("--subset", help="of outfits; of the sample tuples_630")
    parser.add_argument("--copies", choices=("drop", "blank"), default="drop")
    parser.add_argument("--seeds", type=int, default=1, help="splits (the order within a moment is drawn)")
    results.add_options(parser)
    options = parser.parse_args(argv)
    if options.format == "polyvore_u" and options.root == "polyvore_data":
        options.subset = options.subset or "tuples_630"
    tables = []
    for seed in range(options.seeds):
        data = load_requests(options.format, options.root, subset=options.subset, copies=options.copies, seed=seed)
        tables.append(_baselines(data))
        if options.format == "polyvore_u" and seed == 0 and options.root == "polyvore_data":
            tables[0] |= _ceilings(data, options.root, options.subset)
    if results.hand_over(options, {"tables": tables}):
        return 0
    print(measured.statement(data))
    print(f"{'':22}{''.join(f'{name:>18}' for name in NAMES)}")
    for name in tables[0]:
        of_seeds = np.array([[table[name][metric] for metric in NAMES] for table in tables if name in table])
        cells = [f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(of_seeds.mean(axis=0), of_seeds.std(axis=0))]
        print(f"{name:22}{''.join(f'{cell if len(of_seeds) > 1 else cell[:5]:>18}' for cell in cells)}")
    return 0


def _baselines(data: RequestData) -> dict[str, dict[str, float]]:
    scorers = {
        "chance": measured.chance(data.num_items),
        "popularity": measured.popularity(data),
        "history": measured.history(data),
        "neighbours": measured.neighbours(data),
        "BM25": measured.bm25(data),
    }
    test = data.split("test")
    return {name: measured.request_metrics(measured.request_values(score, test)) for name, score in scorers.items()}


def _ceilings(data: RequestData, root: str, subset: str) -> dict[str, dict[str, float]]:
    """The planted truth as scorers; the times of the requests number them, for want of anything else in them."""
    test = replace(data.split("test"), times=np.arange(len(data.split("test"))))
    tastes = planted_tastes(root, subset)
    liked = np.concatenate([tastes[kind] for kind in data.types], axis=1)
    fits = np.zeros((len(test), data.num_items))
    for request, rows in enumerate(make_requests(load_dataset("polyvore_u", root, subset=subset))["test"].fitting):
        fits[request, rows] = 1
    taken = measured.history(data)
    scorers: dict[str, measured.Score] = {
        "planted words": lambda asked: fits[asked.times],
        "planted taste": lambda asked: liked[asked.users],
        "both planted": lambda asked: np.where(fits[asked.times] > 0, liked[asked.users], -np.inf),
        "words and history": lambda asked: np.where(fits[asked.times] > 0, taken(asked), -np.inf),
    }
    return {name: measured.request_metrics(measured.request_values(score, test)) for name, score in scorers.items()}


if __name__ == "__main__":
    raise SystemExit(main())
