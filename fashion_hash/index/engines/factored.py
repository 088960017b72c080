"""The default engine: score every item once, then an outfit is a sum of its items.

The preference of an outfit is the sum of one integer per item; its compatibility and bias do not
depend on the user and were added up when the index was built. A query thus takes M * D / 8 table
look-ups per item and S additions per outfit, all in integers, and one division. An outfit with a code
of its own takes D / 8 look-ups more. The fraction is the one of index/exact.py, so the bits are the
same.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, byte_tables, unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Engine, Ranking
from fashion_hash.index.pool import Pool

BLOCK = 1024
# numbers that the items' values of one pass may take, 64 MB; items of one product, and the queries that one is worth
MOST_VALUES, ITEMS_AT_ONCE, WORTH_A_PRODUCT = 1 << 23, 4096, 4


class _OwnCodes(NamedTuple):
    """Own codes in the order of the pool: of K outfits.

    Attributes:
        rows: (K,) of the pool.
        bytes: (D / 8, K) uint8, their codes, a row per byte.
        times: (K,) int64, n M: how often the product with the user counts (index/exact.py).
    """

    rows: np.ndarray
    bytes: Packed
    times: np.ndarray


class Factored(Engine):
    """Scores items first, then outfits; see the module docstring."""

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        super().__init__(bundle, pool)
        items = exact.outfit_items(bundle, pool.items)
        # items that occur in the pool, all types in one array; the last place is for empty slots
        codes, self._places = [], np.empty(items.shape[::-1], dtype=np.intp)
        first, width = 0, len(bundle.modalities) * bundle.num_bits // 8
        for item_type in bundle.types:
            slots = [slot for slot, name in enumerate(bundle.slots) if name == item_type]
            used = np.zeros(len(bundle.items[item_type]) + 1, dtype=bool)  # the last entry is for EMPTY, -1
            used[items[:, slots]] = True
            used[EMPTY] = False
            place = np.full(len(used), EMPTY, dtype=np.intp)
            place[used] = np.arange(first, first + used.sum())
            for slot in slots:
                self._places[slot] = place[items[:, slot]]
            codes.append(bundle.item_codes[item_type][used[:-1]].reshape(-1, width))
            first += int(used.sum())
        self._places[self._places == EMPTY] = first
        # (M * D / 8, I): one row per byte, so that a byte of all items is contiguous
        self._bytes = np.ascontiguousarray(np.concatenate(codes).T)
        self._own: _OwnCodes | None = None
        if bundle.own is not None:
            rows = np.flatnonzero(pool.own != EMPTY)
            times = len(bundle.modalities) * pool.num_items[rows].astype(np.int64)
            own = np.ascontiguousarray(bundle.own.codes[pool.own[rows]].T)
            self._own = _OwnCodes(rows, own, times)
        self._scale()

    def over(self, view: Bundle) -> Factored:
        """See Engine.over."""
        engine = copy(self)
        engine._bundle = view
        engine._scale()
        return engine

    def _scale(self) -> None:
        """What the scales of the bundle decide: score = (U * factor + constant) / denominator, see exact.scores."""
        bundle, pool = self._bundle, self._pool
        bits = len(bundle.modalities) * bundle.num_bits
        num_items, pairs = pool.num_items.astype(np.int64), np.maximum(pool.num_pairs, 1).astype(np.int64)
        self._constant = bundle.compatibility_scale * pool.compatibility * num_items + bits * pool.bias * pairs
        self._factor = _one_if_equal(bundle.preference_scale * pairs)
        self._denominator = _one_if_equal(WEIGHT_ONE * bits * num_items * pairs)

    def search(
        self, user_key: np.ndarray, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """See Engine.search."""
        return self._best(user_key, self.item_values(exact.query(self._bundle, user_key)), k, exclude, allowed)

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many: items are scored for many users at once."""
        excludes = [NOTHING] * len(user_keys) if excludes is None else excludes
        rankings: list[Ranking] = []
        at_once = max(1, MOST_VALUES // (self._bytes.shape[1] + 1))
        for first in range(0, len(user_keys), at_once):
            users = slice(first, first + at_once)
            values = self.values_of_many(exact.query(self._bundle, user_keys[users]))
            rankings += [
                self._best(user_key, of_user, k, exclude, allowed)
                for user_key, of_user, exclude in zip(user_keys[users], values, excludes[users])
            ]
        return rankings

    def _best(
        self, user_key: np.ndarray, values: np.ndarray, k: int, exclude: np.ndarray, allowed: np.ndarray | None
    ) -> Ranking:
        """The best outfits for a user by the values of the items, see item_values."""
        total = np.take(values, self._places[0])
        part = np.empty_like(total)
        for places in self._places[1:]:
            total += np.take(values, places, out=part, mode="clip")
        if self._own is not None:
            of_own = np.zeros(len(self._own.rows), dtype=np.int64)
            add_products(self._own.bytes, exact.own_query(self._bundle, user_key), of_own)
            total[self._own.rows] += self._own.times * of_own
        total *= self._factor
        total += self._constant
        score = total / self._denominator
        score[exclude] = -np.inf
        if allowed is not None:
            score[~allowed] = -np.inf
        rows = best_rows(score, min(k, len(score)))
        rows = rows[score[rows] > -np.inf]
        return Ranking(rows, score[rows])

    def item_values(self, query: np.ndarray) -> np.ndarray:
        """The inner product of an integer query, (D,), with every item, over all modalities.

        Returns:
            (I + 1,) int64 in the order of the places; the last, for empty slots, is 0.
        """
        values = np.zeros(self._bytes.shape[1] + 1, dtype=np.int64)
        add_products(self._bytes, query, values[:-1])
        return values

    def values_of_many(self, queries: np.ndarray) -> np.ndarray:
        """`item_values` of many queries, (Q, D): (Q, I + 1) int64."""
        count, modalities = self._bytes.shape[1], len(self._bundle.modalities)
        if len(queries) < WORTH_A_PRODUCT or int(np.abs(queries).sum(axis=1).max()) * modalities >= 1 << 53:
            return np.stack([self.item_values(query) for query in queries])
        # sums of whole numbers below 2^53 are exact in float64, in whatever order they are taken
        right = np.tile(queries, (1, modalities)).T.astype(np.float64)
        values = np.zeros((len(queries), count + 1), dtype=np.int64)
        for start in range(0, count, ITEMS_AT_ONCE):
            codes = unpack(np.ascontiguousarray(self._bytes[:, start : start + ITEMS_AT_ONCE].T))
            values[:, start : start + len(codes)] = (codes.astype(np.float64) @ right).T
        return values


def add_products(by_byte: Packed, query: np.ndarray, values: np.ndarray) -> None:
    """Adds to (I,) int64 the products of an integer query, (D,), with packed codes, (M D / 8, I), a row per byte."""
    tables = byte_tables(query)
    part = np.empty(by_byte.shape[1], dtype=np.int64)
    for number, column in enumerate(by_byte):
        # mode "clip" lets take write into `out` without a copy; a byte is always a valid index
        values += np.take(tables[number % len(tables)], column, out=part, mode="clip")


def best_rows(score: np.ndarray, k: int) -> np.ndarray:
    """A faster exact.top: the k-th best of the block maxima is a lower bound of the k-th best score."""
    blocks = len(score) // BLOCK
    if blocks < k or k < 1:
        return exact.top(score, max(k, 0))
    maxima = score[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)
    bound = np.partition(maxima, blocks - k)[blocks - k]
    rows = np.flatnonzero(score >= bound)
    return np.asarray(rows[exact.top(score[rows], k)])


def _one_if_equal(values: np.ndarray) -> np.ndarray:
    """A single value if all are equal (outfits of one length), to save memory and time."""
    return values[:1].copy() if len(values) and (values == values[0]).all() else values
