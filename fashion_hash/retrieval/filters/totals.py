"""Sums of a column over the items of outfits, kept for the next question to the same pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np


class PoolTotals:
    """The sums of columns over the outfits of one pool; when outfits are added, only theirs are added up.

    It holds eight bytes an outfit for each column that was asked for. Make a new one when rows of the
    pool or details of its items change their meaning.

    Args:
        slots: item type of each slot.
    """

    def __init__(self, slots: Sequence[str]) -> None:
        """No sums yet."""
        self._slots = tuple(slots)
        self._kept: dict[str, tuple[np.ndarray, int]] = {}

    def of(self, column: str, amounts: Mapping[str, np.ndarray], items: np.ndarray) -> np.ndarray:
        """The sums of all outfits: (N,) int64.

        Args:
            column: the column that is added up.
            amounts: by item type, (N_t,) int64.
            items: (N, S) integers, rows of items by slot; at least as many as at the last call.
        """
        sums, size = self._kept.get(column, (np.zeros(0, dtype=np.int64), 0))
        if size < len(items):
            if len(sums) < len(items):
                grown = np.zeros(max(len(items), 2 * size), dtype=np.int64)
                grown[:size] = sums[:size]
                sums = grown
            sums[size : len(items)] = add_up(amounts, self._slots, items[size:])
            self._kept[column] = sums, len(items)
        return sums[: len(items)]


def add_up(amounts: Mapping[str, np.ndarray], slots: Sequence[str], items: np.ndarray) -> np.ndarray:
    """Sums over the items of outfits: (N,) int64. Arguments as for PoolTotals.of."""
    out = np.zeros(len(items), dtype=np.int64)
    if is_fast(items):
        from fashion_hash.retrieval.filters.kernels import add_amounts

        table, starts = _by_slot(amounts, slots)
        add_amounts(items.reshape(-1), len(slots), table, starts, out)
        return out
    for slot, item_type in enumerate(slots):
        out += np.append(amounts[item_type], 0)[items[:, slot]]  # EMPTY is -1, the last
    return out


def is_fast(items: np.ndarray) -> bool:
    """Whether the compiled loops are installed and can read the items of a pool."""
    return items.dtype == np.int32 and items.flags.c_contiguous and find_spec("numba") is not None


def _by_slot(amounts: Mapping[str, np.ndarray], slots: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Amounts of all types in one table, each type preceded by a 0 for the empty slot, item -1.

    Returns:
        The table, and (S,) int64: by slot the place of item 0 of its type.
    """
    parts: list[np.ndarray] = []
    starts, first = {}, 1
    for item_type in dict.fromkeys(slots):
        parts += [np.zeros(1, dtype=np.int64), amounts[item_type]]
        starts[item_type] = first
        first += 1 + len(amounts[item_type])
    return np.concatenate(parts), np.array([starts[item_type] for item_type in slots], dtype=np.int64)
