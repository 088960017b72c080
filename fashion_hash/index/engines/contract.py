"""The contract of the engines, and the plainest of them: the exact scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from fashion_hash.core.codes import Packed

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


class Engine(Protocol):
    """Answers the k best outfits of a pool; every engine gives the same bits as the exact scan."""

    tests_items: bool  # whether `allowed` may be an ItemTest as well

    def search(
        self, user_code: Packed, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """The best outfits for a user.

        Args:
            user_code: (D / 8,) uint8, packed.
            k: how many, at least 1; fewer come back where fewer are left.
            exclude: distinct rows of the pool that must not come back.
            allowed: (N,) bool, the rows that may come back; by default all.
        """
        ...

    def search_many(
        self,
        user_codes: Packed,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """For each user, (U, D / 8), the answer of `search`; `excludes` holds rows for each user."""
        ...


def one_by_one(
    engine: Engine,
    user_codes: Packed,
    k: int,
    excludes: Sequence[np.ndarray] | None = None,
    allowed: np.ndarray | None = None,
) -> list[Ranking]:
    """search_many for engines that gain nothing by answering many users together."""
    apart = [NOTHING] * len(user_codes) if excludes is None else excludes
    return [engine.search(code, k, exclude, allowed) for code, exclude in zip(user_codes, apart)]
