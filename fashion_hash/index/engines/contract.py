"""The contract of the engines that search a pool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle, ScoringKind
from fashion_hash.index.pool import Pool

NOTHING = np.zeros(0, dtype=np.int64)


class Ranking(NamedTuple):
    """Rows of the pool and their scores, best first, ties in order of row; (K',) int64 and float64."""

    rows: np.ndarray
    scores: np.ndarray


class ItemTest(NamedTuple):
    """A filter by items, tested only of outfits that would be among the best: spares a mask of the pool.

    Attributes:
        bits: uint32, a bit an item, from the lowest of a word on; the bit before the first item of each
            type is set, for the empty slot.
        slots: (T,) int64, the slots that are narrowed.
        starts: (T,) int64, by such slot the bit of item 0.
    """

    bits: np.ndarray
    slots: np.ndarray
    starts: np.ndarray


class Engine(ABC):
    """Answers the k best outfits of a pool; every engine gives the same bits as the exact scan.

    Attributes:
        scoring: which bundles it searches, see Bundle.scoring.
        tests_items: whether `allowed` may be an ItemTest as well.
    """

    scoring: ClassVar[ScoringKind] = "codes"
    tests_items: ClassVar[bool] = False

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        self._bundle = bundle
        self._pool = pool

    @abstractmethod
    def search(
        self, user_key: np.ndarray, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """The best outfits for a user.

        Args:
            user_key: a row of Bundle.user_keys: (D / 8,) uint8, packed, or (D,) float32.
            k: how many, at least 1; fewer come back where fewer are left.
            exclude: distinct rows of the pool that must not come back.
            allowed: (N,) bool, the rows that may come back; by default all.
        """

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """For each of many users the answer of `search`; `excludes` holds rows for each user.

        One user after the other; engines that gain by answering many together override it.
        """
        rows = [NOTHING] * len(user_keys) if excludes is None else excludes
        return [self.search(user_key, k, exclude, allowed) for user_key, exclude in zip(user_keys, rows)]
