"""Metrics of full rankings, from the places of positives, with ties by expectation.

A list ranks candidates for one user or one partial outfit. Of its P positives, r are tied among n candidates with a
candidates above them: they stand at r of the places a + 1 to a + n, all equally likely. Recall and NDCG are linear in
what stands at each place, so that a place among those tied counts r / n. The reciprocal rank is not; its expectation
is summed over the places at which the first of the r positives may stand.

Definitions, those of LightGCN and KGIN: recall@k is the positives among the first k divided by P, at most k / P;
NDCG@k has the discount log2(place + 1) and is divided by the best that min(P, k) positives can reach; MRR is the mean
of 1 / (place of the first positive).

Shapes: L lists, N positives of all lists, G groups of positives that are tied with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.errors import QueryError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Ties(NamedTuple):
    """Positives of a list that are tied with each other, (G,) each, ordered by list and then from the top.

    Attributes:
        lists: the number of the list.
        above: candidates that score higher: a.
        size: candidates that score the same: n.
        positives: how many of those are positives: r.
    """

    lists: Integers
    above: Integers
    size: Integers
    positives: Integers


@dataclass(frozen=True)
class Places:
    """Where the positives of L lists stand.

    Attributes:
        starts: (L + 1,) the positives of list l are starts[l] to starts[l + 1] - 1; each list has at least one.
        above: (N,) candidates that score higher than each positive.
        tied: (N,) candidates that score the same, the positive itself included.
    """

    starts: Integers
    above: Integers
    tied: Integers

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def positives(self) -> Integers:
        """(L,) positives of each list."""
        return np.diff(self.starts)

    @cached_property
    def ties(self) -> Ties:
        """The positives by what they are tied with."""
        lists = np.repeat(np.arange(len(self)), self.positives)
        order = np.lexsort((self.above, lists))
        lists, above, tied = lists[order], self.above[order], self.tied[order]
        new = np.ones(len(lists), dtype=bool)
        new[1:] = (lists[1:] != lists[:-1]) | (above[1:] != above[:-1])
        first = np.flatnonzero(new)
        return Ties(lists[first], above[first], tied[first], np.diff(first, append=len(lists)))

    def recall_at(self, k: int) -> Floats:
        """(L,) the share of the positives among the first k. Raises QueryError when k < 1."""
        ties = self.ties
        share = np.clip(_checked(k) - ties.above, 0, ties.size) / ties.size
        return np.asarray(self._sums(ties.positives * share) / self.positives)

    def ndcg_at(self, k: int) -> Floats:
        """(L,) NDCG of the first k. Raises QueryError when k < 1."""
        ties = self.ties
        gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, _checked(k) + 2)))])
        below = np.minimum(ties.above + ties.size, k)
        inside = gains[below] - gains[np.minimum(ties.above, k)]
        return np.asarray(self._sums(ties.positives * inside / ties.size) / gains[np.minimum(self.positives, k)])

    def reciprocal_rank(self) -> Floats:
        """(L,) 1 / (place of the first positive)."""
        from fashion_hash.evaluation.ranking.kernels import first_of_tied  # imported here, since numba takes its time

        ties = self.ties
        first = np.searchsorted(ties.lists, np.arange(len(self)))
        cases = np.stack([ties.above[first], ties.size[first], ties.positives[first]], axis=1)
        different, which = np.unique(cases, axis=0, return_inverse=True)
        values: Floats = first_of_tied(*different.T)
        return np.asarray(values[which.reshape(-1)])

    def _sums(self, values: Floats) -> Floats:
        return np.asarray(np.bincount(self.ties.lists, weights=values, minlength=len(self)), dtype=np.float64)


def _checked(k: int) -> int:
    if k < 1:
        raise QueryError(f"k must be at least 1, got {k}")
    return k
