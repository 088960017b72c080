"""Full ranking of a run: its model in every form, with chance and popularity beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import counted
from fashion_hash.evaluation.baselines.clicks import ItemColumns, item_clicks, outfit_clicks
from fashion_hash.evaluation.baselines.plain import nothing, popular
from fashion_hash.evaluation.protocols import Metrics
from fashion_hash.evaluation.ranking.protocols import FullProtocol, full_protocols
from fashion_hash.evaluation.ranking.rank import FullRanking
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits, Scores
from fashion_hash.training.ranking.scores import FullScores, full_scores
from fashion_hash.training.runs.calibration import make_scorer
from fashion_hash.training.runs.run import Run, load_data
from fashion_hash.training.runs.scoring import ModelScorer, trained_users

MOST = 10**9
"""A protocol of more scores than this, for one scorer, is measured only on demand."""

ENCODED = 10**6, 10**7
"""The same where a score takes the encoding of a whole outfit, and to how many it is cut down on demand."""


class FullResults(NamedTuple):
    """What `measure_full` measured.

    Attributes:
        results: scorer to protocol to metrics.
        statements: by protocol.
        left_out: by protocol, why it was not measured.
        protocols: those that were measured.
    """

    results: dict[str, dict[str, Metrics]]
    statements: dict[str, str]
    left_out: dict[str, str]
    protocols: dict[str, FullProtocol]


class Scorers(NamedTuple):
    """What ranks everything by one scorer."""

    outfits: ScoreOutfits
    items: ScoreItems


def measure_full(
    dataset: Dataset, split: str, forms: Mapping[str, ModelScorer], full: bool | None, seed: int
) -> FullResults:
    """Ranks all outfits, and all items of each type, by a model and by chance and popularity.

    Args:
        dataset: the data of the run.
        split: the name of the split.
        forms: the model's scorers by name, "relaxed" and "binary" among them.
        full: True measures every protocol, None those of at most `MOST` scores, False none.
        seed: of the lists that are drawn where outfits have to be encoded.
    """
    measured = FullResults({}, {}, {}, {})
    if full is False:
        return measured
    trained = trained_users(dataset)
    scores = {name: full_scores(scorer, trained) for name, scorer in forms.items()}
    at_once = all(score.fast_items for score in scores.values())
    scores |= {"no_user": scores["binary"].no_user(), "no_item_pairs": scores["binary"].no_item_pairs()}
    protocols, left_out = chosen_protocols(dataset, split, full, None if at_once else seed)
    measured.protocols.update(protocols)
    measured.left_out.update(left_out)
    measured.statements.update({name: protocol.statement for name, protocol in protocols.items()})
    makers: dict[str, Callable[[], Scorers]] = {name: partial(_model, dataset, score) for name, score in scores.items()}
    makers |= {"popularity": partial(_popularity, dataset), "chance": partial(_chance, dataset)}
    for name, make in makers.items() if protocols else ():
        outfits, items = make()  # one after another, since each may hold an array of all outfits
        measured.results[name] = {key: task.rank(outfits, items).metrics() for key, task in protocols.items()}
    return measured


def full_rankings(
    dataset: Dataset, split: str, scorer: ModelScorer, full: bool | None, seed: int
) -> dict[str, FullRanking]:
    """The full rankings of `measure_full` by one scorer alone, with the place of every positive.

    Args:
        dataset: the data of the run.
        split: the name of the split.
        scorer: the model in one form.
        full: see `measure_full`.
        seed: likewise.
    """
    score = full_scores(scorer, trained_users(dataset))
    protocols, _ = chosen_protocols(dataset, split, full, None if score.fast_items else seed)
    if not protocols:
        return {}
    outfits, items = _model(dataset, score)
    return {name: protocol.rank(outfits, items) for name, protocol in protocols.items()}


def full_ranking_of(run: Run, split: str, dataset: Dataset | None = None) -> tuple[dict[str, FullProtocol], Scorers]:
    """All full rankings of a split, and what ranks them by a run in the form of its bundle.

    Args:
        run: a finished run.
        split: the name of the split.
        dataset: the data of the run; read again by default.
    """
    dataset = load_data(run.config, dataset, run.path)
    model, inputs, _ = run.model(dataset)
    score = full_scores(make_scorer(run.config, model, inputs, None, dataset), trained_users(dataset))
    seed = None if score.fast_items else run.config.seed
    protocols, _ = chosen_protocols(dataset, split, True, seed)
    return protocols, _model(dataset, score)


def chosen_protocols(
    dataset: Dataset, split: str, full: bool | None, encoded: int | None = None
) -> tuple[dict[str, FullProtocol], dict[str, str]]:
    """The full rankings that are measured, and why others are left out, by name.

    Args:
        dataset: the data.
        split: the name of the split.
        full: see `measure_full`.
        encoded: where every completed outfit has to be encoded, the seed of the lists that are drawn; else None.
    """
    protocols: dict[str, FullProtocol] = {}
    left_out: dict[str, str] = {}
    for name, protocol in full_protocols(dataset, split).items() if full is not False else ():
        encodes = protocol.of_items and encoded is not None
        if not protocol.lists.has_negatives:
            left_out[name] = "every candidate that is not known already is a positive, so that any order is the best"
        elif full is None and protocol.lists.scores > (limit := ENCODED[0] if encodes else MOST):
            left_out[name] = _too_many(protocol, limit, encodes)
        else:
            protocols[name] = protocol.sample(ENCODED[1], encoded) if encodes and encoded is not None else protocol
    return protocols, left_out


def _model(dataset: Dataset, score: FullScores) -> Scorers:
    return Scorers(score.outfits(dataset.outfits), score.items)


def _popularity(dataset: Dataset) -> Scorers:
    """How often an outfit or an item was liked in training."""
    clicks, columns = item_clicks(dataset), ItemColumns.of(dataset)
    by_item = popular(clicks)(np.zeros(1, dtype=np.int64))[0]

    def items(outfits: Outfits, slot: int) -> Scores:
        of_type = by_item[columns.slice(outfits.slots[slot])]
        return np.broadcast_to(of_type, (len(outfits), len(of_type)))

    return Scorers(popular(outfit_clicks(dataset)), items)


def _chance(dataset: Dataset) -> Scorers:
    """The same score for everything: exactly what random orders get on average."""

    def items(outfits: Outfits, slot: int) -> Scores:
        return np.zeros((len(outfits), len(dataset.items[outfits.slots[slot]])), dtype=np.float32)

    return Scorers(nothing(outfit_clicks(dataset)), items)


def _too_many(protocol: FullProtocol, limit: int, encodes: bool) -> str:
    what = "outfits to encode" if encodes else "scores"
    return (
        f"{counted(len(protocol.lists), 'list')} of {protocol.lists.size:,} candidates are "
        f"{protocol.lists.scores:,} {what} for each scorer, more than {limit:,}: ask for it with --full (full=True)"
    )
