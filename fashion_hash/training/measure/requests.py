"""Evaluates a run on requests against baselines: words or user alone, popularity, BM25, the bare encoder.

Two things are measured: where the item that was taken ranks for the requests of a split, and how well the first items
satisfy requests as users type them, of which every satisfying item is known (data/requests/typed.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.config.requests import RequestConfig
from fashion_hash.data.requests.judged import JudgedRequests
from fashion_hash.data.requests.table import RequestData
from fashion_hash.data.requests.typed import typed_requests
from fashion_hash.errors import DataError
from fashion_hash.evaluation.judged import ALL, JUDGED_METRICS, judged_metrics, judged_values
from fashion_hash.evaluation.requests import (
    REQUEST_METRICS,
    Score,
    bm25,
    chance,
    history,
    neighbours,
    popularity,
    request_metrics,
    request_values,
    statement,
)
from fashion_hash.training.requests.answer import answer_scorer
from fashion_hash.training.requests.inputs import RequestInputs, load_request_data
from fashion_hash.training.requests.loop import make_scorer
from fashion_hash.training.requests.run import RequestRun
from fashion_hash.training.requests.scoring import SHORTLIST

ANSWER, ANSWER_ANYONE = "bits + facts", "bits + facts, no user"
BITS, FLOAT, RERANK = "taste + words, bits", "taste + words, float", f"bits, best {SHORTLIST} by float"
TEXT_ONLY, USER_ONLY = "text only, bits", "user only, bits"
POPULARITY, BM25, ZERO_SHOT, CHANCE = "popularity", "BM25", "zero-shot encoder", "chance"
METRICS = tuple(REQUEST_METRICS)
BY_KIND = ("adherence@2", "satisfied_ndcg@10")
"""The metrics of judged requests that are printed for each kind of request."""


def evaluate_requests(run: RequestRun, split: str = "test", data: RequestData | None = None) -> dict[str, Any]:
    """Measures the best epoch of a run over the full catalogue.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        data: the data of the run; read again by default.

    Returns:
        {"run", "dataset", "split", "num_bits", "statement", "scorers": {name: {"recall@5", "recall@10",
        "ndcg@10", "mrr", "queries"}}, "judged"}. "text only" and "user only" are the same model with one input masked;
        "bits + facts" is what the bundle answers. "judged" is None for a catalogue without columns that requests can
        name, else {"statement", "scorers": {name: {kind: {metric of JUDGED_METRICS: mean, "queries"}}}}, the kind
        "all" first.

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
    judged = typed_requests(data, split, run.config.seed)
    scorers = request_scorers(run, split, data, (*requests.texts, *judged.requests.texts))
    return {
        "run": str(run.path),
        "dataset": data.name,
        "split": split,
        "num_bits": run.config.requests.num_bits,
        "statement": statement(data, split),
        "scorers": {name: request_metrics(request_values(scorer, requests)) for name, scorer in scorers.items()},
        "judged": judged_report(scorers, judged) if len(judged) else None,
    }


def request_scorers(run: RequestRun, split: str, data: RequestData, texts: Sequence[str]) -> dict[str, Score]:
    """The best epoch of a run and the baselines, by name, for requests with some texts.

    Args:
        run: a finished run.
        split: the users of the requests are known as before this split.
        data: the data of the run.
        texts: the words of every request that will be scored.
    """
    model, inputs, slope = run.model(data)
    score = make_scorer(model, inputs, split, texts, slope)
    answer = answer_scorer(run, data, split, score)
    return {
        ANSWER: answer,
        ANSWER_ANYONE: lambda asked: answer(asked.anonymous()),
        BITS: score,
        FLOAT: lambda asked: score(asked, "relaxed"),
        RERANK: lambda asked: score(asked, "rerank"),
        TEXT_ONLY: lambda asked: score(asked, taste=False),
        USER_ONLY: lambda asked: score(asked, text=False),
        POPULARITY: popularity(data),
        BM25: bm25(data),
        ZERO_SHOT: zero_shot(inputs, texts),
        CHANCE: chance(data.num_items),
    }


def request_baselines(config: RequestConfig, split: str = "test", data: RequestData | None = None) -> dict[str, Any]:
    """Measures what needs no training on the requests of a configuration.

    Args:
        config: of requests; its encoder, untrained, is one of the baselines.
        split: "train", "valid" or "test".
        data: the requests; read again by default.

    Returns:
        As `evaluate_requests`, without "run" and with "num_bits" None; the scorers are popularity, what the user took
        ("history"), what such users took ("neighbours"), BM25, the zero-shot encoder and chance.

    Raises:
        DataError: the data has no such split, or the split is empty.
    """
    data = data or load_request_data(config)
    requests = data.split(split)
    if not len(requests):
        raise DataError(f"{data.name} has no {split} requests to measure")
    judged = typed_requests(data, split, config.seed)
    inputs = RequestInputs(config, data)
    scorers: dict[str, Score] = {
        POPULARITY: popularity(data),
        "history": history(data),
        "neighbours": neighbours(data),
        BM25: bm25(data),
        ZERO_SHOT: zero_shot(inputs, (*requests.texts, *judged.requests.texts)),
        CHANCE: chance(data.num_items),
    }
    return {
        "dataset": data.name,
        "split": split,
        "num_bits": None,
        "statement": statement(data, split),
        "scorers": {name: request_metrics(request_values(scorer, requests)) for name, scorer in scorers.items()},
        "judged": judged_report(scorers, judged) if len(judged) else None,
    }


def judged_report(scorers: Mapping[str, Score], judged: JudgedRequests) -> dict[str, Any]:
    """What every scorer does on judged requests; see "judged" of `evaluate_requests`."""
    kinds = ", ".join(f"{judged.kinds.count(kind)} {kind}" for kind in dict.fromkeys(judged.kinds))
    return {
        "statement": f"{len(judged):,} requests as users type them ({kinds}); adherence@k is the share of the first k "
        "items with every hard fact, satisfied_ndcg@10 counts items with all that is said; recall and MRR are of the "
        "item that was taken",
        "scorers": {
            name: judged_metrics(judged_values(score, judged), judged.kinds) for name, score in scorers.items()
        },
    }


def zero_shot(inputs: RequestInputs, texts: Sequence[str]) -> Score:
    """Scores by the cosine of the encoder's vectors of words and items, without training."""
    vectors, rows = inputs.vectors(texts)
    by_text = dict(zip(texts, vectors[rows]))
    return lambda asked: np.stack([by_text[text] for text in asked.texts]) @ inputs.item_features.T


def request_table(report: Mapping[str, Any], spread: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """The report of `evaluate_requests` as a plain-text table.

    Args:
        report: the report; its figures may be means over runs.
        spread: the standard deviations over these runs, by scorer and metric.
    """
    width = max(len(name) for name in report["scorers"])
    lines = [
        f"{report['dataset']}, {report['split']}" + (f", {report['num_bits']} bits" if report["num_bits"] else ""),
        f"  {report['statement']}",
        _heading("", METRICS, width, spread),
    ]
    for name, metrics in report["scorers"].items():
        lines.append("  " + name.ljust(width) + _cells(metrics, METRICS, spread[name] if spread else None))
    text = "\n".join(lines) + "\n"
    return text if report.get("judged") is None else f"{text}\n{judged_table(report['judged'])}"


def judged_table(judged: Mapping[str, Any], spread: Mapping[str, Any] | None = None) -> str:
    """The figures of judged requests as plain text: every metric over all kinds, then two metrics by kind.

    Args:
        judged: "judged" of `evaluate_requests`; its figures may be means over runs.
        spread: the standard deviations over these runs, by scorer, kind and metric.
    """
    scorers = judged["scorers"]
    width = max(map(len, scorers))
    lines = [f"  {judged['statement']}", _heading("all kinds", JUDGED_METRICS, width, spread)]
    for name, of in scorers.items():
        lines.append("  " + name.ljust(width) + _cells(of[ALL], JUDGED_METRICS, spread[name][ALL] if spread else None))
    kinds = [kind for kind in next(iter(scorers.values())) if kind != ALL]
    for metric in BY_KIND:
        lines.append(_heading(metric, kinds, width, spread))
        for name, of in scorers.items():
            spreads = {kind: spread[name][kind][metric] for kind in kinds} if spread else None
            lines.append("  " + name.ljust(width) + _cells({kind: of[kind][metric] for kind in kinds}, kinds, spreads))
    return "\n".join(lines) + "\n"


def _heading(title: str, names: Sequence[str], width: int, spread: object) -> str:
    return "  " + title.ljust(width) + "".join(name.rjust(_column(name, spread)) for name in names)


def _cells(values: Mapping[str, float | None], names: Sequence[str], spread: Mapping[str, float] | None) -> str:
    cells = []
    for name in names:
        value = values[name]
        cell = "-" if value is None else f"{value:.4f}"
        cells.append(
            (f"{cell} ± {spread[name]:.4f}" if spread and value is not None else cell).rjust(_column(name, spread))
        )
    return "".join(cells)


def _column(name: str, spread: object) -> int:
    return max(17 if spread else 11, len(name) + 2)
