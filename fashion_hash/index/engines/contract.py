"""The contract of the engines that search a pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle, ScoringKind
from fashion_hash.index.pool import Pool

NOTHING = np.zeros(0, dtype=np.int64)


class Ranking(NamedTuple):
    """Rows of the pool and their scores, best first, ties in order of row; (K',) int64 and float64."""

    rows: np.ndarray
    scores: np.ndarray


class ItemTest(NamedTuple):
    """A filter by items. It is applied only to outfits that would be among the best, instead of a mask of the pool.

    Attributes:
        bits: uint32 words with one bit per item, lowest bit first; the bit before the first item of each
            type is set and stands for the empty slot.
        slots: (T,) int64, the slots that are restricted.
        starts: (T,) int64, for each of these slots the bit of item 0.
    """

    bits: np.ndarray
    slots: np.ndarray
    starts: np.ndarray


class Engine:
    """Finds the k best outfits of a pool; every engine agrees bit for bit with the exact scan.

    Attributes:
        scoring: the scoring of the bundles that it searches, see Bundle.scoring.
        knows_own: whether it adds up own codes of outfits (fashion_hash.bundle.own).
    """

    scoring: ClassVar[ScoringKind] = "codes"
    knows_own: ClassVar[bool] = True

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        self._bundle = bundle
        self._pool = pool

    def __init_subclass__(cls, **options: Any) -> None:
        """Raises TypeError for an engine that defines neither search, since each is by default made of the other."""
        super().__init_subclass__(**options)
        if cls.search is Engine.search and cls.search_many is Engine.search_many:
            raise TypeError(f"{cls.__name__} defines neither search nor search_many")

    @property
    def tests_items(self) -> bool:
        """Whether `allowed` may also be an ItemTest."""
        return False

    def over(self, view: Bundle) -> Engine:
        """The engine over a view of its bundle with other scales; engines that can share arrays override it."""
        return type(self)(view, self._pool)

    def search(
        self, user_key: np.ndarray, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """The best outfits for a user. By default one of many: an engine defines `search`, `search_many` or both.

        Args:
            user_key: a row of Bundle.user_keys.
            k: the number of outfits, at least 1; the answer is shorter when fewer are left.
            exclude: distinct rows of the pool to leave out.
            allowed: (N,) bool, the rows to choose from; by default all.
        """
        return self.search_many(user_key[None], k, [exclude], allowed)[0]

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """The answer of `search` for each of many users; `excludes` has rows for each user.

        This default answers one user after another; engines that are faster for many at once override it.
        """
        rows = [NOTHING] * len(user_keys) if excludes is None else excludes
        return [self.search(user_key, k, exclude, allowed) for user_key, exclude in zip(user_keys, rows)]
