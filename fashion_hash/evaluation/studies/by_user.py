"""The metrics of each user, where `protocols.evaluate_split` has their means: what paired tests over users need.

Shapes: U users with a value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import concatenate
from fashion_hash.data.dataset import Groups, Split
from fashion_hash.evaluation.metrics import RANKING_METRICS, check_scores, ranked_lists
from fashion_hash.evaluation.protocols import Score

Floats = npt.NDArray[np.float64]
K = 10


class OfUsers(NamedTuple):
    """A value for each of U users: (U,) ascending rows of the user vocabulary, and (U,) values."""

    users: npt.NDArray[np.int64]
    values: Floats


def user_values(score: Score, split: Split) -> dict[str, OfUsers]:
    """Each metric of each user, by "PROTOCOL METRIC" such as "rank_random auc".

    Means over users of rank_* are what `evaluate_split` reports. Pairs and questions count by rows there; here the rows
    of a user are averaged first.

    Args:
        score: the scorer; called once.
        split: with the negatives and questions that are measured.
    """
    positives = split.positives
    tables = [positives, *(groups.outfits for groups in split.negatives.values())]
    if split.questions is not None:
        tables.append(split.questions.outfits)
    together = concatenate(tables)
    scores = np.split(check_scores(score(together), (len(together),)), np.cumsum([len(table) for table in tables])[:-1])
    found: dict[str, OfUsers] = {}
    for (kind, groups), against in zip(split.negatives.items(), scores[1:]):
        if groups.size == 1:
            won = (scores[0] > against) + 0.5 * (scores[0] == against)
            found[f"pairs_{kind} auc"] = mean_of_users(positives.users, won)
            continue
        relevant = np.arange(len(positives) + len(against)) < len(positives)
        owners = np.concatenate([positives.users, groups.outfits.users])
        lists = ranked_lists(np.concatenate([scores[0], against]), relevant, owners)
        for name, metric in RANKING_METRICS.items():
            if not metric.by_positives:
                of_lists = OfUsers(lists.groups.astype(np.int64), metric.values(lists, K))
                found[f"rank_{kind} {name.format(k=K)}"] = of_lists
    if split.questions is not None:
        found["fitb accuracy"] = _fitb(scores[-1], split.questions)
    return found


def _fitb(scores: Floats, questions: Groups) -> OfUsers:
    table = scores.reshape(-1, questions.size)
    best = table == table.max(axis=1, keepdims=True)
    return mean_of_users(questions.outfits.users[:: questions.size], best[:, 0] / best.sum(axis=1))


def mean_of_users(users: npt.NDArray[np.integer], values: npt.ArrayLike) -> OfUsers:
    """The mean of the values of each user.

    Args:
        users: (N,) rows of the user vocabulary.
        values: (N,).
    """
    rows, which = np.unique(users.astype(np.int64), return_inverse=True)
    return OfUsers(rows, np.bincount(which, weights=np.asarray(values, np.float64)) / np.bincount(which))
