"""The metrics of each user, of which `evaluate` reports means: what paired tests over users need.

Shapes: U users with a value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import concatenate
from fashion_hash.data.dataset import Groups, Split
from fashion_hash.evaluation.metrics import RANKING_METRICS, check_scores, ranked_lists
from fashion_hash.evaluation.protocols import Score, retrieval_values
from fashion_hash.evaluation.ranking.rank import FullRanking

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
    tables += [groups.outfits for groups in _questions(split).values()]
    together = concatenate(tables)
    scores = np.split(check_scores(score(together), (len(together),)), np.cumsum([len(table) for table in tables])[:-1])
    found: dict[str, OfUsers] = {}
    for (kind, groups), against in zip(split.negatives.items(), scores[1:]):
        if groups.size == 1:
            won = (scores[0] > against) + 0.5 * (scores[0] == against)
            of_pairs = mean_of_users(positives.users, won)
            found |= {f"pairs_{kind} auc": of_pairs, f"pairs_{kind} accuracy": of_pairs}
            continue
        relevant = np.arange(len(positives) + len(against)) < len(positives)
        owners = np.concatenate([positives.users, groups.outfits.users])
        lists = ranked_lists(np.concatenate([scores[0], against]), relevant, owners)
        for name, metric in RANKING_METRICS.items():
            if not metric.by_positives:
                of_lists = OfUsers(lists.groups.astype(np.int64), metric.values(lists, K))
                found[f"rank_{kind} {name.format(k=K)}"] = of_lists
    for (protocol, groups), asked in zip(_questions(split).items(), scores[1 + len(split.negatives) :]):
        owners = groups.outfits.users[:: groups.size]
        values = _fitb(asked, groups.size) if protocol == "fitb" else retrieval_values(asked, groups.size)
        found |= {f"{protocol} {metric}": mean_of_users(owners, value) for metric, value in values.items()}
    return found


def full_values(ranking: FullRanking) -> dict[str, OfUsers]:
    """Each metric of each user in a full ranking, such as "recall@20"; coverage belongs to all users together.

    `FullRanking.metrics` counts partial outfits by lists; here the lists of a user are averaged first.
    """
    return {name: mean_of_users(ranking.lists.users, values) for name, values in ranking.values().items()}


def _questions(split: Split) -> dict[str, Groups]:
    """Fill in the blank and the questions for each slot, by protocol."""
    blanks = {} if split.questions is None else {"fitb": split.questions}
    return blanks | {f"retrieval_{slot}": groups for slot, groups in split.retrieval.items()}


def _fitb(scores: Floats, size: int) -> dict[str, Floats]:
    table = scores.reshape(-1, size)
    best = table == table.max(axis=1, keepdims=True)
    return {"accuracy": best[:, 0] / best.sum(axis=1)}


def mean_of_users(users: npt.NDArray[np.integer], values: npt.ArrayLike) -> OfUsers:
    """The mean of the values of each user.

    Args:
        users: (N,) rows of the user vocabulary.
        values: (N,).
    """
    rows, which = np.unique(users.astype(np.int64), return_inverse=True)
    return OfUsers(rows, np.bincount(which, weights=np.asarray(values, np.float64)) / np.bincount(which))
