"""Evaluates a trained run on every protocol of a split, with baselines, for known and for new users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.data.splits.cold_users import COLD_TOLD, told_outfits
from fashion_hash.errors import DataError, QueryError, counted, expect
from fashion_hash.evaluation import baselines
from fashion_hash.evaluation.protocols import Metrics, Score, evaluate_split, statements
from fashion_hash.evaluation.report import report
from fashion_hash.training.measure.cold_users import cold_scorer, fold_ins, mean_user
from fashion_hash.training.measure.full import measure_full
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import ModelScorer, as_answered, trained_users
from fashion_hash.training.runs.validation import drawn_beside, drawn_negatives

COLD = (1, COLD_TOLD)


class _Task(NamedTuple):
    """What is measured: the rows of a split, or those of its cold users; `known` is set to draw negatives."""

    dataset: Dataset
    split: str
    part: Split
    seed: int
    known: Outfits | None


def evaluate(
    run: Run,
    split: str = "test",
    dataset: Dataset | None = None,
    *,
    drawn: bool = False,
    cold: Sequence[int] | None = None,
    calibrate: bool | None = None,
    full: bool | None = None,
) -> dict[str, Any]:
    """Measures the best epoch of a run.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        dataset: the data of the run; read again by default.
        drawn: whether to rank against drawn negatives as well, ten random and ten hard ones for each positive,
            unless the split has several of that kind itself.
        cold: how many outfits each hidden user tells, 1 and 5 by default; the code of the user is fitted to
            them, everything else is frozen. Only for runs with data.cold_users.
        calibrate: whether to weight the terms of the score on the validation split; by default as the configuration
            of the run says (train.calibrate).
        full: whether to rank all outfits for each user ("full_outfits"), and all items of each type for each user and
            outfit without it ("full_TYPE"); by default where that takes at most a billion scores (a million where
            every completed outfit has to be encoded). Hidden users are not ranked fully.

    Returns:
        {"run", "dataset", "split", "num_bits", "protocols": {name: {"statement", "relaxed", "binary",
        "baselines"}}, "left_out": {name of a protocol: why it was not measured}}: see
        `fashion_hash.evaluation.report.report`. Baselines: chance, popularity, and
        the binary model without its users (no_user) and without its pairs (no_item_pairs). Protocols of
        hidden users begin with "cold_1_" or "cold_5_"; their baselines use nothing about the user:
        chance, popularity, no_user and no_user_relaxed, and the mean of the known users (mean_user, relaxed).
        They also have fold_in, the code that `Recommender.add_user` gives (binary, or the vector).

    Raises:
        DataError: the data has no such split.
        QueryError: `cold` is set for a run without hidden users, or has a number below 1.
        TrainingError: the data has changed since the training.
    """
    expect(run, Run, "evaluate", "open a finished run with Run.open(path)")
    dataset = load_data(run.config, dataset, run.path)
    task = _Task(dataset, split, dataset.split(split), run.config.seed, dataset.known if drawn else None)
    model, inputs, slope = run.model(dataset)
    relaxed, binary = (make_scorer(run.config, model, inputs, form, dataset, calibrate) for form in (slope, None))
    known = trained_users(dataset)
    model_scorers: dict[str, Score] = {
        "relaxed": as_answered(relaxed, known),
        "binary": as_answered(binary, known),
        "no_user": binary.no_user,
        "no_item_pairs": binary.no_item_pairs,
    }
    results, lines = _measure(model_scorers | _baselines(task), task)
    counts = _cold_counts(dataset, split, cold)
    folded = fold_ins(run, dataset, binary, counts, calibrate)
    for told in counts:
        scorers = _cold_scorers(task, told, relaxed, binary, slope, folded[told])
        by_scorer, statements_of = _measure(scorers, _cold_task(task, drawn))
        _add(results, by_scorer, f"cold_{told}_")
        lines |= {f"cold_{told}_{key}": line + _cold_note(dataset, told) for key, line in statements_of.items()}
    ranked = measure_full(dataset, split, {"relaxed": relaxed, "binary": binary}, full, run.config.seed)
    _add(results, ranked.results)
    lines |= ranked.statements
    table = report(results, lines, dataset=dataset.name, split=split, num_bits=run.config.model.num_bits)
    return {"run": str(run.path), **table, "left_out": ranked.left_out}


def _add(results: dict[str, dict[str, Metrics]], more: Mapping[str, Mapping[str, Metrics]], prefix: str = "") -> None:
    """Adds the metrics of further protocols to those of each scorer."""
    for name, metrics_of in more.items():
        results.setdefault(name, {}).update({f"{prefix}{key}": metrics for key, metrics in metrics_of.items()})


def _baselines(task: _Task) -> dict[str, Score]:
    positives = task.dataset.split("train").positives
    return {"popularity": baselines.popularity(positives), "chance": baselines.chance(task.seed)}


def _cold_scorers(
    task: _Task, told: int, relaxed: ModelScorer, binary: ModelScorer, slope: float, folded: ModelScorer
) -> dict[str, Score]:
    """Scorers of the hidden users for a number of told outfits, and their baselines."""
    dataset, seed = task.dataset, task.seed
    assert dataset.cold is not None
    outfits, count = told_outfits(dataset.cold, told), len(dataset.cold.ids)
    trained = trained_users(dataset)
    mean = mean_user(relaxed, trained, count)
    scorers: dict[str, Score] = {
        "relaxed": cold_scorer(relaxed, dataset, outfits, slope, seed),
        "binary": cold_scorer(binary, dataset, outfits, slope, seed),
        "fold_in": folded,
        "no_user": mean_user(binary, trained, count).no_user,
        "no_user_relaxed": mean.no_user,
        "mean_user": mean,
    }
    return scorers | _baselines(task)


def _cold_task(task: _Task, drawn: bool) -> _Task:
    cold = task.dataset.cold
    assert cold is not None
    return task._replace(part=cold.splits[task.split], known=cold.known if drawn else None)


def _cold_note(dataset: Dataset, told: int) -> str:
    assert dataset.cold is not None
    return (
        f"; {counted(len(dataset.cold.ids), 'user')} hidden from training altogether, the code of each fitted to "
        f"{counted(told, 'outfit')} of theirs, everything else frozen"
    )


def _measure(scorers: dict[str, Score], task: _Task) -> tuple[dict[str, dict[str, Metrics]], dict[str, str]]:
    """The metrics of each scorer and protocol, and a statement of each protocol."""
    part, known = task.part, task.known
    has_own = part.negatives or part.questions or part.labelled or part.retrieval or known is not None
    alone = None if has_own else drawn_negatives(task.dataset, task.split, task.seed, part=part)
    beside = {} if known is None else drawn_beside(known, task.split, part, task.seed)
    part = replace(part, negatives={**part.negatives, **beside})
    results = {name: evaluate_split(score, part, alone) for name, score in scorers.items()}
    return results, statements(task.dataset.name, task.split, part, alone, task.seed, drawn_kinds=beside)


def _cold_counts(dataset: Dataset, split: str, cold: Sequence[int] | None) -> tuple[int, ...]:
    if dataset.cold is None:
        if cold:
            raise QueryError("cold: this run has no hidden users; train a run with data.cold_users=N")
        return ()
    if any(told < 1 for told in cold or ()):
        raise QueryError(f"cold must be at least 1 outfit, got {min(cold or ())}")
    fewest = int(np.bincount(dataset.cold.told.users).min())
    if cold and max(cold) > fewest:
        raise QueryError(f"cold must be at most {fewest}, the fewest outfits of a hidden user, got {max(cold)}")
    if split == "train":
        if cold:
            raise DataError("cold: hidden users tell their training outfits, so measure the split valid or test")
        return ()
    return tuple(dict.fromkeys(COLD if cold is None else cold))
