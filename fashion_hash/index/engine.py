"""The contract of the engines, and the plainest of them: the exact scan."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Packed
from fashion_hash.index import exact
from fashion_hash.index.pool import CHUNK, Pool

NOTHING = np.zeros(0, dtype=np.int64)


class Ranking(NamedTuple):
    """Rows of the pool and their scores, best first, ties in order of row; (K',) int64 and float64."""

    rows: np.ndarray
    scores: np.ndarray


class Engine(Protocol):
    """Answers the k best outfits of a pool; every engine gives the same bits as the exact scan."""

    def search(self, user_code: Packed, k: int, exclude: np.ndarray = NOTHING) -> Ranking:
        """The best outfits for a user.

        Args:
            user_code: (D / 8,) uint8, packed.
            k: how many, at least 1; fewer come back where fewer are left.
            exclude: distinct rows of the pool that must not come back.
        """
        ...


class Scan:
    """The exact scan: the referee's score of every outfit, chunk by chunk."""

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        self._bundle = bundle
        self._pool = pool

    def search(self, user_code: Packed, k: int, exclude: np.ndarray = NOTHING) -> Ranking:
        """See Engine.search."""
        score = np.empty(len(self._pool))
        for start in range(0, len(score), CHUNK):
            rows = slice(start, start + CHUNK)
            terms = exact.terms(self._bundle, user_code, self._pool.items[rows])
            score[rows] = exact.scores(self._bundle, terms)
        kept = np.delete(np.arange(len(score)), exclude)
        best = kept[exact.top(score[kept], k)]
        return Ranking(best, score[best])
