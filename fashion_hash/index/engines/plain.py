"""The engine that scores every outfit with the referee, chunk by chunk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Ranking, one_by_one
from fashion_hash.index.pool import CHUNK, Pool


class Scan:
    """The exact scan: the referee's score of every outfit, chunk by chunk."""

    tests_items = False

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        self._bundle = bundle
        self._pool = pool

    def search(
        self, user_code: Packed, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """See Engine.search."""
        score = np.empty(len(self._pool))
        for start in range(0, len(score), CHUNK):
            rows = slice(start, start + CHUNK)
            terms = exact.terms(self._bundle, user_code, self._pool.items[rows])
            score[rows] = exact.scores(self._bundle, terms)
        may = np.ones(len(score), dtype=bool) if allowed is None else allowed.copy()
        may[exclude] = False
        kept = np.flatnonzero(may)
        best = kept[exact.top(score[kept], k)]
        return Ranking(best, score[best])

    def search_many(
        self,
        user_codes: Packed,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many."""
        return one_by_one(self, user_codes, k, excludes, allowed)
