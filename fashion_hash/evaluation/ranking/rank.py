"""Ranks everything for every list of a split, block by block: `ScoreOutfits` or `ScoreItems` to metrics.

Memory does not depend on the number of lists: a block of scores has 64 MiB, and each list adds a few numbers.

Shapes: L lists, B lists of a block, N candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.errors import QueryError
from fashion_hash.evaluation.ranking.lists import Integers, Lists
from fashion_hash.evaluation.ranking.places import Floats, Places
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits, Scores

BLOCK = 1 << 23  # scores
LENGTHS = (10, 20)
SHOWN = 20


class Counts(NamedTuple):
    """What was counted in the lists, or in some of them: all that their ranking follows from.

    Attributes:
        above: (P,) int64, of each positive the candidates that score higher.
        tied: (P,) int64, the candidates that score the same, itself included.
        shown: (N,) bool, the candidates that are certainly among the first 20 of a list.
        missed: (N,) float64, the log of the chance that no list shows a candidate that is tied with others at place 20.
    """

    above: Integers
    tied: Integers
    shown: npt.NDArray[np.bool_]
    missed: Floats


@dataclass(frozen=True)
class FullRanking:
    """The answer of a full ranking.

    Attributes:
        lists: what was ranked.
        places: where the positives stand.
        coverage: the expected share of the candidates that are among the first 20 of at least one list.
    """

    lists: Lists
    places: Places
    coverage: float

    @classmethod
    def of(cls, lists: Lists, parts: Sequence[Counts]) -> FullRanking:
        """The ranking of lists that were counted in parts, in their order."""
        places = Places(
            lists.positives.starts,
            np.concatenate([part.above for part in parts]),
            np.concatenate([part.tied for part in parts]),
        )
        shown = np.logical_or.reduce([part.shown for part in parts])
        missed = np.add.reduce([part.missed for part in parts])
        return cls(lists, places, float(np.where(shown, 1.0, -np.expm1(missed)).mean()))

    def values(self, lengths: Sequence[int] = LENGTHS) -> dict[str, Floats]:
        """The metrics of each list, (L,): recall@k and ndcg@k for each length, mrr."""
        values = {f"recall@{k}": self.places.recall_at(k) for k in lengths}
        values |= {f"ndcg@{k}": self.places.ndcg_at(k) for k in lengths}
        return {**values, "mrr": self.places.reciprocal_rank()}

    def metrics(self, lengths: Sequence[int] = LENGTHS) -> dict[str, float]:
        """Means over the lists: recall@k and ndcg@k for each length, mrr; coverage@20, users, rows and candidates.

        `rows` is the number of positives; where partial outfits were completed, `partial_outfits` that of the lists.
        """
        means = {name: float(values.mean()) for name, values in self.values(lengths).items()}
        counts = {
            "users": len(np.unique(self.lists.users)),
            "rows": len(self.places.above),
            "candidates": self.lists.size,
        }
        if self.lists.partial is not None:
            counts["partial_outfits"] = len(self.lists)
        return means | {f"coverage@{SHOWN}": self.coverage} | counts


def rank_outfits(score: ScoreOutfits, lists: Lists) -> FullRanking:
    """Ranks all outfits of the pool for each user of `lists.outfit_lists`.

    Raises:
        QueryError: no lists, scores of another shape, or NaN among them.
    """
    return FullRanking.of(lists, [count_outfits(score, lists)])


def rank_items(score: ScoreItems, lists: Lists) -> FullRanking:
    """Ranks all items of a type for each partial outfit of `lists.item_lists`.

    Raises:
        QueryError: no lists, scores of another shape, or NaN among them.
    """
    return FullRanking.of(lists, [count_items(score, lists)])


def count_outfits(score: ScoreOutfits, lists: Lists) -> Counts:
    """What `rank_outfits` counts, with its errors."""
    return _count(lambda numbers: score(lists.users[numbers]), lists)


def count_items(score: ScoreItems, lists: Lists) -> Counts:
    """What `rank_items` counts, with its errors."""
    partial = lists.partial
    if partial is None:
        raise QueryError("these lists rank whole outfits: make lists of items with item_lists")
    return _count(lambda numbers: score(partial[numbers], lists.slot), lists)


def _count(score: Callable[[Integers], Scores], lists: Lists) -> Counts:
    from fashion_hash.evaluation.ranking.kernels import count_places  # imported here, since numba takes its time

    if not len(lists):
        raise QueryError("nothing to rank: no user has a positive that is new and among the candidates")
    counts = np.zeros((2, len(lists.positives.rows)), dtype=np.int64)
    shown, missed = np.zeros(lists.size, dtype=bool), np.zeros(lists.size)
    at_once = max(1, BLOCK // lists.size)
    for start in range(0, len(lists), at_once):
        numbers = np.arange(start, min(len(lists), start + at_once))
        scores = _checked(score(numbers), len(numbers), lists.size)
        wrong = count_places(scores, start, lists.positives, lists.known, counts, SHOWN, shown, missed)
        if wrong >= 0:
            raise QueryError(f"the scores for user {lists.users[wrong]} hold NaN, which cannot be ranked")
    return Counts(counts[0], counts[1], shown, missed)


def _checked(scores: npt.ArrayLike, count: int, size: int) -> Scores:
    block = np.asarray(scores)
    if block.shape != (count, size):
        raise QueryError(f"scores of shape {block.shape} for {count} lists of {size} candidates: give one row a list")
    if block.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        block = block.astype(np.float64)
    return np.require(block, requirements=["C", "W"])  # one compiled form of the kernel for each type
