"""A run on requests beside what it has to beat: each half of the request alone, popularity, BM25, the bare encoder."""

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
        data: the data the run was trained on; read again when it is not given.

    Returns:
        {"run", "dataset", "split", "num_bits", "statement", "scorers": {name: {"recall@5", "recall@10",
        "ndcg@10", "mrr", "queries"}}}. Text only and user only are the same model with one input masked.

    Raises:
        DataError: there is no such split, or nothing in it.
        TrainingError: the data has changed since the training.
    """
    data = data or load_request_data(run.config)
    requests = data.split(split)
    if not len(requests):
        raise DataError(
            f"{data.name} has no {split} requests to measure: the last event of a user with at least two is one; "
            "tools/import_data.py check tells what each split holds"
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
    """Cosine of the encoder's vector of the words and its vector of each item; nothing is trained."""
    vectors, rows = inputs.vectors(requests.texts)
    by_text = dict(zip(requests.texts, vectors[rows]))
    return lambda asked: np.stack([by_text[text] for text in asked.texts]) @ inputs.item_features.T


def request_table(report: Mapping[str, Any], spread: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """The object of `evaluate_requests` as aligned plain text.

    Args:
        report: the object; its figures may be means over runs.
        spread: the standard deviations of these means, by scorer and metric.
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
