"""Ranking metrics as pure functions of arrays, with ties treated fairly.

A list is what one user (or request) ranks: all positives of the user together with all negatives.
Lists are given flat, as three aligned arrays, and may differ in length; they are sorted once:

    >>> lists = ranked_lists([0.9, 0.5, 0.1], np.array([True, False, False]), [7, 7, 7])
    >>> auc(lists), reciprocal_rank(lists)
    (array([1.]), array([1.]))

**Ties.** Every metric is its expected value when tied candidates are put in a random order. AUC,
NDCG and recall are linear in the relevance found at each rank, so it is enough to give each of n
tied candidates, r of them positive, the gain r / n; for AUC this is the usual half a point a tie.
The reciprocal rank is not linear; its expectation is summed over the ranks at which the first
positive may fall. A constant scorer therefore gets what a random one gets, never more.

Letters: L lists, N rows, Q questions, C candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.errors import QueryError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RankedLists:
    """Lists that have both positives and negatives, one after another, each best first.

    Attributes:
        groups: (L,) the group that each list belongs to, ascending.
        starts: (L,) first row of each list.
        sizes: (L,) rows of each list.
        positives: (L,) positives of each list.
        rank: (N,) rank in the list, from 1.
        tied: (N,) number of rows of the list with this very score, the row itself included.
        gain: (N,) share of positives among those tied: the relevance expected at this rank.
        left_out: number of groups without positives or without negatives; they have no list here.
    """

    groups: npt.NDArray[Any]
    starts: Integers
    sizes: Integers
    positives: Integers
    rank: Integers
    tied: Integers
    gain: Floats
    left_out: int

    def __len__(self) -> int:
        return len(self.starts)


def check_scores(scores: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    """Scores as float64. Raises QueryError when the shape is not `shape` or a score is NaN."""
    array = np.asarray(scores, dtype=np.float64)
    if array.shape != shape:
        raise QueryError(f"expected scores of shape {shape}, one for each row; got {array.shape}")
    if np.isnan(array).any():
        wrong = np.argwhere(np.isnan(array))
        where = ", ".join(map(str, wrong[0]))
        raise QueryError(
            f"{len(wrong)} of {array.size} scores are NaN, the first in row {where}, and NaN cannot be ranked: "
            "look for a loss that diverged or a feature that is not finite"
        )
    return array


def ranked_lists(scores: npt.ArrayLike, relevant: npt.ArrayLike, groups: npt.ArrayLike) -> RankedLists:
    """Sorts flat rows into lists, best first; one sort serves every metric.

    Args:
        scores: (N,) numbers, higher is better; infinities are allowed.
        relevant: (N,) bool, True for a positive.
        groups: (N,) integers, the list that a row belongs to; rows may come in any order.

    Raises:
        QueryError: a score is NaN, `relevant` is not boolean, or lengths differ.
    """
    truth: npt.NDArray[Any] = np.asarray(relevant)
    group: npt.NDArray[Any] = np.asarray(groups)
    if truth.dtype != np.bool_:
        raise QueryError(f"relevant must be boolean, got {truth.dtype}: a label such as -1 would count as True")
    if truth.ndim != 1 or group.shape != truth.shape:
        raise QueryError(f"relevant {truth.shape} and groups {group.shape} must be flat and of the same length")
    score = check_scores(scores, group.shape)

    order = np.lexsort((-score, group))
    score, truth, group = score[order], truth[order], group[order]
    starts = np.flatnonzero(_differs(group))
    sizes = _lengths(starts, len(group))
    positives = _sums(truth.astype(np.int64), starts)
    counts = (positives > 0) & (positives < sizes)
    if not counts.all():
        rows = np.repeat(counts, sizes)
        score, truth, group = score[rows], truth[rows], group[rows]
        sizes, positives = sizes[counts], positives[counts]
        starts = np.cumsum(sizes) - sizes

    ties = np.flatnonzero(_differs(group) | _differs(score))
    tie_sizes = _lengths(ties, len(score))
    tie_gains = _sums(truth.astype(np.int64), ties) / tie_sizes
    return RankedLists(
        groups=group[starts],
        starts=starts,
        sizes=sizes,
        positives=positives,
        rank=np.arange(1, len(score) + 1) - np.repeat(starts, sizes),
        tied=np.repeat(tie_sizes, tie_sizes),
        gain=np.repeat(tie_gains, tie_sizes),
        left_out=int(len(counts) - counts.sum()),
    )


def auc(lists: RankedLists) -> Floats:
    """Share of (positive, negative) pairs in the right order, a tie counting 1/2: (L,)."""
    positives, negatives = lists.positives, lists.sizes - lists.positives
    # Mann-Whitney: a positive's rank less the positives at or above it counts the negatives above
    above = _sums(lists.gain * lists.rank, lists.starts) - positives * (positives + 1) / 2
    return np.asarray(1.0 - above / (positives * negatives))


def ndcg_fhn(lists: RankedLists) -> Floats:
    """NDCG as FHN reports it (Lu et al., CVPR 2019): the mean of NDCG@m over every m = 1..N: (L,).

    Gain 2^relevance - 1, that is 1 or 0; discount log2(max(rank, 2)), so that ranks 1 and 2 weigh
    1. Not comparable with NDCG@k.
    """
    longest = int(lists.sizes.max(initial=0))
    weights = 1.0 / np.log2(np.maximum(np.arange(1, longest + 1), 2))
    gains = lists.gain * weights[lists.rank - 1]
    running = np.cumsum(gains)
    running -= np.repeat(running[lists.starts] - gains[lists.starts], lists.sizes)
    ideal = np.cumsum(weights)[np.minimum(lists.rank, np.repeat(lists.positives, lists.sizes)) - 1]
    return np.asarray(_sums(running / ideal, lists.starts) / lists.sizes)


def ndcg_at(lists: RankedLists, k: int = 10) -> Floats:
    """NDCG@k with the standard discount log2(rank + 1): (L,). Raises QueryError when k < 1."""
    weights = 1.0 / np.log2(np.arange(2, _check_k(k) + 2))
    gains = np.where(lists.rank <= k, lists.gain * weights[np.minimum(lists.rank, k) - 1], 0.0)
    ideal = np.cumsum(weights)[np.minimum(lists.positives, k) - 1]
    return np.asarray(_sums(gains, lists.starts) / ideal)


def recall_at(lists: RankedLists, k: int = 10) -> Floats:
    """Share of a list's positives among its first k: (L,). At most k / positives.

    Raises QueryError when k < 1.
    """
    gains = np.where(lists.rank <= _check_k(k), lists.gain, 0.0)
    return _sums(gains, lists.starts) / lists.positives


def reciprocal_rank(lists: RankedLists) -> Floats:
    """1 / (rank of the first positive): (L,); its mean over lists is the MRR."""
    with_gain = np.flatnonzero(lists.gain > 0)
    first = with_gain[np.searchsorted(with_gain, lists.starts)]  # (L,) where the first positive's tie begins
    n = lists.tied[first]
    r = np.rint(lists.gain[first] * n).astype(np.int64)
    # among n tied with r positives the first positive is at place j with P = C(n-1-j, r-1) / C(n, r)
    places = n - r + 1
    begins = np.cumsum(places) - places
    j = np.arange(places.sum()) - np.repeat(begins, places)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n.max(initial=0) + 1)))])
    log_all = log_factorial[n] - log_factorial[r] - log_factorial[n - r] + log_factorial[r - 1]
    n, r, log_all, rank = (np.repeat(array, places) for array in (n, r, log_all, lists.rank[first]))
    chance = np.exp(log_factorial[n - 1 - j] - log_factorial[n - r - j] - log_all)
    return _sums(chance / (rank + j), begins)


class RankingMetric(NamedTuple):
    """A metric of `ranking_metrics`.

    Attributes:
        values: (lists, k) -> (L,) the metric of each list; k is the length at which lists are cut, where they are.
        by_positives: whether each positive weighs the same in the mean, instead of each list.
    """

    values: Callable[[RankedLists, int], Floats]
    by_positives: bool = False


RANKING_METRICS: Mapping[str, RankingMetric] = {
    "auc": RankingMetric(lambda lists, k: auc(lists)),
    "auc_rows": RankingMetric(lambda lists, k: auc(lists), by_positives=True),
    "ndcg": RankingMetric(lambda lists, k: ndcg_fhn(lists)),
    "ndcg_at_{k}": RankingMetric(ndcg_at),
    "recall_at_{k}": RankingMetric(recall_at),
    "mrr": RankingMetric(lambda lists, k: reciprocal_rank(lists)),
}
"""Every metric that is reported, by name: another metric is one function above and one line here."""


def ranking_metrics(
    scores: npt.ArrayLike, relevant: npt.ArrayLike, groups: npt.ArrayLike, k: int = 10
) -> dict[str, float]:
    """Every metric of `RANKING_METRICS`, each as its mean over the groups.

    Args:
        scores: as for `ranked_lists`.
        relevant: as for `ranked_lists`.
        groups: as for `ranked_lists`.
        k: the length at which lists are cut, for the metrics that cut them.

    Returns:
        auc; auc_rows (AUC again, but each positive weighs the same instead of each group); ndcg (FHN's
        form); ndcg_at_{k}, recall_at_{k}, mrr (standard discount); users (the number of groups) and
        users_left_out (groups without positives or without negatives).

    Raises:
        QueryError: as for `ranked_lists`; or no group has both positives and negatives, or k < 1.
    """
    lists = ranked_lists(scores, relevant, groups)
    if not len(lists):
        raise QueryError(
            f"nothing to rank: no user (of {lists.left_out:,}) has both positives and negatives; "
            "use a split with fixed negatives, or draw some"
        )
    means: dict[str, float] = {}
    for name, metric in RANKING_METRICS.items():
        values = metric.values(lists, k)
        mean = np.average(values, weights=lists.positives) if metric.by_positives else values.mean()
        means[name.format(k=k)] = float(mean)
    return {**means, "users": len(lists), "users_left_out": lists.left_out}


def fitb_accuracy(scores: npt.ArrayLike) -> float:
    """Fill-in-the-blank accuracy over questions; the first candidate of each is the truth.

    Args:
        scores: (Q, C) numbers. A question counts 1 / (number tied) when the truth is among the best.

    Raises:
        QueryError: a score is NaN, there is no question, or fewer than two candidates.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise QueryError(f"questions need scores (Q, C) with Q >= 1 and C >= 2, got {table.shape}")
    best = check_scores(table, table.shape) == table.max(axis=1, keepdims=True)
    return float((best[:, 0] / best.sum(axis=1)).mean())


def pair_accuracy(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Share of rows whose positive scores above its negative, a tie counting 1/2.

    Raises QueryError when lengths differ, there is no row, or a score is NaN.
    """
    positive = check_scores(positive, np.shape(positive))
    negative = check_scores(negative, positive.shape)
    if not positive.size:
        raise QueryError("no pair to compare: the split is empty")
    return float(((positive > negative) + 0.5 * (positive == negative)).mean())


def _check_k(k: int) -> int:
    if k < 1:
        raise QueryError(f"k must be at least 1, got {k}")
    return k


def _differs(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(N,) True where a value is not the one before it; the first always."""
    differs = np.ones(len(values), dtype=np.bool_)
    differs[1:] = values[1:] != values[:-1]
    return differs


def _lengths(starts: Integers, total: int) -> Integers:
    return np.diff(starts, append=total)


def _sums(values: npt.NDArray[Any], starts: Integers) -> npt.NDArray[Any]:
    """Sums of consecutive stretches, of which there may be none (reduceat alone refuses that)."""
    return np.asarray(np.add.reduceat(values, starts)) if len(starts) else np.zeros(0, dtype=values.dtype)
