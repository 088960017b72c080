"""Partner lists (partners.py) of a live catalogue: those of the export, brought up to date with items that came.

An item that came gets its own lists, and takes its place in those of others where it goes better with
them than the last of the list. Items that were removed stay in the lists; composition passes over them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from itertools import permutations

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed
from fashion_hash.index.partners import BLOCK, FOLDER, LENGTH, Partners, open_partners
from fashion_hash.index.products import pair_weights, product, relaxed


class LivePartners:
    """The lists of a bundle, for as many items as there are.

    Args:
        exported: the bundle; without lists in its folder there are none for later items either.
    """

    def __init__(self, exported: Bundle) -> None:
        self._exported = exported
        self._lists: Partners | None = None
        self._sizes = {kind: len(exported.items[kind]) for kind in exported.types}
        self._lock = threading.Lock()

    def of(self, bundle: Bundle) -> Partners | None:
        """The lists for all items of a bundle; None where there are none."""
        with self._lock:
            if self._lists is None:
                if not (self._exported.path / FOLDER).exists():
                    return None
                self._lists = open_partners(self._exported)
            sizes = {kind: len(bundle.items[kind]) for kind in bundle.types}
            if any(sizes[kind] < self._sizes[kind] for kind in sizes):
                return None  # a question about an earlier state, answered without lists
            if sizes != self._sizes:
                self._lists = extended(self._lists, self._sizes, bundle.item_codes, bundle.compatibility_weights)
                self._sizes = sizes
            return self._lists


def extended(
    lists: Partners, sizes: Mapping[str, int], item_codes: Mapping[str, Packed], weights: np.ndarray
) -> Partners:
    """The lists of more items, from those of the first ones.

    Args:
        lists: of the first items of each type.
        sizes: by type, how many these are.
        item_codes: by type, (N, M, D / 8) uint8 of all items.
        weights: (D,) int32, see find_partners.
    """
    found = {}
    for a, b in permutations(item_codes, 2):
        theirs = item_codes[b]
        ours = relaxed(item_codes[a]) * pair_weights(weights, theirs.shape[1])
        rows, values = lists[a, b]
        if len(theirs) > sizes[b]:
            rows, values = _with_more(rows, values, ours[: sizes[a]], theirs, sizes[b])
        if len(ours) > sizes[a]:
            own = _lists_of(ours[sizes[a] :], theirs, rows.shape[1])
            rows, values = np.concatenate([rows, own[0]]), np.concatenate([values, own[1]])
        found[a, b] = rows, values
    return found


def _with_more(
    rows: np.ndarray, values: np.ndarray, ours: np.ndarray, theirs: Packed, known: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lists, (N, L), in which the partners from row `known` on have their places."""
    complete = rows.shape[1] == known  # short lists hold everyone, and grow
    width = min(max(LENGTH, known), len(theirs)) if complete else rows.shape[1]
    last = values[:, -1] if rows.shape[1] and not complete else np.full(len(ours), -np.inf, dtype=np.float32)
    new = np.ascontiguousarray(relaxed(theirs[known:]).T)
    out_rows, out_values = (np.empty((len(ours), width), dtype=one.dtype) for one in (rows, values))
    if not complete:
        out_rows[:], out_values[:] = rows, values
    for start in range(0, len(ours), BLOCK):
        block = product(ours[start : start + BLOCK], new)
        here = np.flatnonzero(block.max(axis=1) > last[start : start + BLOCK])
        both = np.concatenate([values[start + here], block[here]], axis=1)
        numbers = np.concatenate(
            [rows[start + here], np.broadcast_to(np.arange(known, len(theirs), dtype=rows.dtype), block[here].shape)],
            axis=1,
        )
        order = np.argsort(-both, axis=1, kind="stable")[:, :width]
        out_rows[start + here] = np.take_along_axis(numbers, order, axis=1)
        out_values[start + here] = np.take_along_axis(both, order, axis=1)
    return out_rows, out_values


def _lists_of(ours: np.ndarray, theirs: Packed, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The lists of items, (n, M * D) weighted codes, among all of another type."""
    from fashion_hash.index.kernels import greatest

    rows, values = np.empty((len(ours), width), dtype=np.int32), np.empty((len(ours), width), dtype=np.float32)
    if width:
        columns = np.ascontiguousarray(relaxed(theirs).T)
        for start in range(0, len(ours), BLOCK):
            here = slice(start, start + BLOCK)
            greatest(product(ours[here], columns), width, rows[here], values[here])
    return rows, values
