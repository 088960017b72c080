"""The exact scan as an engine."""

from __future__ import annotations

import numpy as np

from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Engine, Ranking
from fashion_hash.index.pool import CHUNK


class Scan(Engine):
    """Scores every outfit with the reference implementation, index/exact.py, chunk by chunk."""

    def search(
        self, user_key: np.ndarray, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """See Engine.search."""
        score = np.empty(len(self._pool))
        for start in range(0, len(score), CHUNK):
            rows = slice(start, start + CHUNK)
            terms = exact.terms(self._bundle, user_key, self._pool.items[rows], self._pool.own[rows])
            score[rows] = exact.scores(self._bundle, terms)
        may = np.ones(len(score), dtype=bool) if allowed is None else allowed.copy()
        may[exclude] = False
        kept = np.flatnonzero(may)
        best = kept[exact.top(score[kept], k)]
        return Ranking(best, score[best])
