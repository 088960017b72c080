"""Partner lists (index/partners.py) of a live catalogue: those of the export, updated for added items.

An added item gets its own lists, and enters the list of another item if it is more compatible than the last
in the list. An item with a new code leaves all lists first. Removed items stay in the lists; composition skips them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed
from fashion_hash.index.partners import BLOCK, FOLDER, LENGTH, Partners, open_partners
from fashion_hash.index.products import pair_weights, product, relaxed


class LivePartners:
    """The partner lists of a bundle, including added items.

    Args:
        exported: the exported bundle; without lists in its folder, added items get none either.
    """

    def __init__(self, exported: Bundle) -> None:
        self._exported = exported
        self._lists: Partners | None = None
        self._codes: Mapping[str, Packed] = exported.item_codes
        self._lock = threading.Lock()

    def of(self, bundle: Bundle) -> Partners | None:
        """The lists for all items of a view of the bundle; None without lists."""
        with self._lock:
            if self._lists is None:
                if not (self._exported.path / FOLDER).exists():
                    return None
                self._lists = open_partners(self._exported)
            codes, weights = bundle.item_codes, bundle.compatibility_weights
            sizes = {item_type: len(known) for item_type, known in self._codes.items()}
            if any(len(codes[item_type]) < sizes[item_type] for item_type in sizes):
                return None  # an earlier state than the lists have: answered without lists
            changed = {item_type: changed_rows(self._codes[item_type], codes[item_type]) for item_type in codes}
            if any(len(rows) for rows in changed.values()):
                known = {item_type: codes[item_type][: sizes[item_type]] for item_type in codes}
                self._lists = revised(self._lists, known, changed, weights)
            if any(len(codes[item_type]) > sizes[item_type] for item_type in sizes):
                self._lists = extended(self._lists, sizes, codes, weights)
            self._codes = codes
            return self._lists


def changed_rows(before: Packed, after: Packed) -> np.ndarray:
    """Rows of the items, among those in both arrays, whose code differs."""
    if before.__array_interface__["data"] == after.__array_interface__["data"]:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero((before != after[: len(before)]).any(axis=(1, 2)))


def revised(
    lists: Partners, item_codes: Mapping[str, Packed], changed: Mapping[str, np.ndarray], weights: np.ndarray
) -> Partners:
    """The lists after some items got other codes.

    Args:
        lists: the lists before.
        item_codes: by type, (N, M, D / 8) uint8, the codes now.
        changed: by type, rows of the items whose code changed.
        weights: (D,) int32, see find_partners.
    """
    new = {}
    for a, b in lists:
        rows, values = lists[a, b]
        ours, theirs = item_codes[a], item_codes[b]
        bit_weights, width = pair_weights(weights, theirs.shape[1]), rows.shape[1]
        if not width or not (len(changed[a]) or len(changed[b])):
            new[a, b] = rows, values
            continue
        rows, values = rows.copy(), values.copy()
        again = np.zeros(len(ours), dtype=bool)
        again[changed[a]] = True
        if width == len(theirs):  # short lists hold all partners
            again[:] |= len(changed[b]) > 0
        elif len(changed[b]):
            for start in range(0, len(ours), BLOCK):
                part = slice(start, start + BLOCK)
                again[part] |= _leave(rows[part], values[part], changed[b])
                _enter(rows[part], values[part], relaxed(ours[part]) * bit_weights, theirs, changed[b])
        for start in range(0, len(ours), BLOCK):
            if len(stale := start + np.flatnonzero(again[start : start + BLOCK])):
                rows[stale], values[stale] = _lists_of(relaxed(ours[stale]) * bit_weights, theirs, width)
        new[a, b] = rows, values
    return new


def _leave(rows: np.ndarray, values: np.ndarray, leaving: np.ndarray) -> np.ndarray:
    """Takes items out of lists, (n, L), in place; the last of the others then stands there several times.

    Returns (n,) bool, the lists in which no other is left.
    """
    held = np.isin(rows, leaving)
    touched = np.flatnonzero(held.any(axis=1))
    if len(touched):
        left = (~held[touched]).sum(axis=1)
        places = np.minimum(np.arange(rows.shape[1]), np.maximum(left, 1)[:, None] - 1)
        order = np.take_along_axis(np.argsort(held[touched], axis=1, kind="stable"), places, axis=1)
        rows[touched] = np.take_along_axis(rows[touched], order, axis=1)
        values[touched] = np.take_along_axis(values[touched], order, axis=1)
    return np.asarray(held.all(axis=1))


def _enter(rows: np.ndarray, values: np.ndarray, ours: np.ndarray, theirs: Packed, entering: np.ndarray) -> None:
    """Puts items into the lists, (n, L), in which they are better than the last, in place."""
    for start in range(0, len(entering), BLOCK):
        numbers = entering[start : start + BLOCK].astype(rows.dtype)
        block = product(ours, np.ascontiguousarray(relaxed(theirs[numbers]).T))
        better = np.flatnonzero(block.max(axis=1) > values[:, -1])
        both = np.concatenate([values[better], block[better]], axis=1)
        names = np.concatenate([rows[better], np.broadcast_to(numbers, block[better].shape)], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, : rows.shape[1]]
        rows[better] = np.take_along_axis(names, order, axis=1)
        values[better] = np.take_along_axis(both, order, axis=1)


def extended(
    lists: Partners, sizes: Mapping[str, int], item_codes: Mapping[str, Packed], weights: np.ndarray
) -> Partners:
    """Extends the lists of the first items of each type to all items.

    Args:
        lists: the lists of the first items.
        sizes: by type, the number of these items.
        item_codes: by type, (N, M, D / 8) uint8, the codes of all items.
        weights: (D,) int32, see find_partners.
    """
    longer = {}
    for a, b in lists:
        theirs = item_codes[b]
        ours = relaxed(item_codes[a]) * pair_weights(weights, theirs.shape[1])
        rows, values = lists[a, b]
        if len(theirs) > sizes[b]:
            rows, values = _with_more(rows, values, ours[: sizes[a]], theirs, sizes[b])
        if len(ours) > sizes[a]:
            new = _lists_of(ours[sizes[a] :], theirs, rows.shape[1])
            rows, values = np.concatenate([rows, new[0]]), np.concatenate([values, new[1]])
        longer[a, b] = rows, values
    return longer


def _with_more(
    rows: np.ndarray, values: np.ndarray, ours: np.ndarray, theirs: Packed, known: int
) -> tuple[np.ndarray, np.ndarray]:
    """The lists of (N, L) with the partners in row `known` and above merged in."""
    complete = rows.shape[1] == known  # short lists have all partners, and grow
    width = min(max(LENGTH, known), len(theirs)) if complete else rows.shape[1]
    last = values[:, -1] if rows.shape[1] and not complete else np.full(len(ours), -np.inf, dtype=np.float32)
    new = np.ascontiguousarray(relaxed(theirs[known:]).T)
    out_rows, out_values = (np.empty((len(ours), width), dtype=array.dtype) for array in (rows, values))
    if not complete:
        out_rows[:], out_values[:] = rows, values
    for start in range(0, len(ours), BLOCK):
        block = product(ours[start : start + BLOCK], new)
        improved = np.flatnonzero(block.max(axis=1) > last[start : start + BLOCK])
        both = np.concatenate([values[start + improved], block[improved]], axis=1)
        numbers = np.concatenate(
            [
                rows[start + improved],
                np.broadcast_to(np.arange(known, len(theirs), dtype=rows.dtype), block[improved].shape),
            ],
            axis=1,
        )
        order = np.argsort(-both, axis=1, kind="stable")[:, :width]
        out_rows[start + improved] = np.take_along_axis(numbers, order, axis=1)
        out_values[start + improved] = np.take_along_axis(both, order, axis=1)
    return out_rows, out_values


def _lists_of(ours: np.ndarray, theirs: Packed, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The lists of items, given as weighted codes (n, M * D), over all items of another type."""
    from fashion_hash.index.kernels import greatest

    rows, values = np.empty((len(ours), width), dtype=np.int32), np.empty((len(ours), width), dtype=np.float32)
    if width:
        columns = np.ascontiguousarray(relaxed(theirs).T)
        for start in range(0, len(ours), BLOCK):
            chunk = slice(start, start + BLOCK)
            greatest(product(ours[chunk], columns), width, rows[chunk], values[chunk])
    return rows, values
