"""Evaluates a run on requests against baselines: words or user alone, popularity, BM25, the bare encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fashion_hash.data.requests.table import RequestData, Requests
from fashion_hash.errors import DataError
from fashion_hash.evaluation.requests import (
    REQUEST_METRICS,
    bm25,
    chance,
    popularity,
    request_metrics,
    request_values,
    statement,
)
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.loop import make_scorer
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.requests.scoring import SHORTLIST

BITS, FLOAT, RERANK = "taste + words, bits", "taste + words, float", f"bits, best {SHORTLIST} by float"
TEXT_ONLY, USER_ONLY = "text only, bits", "user only, bits"
POPULARITY, BM25, ZERO_SHOT, CHANCE = "popularity", "BM25", "zero-shot encoder", "chance"
METRICS = tuple(REQUEST_METRICS)


def evaluate_requests(run: RequestRun, split: str = "test", data: RequestData | None = None) -> dict[str, Any]:
    """Measures the best epoch of a run over the full catalogue.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        data: the data of the run; read again by default.

    Returns:
        {"run", "dataset", "split", "num_bits", "statement", "scorers": {name: {"recall@5", "recall@10",
        "ndcg@10", "mrr", "queries"}}}. "text only" and "user only" are the same model with one input masked.

    Raises:
        DataError: the data has no such split, or the split is empty.
        TrainingError: the data has changed since the training.
    """
    data = data or load_request_data(run.config, run.path)
    requests = data.split(split)
    if not len(requests):
        raise DataError(
            f"{data.name} has no {split} requests to measure: these are the last events of users with at least "
            "two; `fashion-hash import-data check` shows the sizes of the splits"
        )
    model, inputs, slope = run.model(data)
    score = make_scorer(model, inputs, split, requests, slope)
    scorers: dict[str, Callable[[Requests], np.ndarray]] = {
        BITS: score,
        FLOAT: lambda asked: score(asked, "relaxed"),
        RERANK: lambda asked: score(asked, "rerank"),
        TEXT_ONLY: lambda asked: score(asked, taste=False),
        USER_ONLY: lambda asked: score(asked, text=False),
        POPULARITY: popularity(data),
        BM25: bm25(data),
        ZERO_SHOT: zero_shot(inputs, requests),
        CHANCE: chance(data.num_items),
    }
    return {
        "run": str(run.path),
        "dataset": data.name,
        "split": split,
        "num_bits": run.config.requests.num_bits,
        "statement": statement(data, split),
        "scorers": {name: request_metrics(request_values(scorer, requests)) for name, scorer in scorers.items()},
    }


def zero_shot(inputs: RequestInputs, requests: Requests) -> Callable[[Requests], np.ndarray]:
    """Scores by the cosine of the encoder's vectors of words and items, without training."""
    vectors, rows = inputs.vectors(requests.texts)
    by_text = dict(zip(requests.texts, vectors[rows]))
    return lambda asked: np.stack([by_text[text] for text in asked.texts]) @ inputs.item_features.T


def request_table(report: Mapping[str, Any], spread: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """The report of `evaluate_requests` as a plain-text table.

    Args:
        report: the report; its figures may be means over runs.
        spread: the standard deviations over these runs, by scorer and metric.
    """
    width = max(len(name) for name in report["scorers"])
    cell_width = 17 if spread else 11
    lines = [
        f"{report['dataset']}, {report['split']}, {report['num_bits']} bits",
        f"  {report['statement']}",
        "  " + " " * width + "".join(metric.rjust(cell_width) for metric in METRICS),
    ]
    for name, metrics in report["scorers"].items():
        cells = [f"{metrics[metric]:.4f}" for metric in METRICS]
        if spread:
            cells = [f"{cell} ± {spread[name][metric]:.4f}" for cell, metric in zip(cells, METRICS)]
        lines.append("  " + name.ljust(width) + "".join(cell.rjust(cell_width) for cell in cells))
    return "\n".join(lines) + "\n"
