"""Every protocol of a split for a trained run, beside its baselines; new users beside those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.cold_users import COLD_TOLD, told_outfits
from fashion_hash.data.dataset import Dataset, Split
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation import baselines
from fashion_hash.evaluation.protocols import Metrics, Score, evaluate_split, statements
from fashion_hash.evaluation.report import report
from fashion_hash.training.measure.cold_users import cold_scorer, fold_ins, mean_user
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.validation import drawn_beside, drawn_negatives

COLD = (1, COLD_TOLD)


def evaluate(
    run: Run,
    split: str = "test",
    dataset: Dataset | None = None,
    *,
    drawn: bool = False,
    cold: Sequence[int] | None = None,
    calibrate: bool | None = None,
) -> dict[str, Any]:
    """Measures the best epoch of a run.

    Args:
        run: a finished run.
        split: "train", "valid" or "test".
        dataset: the data the run was trained on; read again when it is not given.
        drawn: also rank against drawn negatives, random and hard, ten a positive, of the kinds of which
            the split has not several a positive.
        cold: how many outfits the users that were hidden from training tell, 1 and 5 by default; their
            code is fitted to these, everything else is frozen. Only for runs with data.cold_users.
        calibrate: whether the terms of the score are weighed on the validation split; None as the run's
            configuration says (train.calibrate).

    Returns:
        {"run", "dataset", "split", "num_bits", "protocols": {name: {"statement", "relaxed", "binary",
        "baselines"}}}: see `fashion_hash.evaluation.report.report`. Baselines: chance, popularity, and
        the binary model without its users (no_user) and without its pairs (no_item_pairs). Protocols of
        hidden users begin with "cold_1_", "cold_5_"; their baselines are those that know nobody:
        chance, popularity, no_user and no_user_relaxed, and the mean of the known users (mean_user, relaxed).
        Beside them stands fold_in, the code that `Recommender.add_user` gives in use (binary, or the vector).

    Raises:
        DataError: there is no such split.
        QueryError: `cold` of a run that hid nobody, or a number below 1.
        TrainingError: the data has changed since the training.
    """
    dataset = load_data(run.config, dataset)
    part = dataset.split(split)
    seed = run.config.seed
    model, inputs, slope = run.model(dataset)
    relaxed, binary = (make_scorer(run.config, model, inputs, form, dataset, calibrate) for form in (slope, None))
    popularity = baselines.popularity(dataset.split("train").positives)
    results, lines = _measure(
        {
            "relaxed": relaxed,
            "binary": binary,
            "no_user": binary.no_user,
            "no_item_pairs": binary.no_item_pairs,
            "popularity": popularity,
            "chance": baselines.chance(seed),
        },
        dataset,
        split,
        part,
        seed,
        dataset.known if drawn else None,
    )
    counts = _cold_counts(dataset, split, cold)
    folded = fold_ins(run, dataset, binary, counts, calibrate)
    for told in counts:
        assert dataset.cold is not None
        outfits = told_outfits(dataset.cold, told)
        nobody = mean_user(relaxed, len(dataset.cold.ids))
        found, said = _measure(
            {
                "relaxed": cold_scorer(relaxed, dataset, outfits, slope, seed),
                "binary": cold_scorer(binary, dataset, outfits, slope, seed),
                "fold_in": folded[told],
                "no_user": mean_user(binary, len(dataset.cold.ids)).no_user,
                "no_user_relaxed": nobody.no_user,
                "mean_user": nobody,
                "popularity": popularity,
                "chance": baselines.chance(seed),
            },
            dataset,
            split,
            dataset.cold.splits[split],
            seed,
            dataset.cold.known if drawn else None,
        )
        plural = "s" if told > 1 else ""
        for name, of in found.items():
            results[name] = results.get(name, {}) | {f"cold_{told}_{one}": metrics for one, metrics in of.items()}
        for name, line in said.items():
            lines[f"cold_{told}_{name}"] = (
                f"{line}; {len(dataset.cold.ids)} users hidden from training altogether, the code of each fitted to "
                f"{told} outfit{plural} of theirs, everything else frozen"
            )
    found_report = report(results, lines, dataset=dataset.name, split=split, num_bits=run.config.model.num_bits)
    return {"run": str(run.path), **found_report}


def _measure(
    scorers: dict[str, Score], dataset: Dataset, split: str, part: Split, seed: int, known: Outfits | None
) -> tuple[dict[str, dict[str, Metrics]], dict[str, str]]:
    """The metrics of each scorer and protocol, and what each protocol is; `known` where negatives are to be drawn."""
    given = part.negatives or part.questions or known is not None
    alone = None if given else drawn_negatives(dataset, split, seed, part=part)
    beside = {} if known is None else drawn_beside(known, split, part, seed)
    part = replace(part, negatives={**part.negatives, **beside})
    results = {name: evaluate_split(score, part, alone) for name, score in scorers.items()}
    return results, statements(dataset.name, split, part, alone, seed, drawn_kinds=beside)


def _cold_counts(dataset: Dataset, split: str, cold: Sequence[int] | None) -> tuple[int, ...]:
    if dataset.cold is None:
        if cold:
            raise QueryError("cold: this run hid no users; train one with data.cold_users=N, then they are new to it")
        return ()
    if any(told < 1 for told in cold or ()):
        raise QueryError(f"cold: a new user tells one outfit at least, not {min(cold or ())}")
    fewest = int(np.bincount(dataset.cold.told.users).min())
    if cold and max(cold) > fewest:
        raise QueryError(
            f"cold: {max(cold)} outfits of each, but some hidden users have {fewest} training outfits only"
        )
    if split == "train":
        if cold:
            raise DataError("cold: the training outfits of hidden users are what they tell: measure valid or test")
        return ()
    return tuple(dict.fromkeys(COLD if cold is None else cold))
