"""A pool divided into shares that are searched apart, and the answers of all shares as those of one engine.

A share answers with rows of the whole pool and exact scores, so that merging is a sort: best first, ties in order of
row. Who asks the shares, in this process or in others, is up to the caller of `Sharded`.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.errors import QueryError
from fashion_hash.index.engines.contract import NOTHING, Engine, ItemTest, Ranking
from fashion_hash.index.engines.open import engine_class, open_engine
from fashion_hash.index.pool import Pool
from fashion_hash.index.scoring import scoring_of


class Share(NamedTuple):
    """One of several equal parts of a pool.

    Attributes:
        number: from 0.
        of: how many there are.
    """

    number: int
    of: int


class Question(NamedTuple):
    """What is asked of every share: the arguments of Engine.search_many.

    Attributes:
        user_keys: rows of Bundle.user_keys, (U, ...).
        k: at most how many outfits for each.
        excludes: for each user distinct rows of the pool to leave out; None for none.
        allowed: (N,) bool, the rows to choose from, or a test of their items; None for all.
    """

    user_keys: np.ndarray
    k: int
    excludes: Sequence[np.ndarray] | None = None
    allowed: np.ndarray | ItemTest | None = None


def open_share(bundle: Bundle, pool: Pool, share: Share) -> Engine:
    """The engine of one share: it answers like an engine over the pool whose other outfits are gone.

    A pool with the files of a scan is divided by their blocks, any other pool by its rows; the arrays of the other
    shares are mapped, but not read.

    Args:
        bundle: the bundle that the pool was built from, or a view of it.
        pool: an open pool index.
        share: which part.
    """
    if not 0 <= share.number < share.of:
        raise QueryError(f"share {share.number} of {share.of}: shares are numbered from 0 to {share.of - 1}")
    if scoring_of(bundle).fastest_engine(pool) == "sums":
        engine: Engine = engine_class("sums")(bundle, pool, share=share)  # type: ignore[call-arg]
        return engine
    start, stop = (len(pool) * end // share.of for end in (share.number, share.number + 1))
    return _Rows(bundle, pool, range(start, stop), open_engine("auto", bundle, _some_rows(pool, start, stop)))


def _some_rows(pool: Pool, start: int, stop: int) -> Pool:
    """Consecutive outfits of a pool as a pool; ids stay those of the whole."""
    some = copy.copy(pool)
    for name in ("items", "compatibility", "bias", "num_items", "num_pairs", "own", "vectors"):
        setattr(some, name, getattr(pool, name)[start:stop])
    return some


class _Rows(Engine):
    """An engine over consecutive rows of a pool that speaks of them by the rows of the whole pool."""

    def __init__(self, bundle: Bundle, pool: Pool, rows: range, engine: Engine) -> None:
        super().__init__(bundle, pool)
        self._rows, self._engine = rows, engine

    def over(self, view: Bundle) -> Engine:
        """See Engine.over."""
        return _Rows(view, self._pool, self._rows, self._engine.over(view))

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many."""
        start, stop = self._rows.start, self._rows.stop
        if not len(self._rows):
            return [Ranking(NOTHING, np.zeros(0)) for _ in user_keys]
        apart = [NOTHING] * len(user_keys) if excludes is None else excludes
        here = [rows[(rows >= start) & (rows < stop)] - start for rows in apart]
        some = None if allowed is None else allowed[start:stop]
        found = self._engine.search_many(user_keys, k, here, some)
        return [Ranking(rows + start, scores) for rows, scores in found]


class Sharded(Engine, ABC):
    """One engine over shares that are asked all at once."""

    @abstractmethod
    def ask(self, question: Question) -> list[list[Ranking]]:
        """The answer of every share, each with a ranking for every user; none may be missing."""

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | ItemTest | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many; allowed may be a test of items where `tests_items`."""
        if not len(user_keys):
            return []
        of_shares = self.ask(Question(user_keys, k, excludes, allowed))
        return [merged(rankings, k) for rankings in zip(*of_shares, strict=True)]


def merged(rankings: Sequence[Ranking], k: int) -> Ranking:
    """The best k of several rankings without common rows: best first, ties in order of row."""
    rows, scores = (np.concatenate(column) for column in zip(*rankings))
    order = np.lexsort((rows, -scores))[:k]
    return Ranking(rows[order], scores[order])
