"""Hamming shortlist by faiss, exact re-rank, and a proof that nothing better was left out.

faiss returns the outfits with the smallest Hamming distance between their slots' codes and the user's
code, repeated for every slot. With learned bit weights this is not the order of scores, so the
shortlist is widened until a bound proves it long enough: an outfit of n items that differs from the
user in at least d of its n M D bits has at most the preference

    U(d) = n M sum(q) - 2 * (sum of the d smallest of n M copies of each q),   q = sign(u) * round(w_u * u)

(where the user is more than signs, their signs are compared; the differences are where they cost least),
and at most the best compatibility and bias of any outfit of its shape (n, P). When that is below the
k-th best score so far, nothing is missing.

build_index writes the faiss index (IndexBinaryFlat) to index/outfits.faiss for pools of at most
FAISS_UP_TO outfits; without the file, the engine builds the index when it is opened.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, binarise, hamming, pack, unpack, user_numbers
from fashion_hash.errors import BundleError, counted, unreadable
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Engine, Ranking
from fashion_hash.index.engines.plain import Scan
from fashion_hash.index.outfit_terms import slot_codes
from fashion_hash.index.pool import CHUNK, Pool

FAISS = "outfits.faiss"
FAISS_UP_TO = 2_000_000  # for larger pools other engines are faster, and the file would be the largest of the index
FIRST = 256
GROWTH = 8


def faiss_index(bundle: Bundle, items: np.ndarray) -> Any:
    """A faiss IndexBinaryFlat over outfits, (N, S) rows of items, with S M D bits each; an empty slot is all zeros."""
    import faiss

    index = faiss.IndexBinaryFlat(len(bundle.slots) * len(bundle.modalities) * bundle.num_bits)
    for start in range(0, len(items), CHUNK):
        codes = slot_codes(bundle, exact.outfit_items(bundle, items[start : start + CHUNK]))
        index.add(codes.reshape(len(codes), -1))
    return index


def write_faiss(folder: Path, bundle: Bundle, items: np.ndarray) -> None:
    """Writes `faiss_index` of a pool to outfits.faiss, unless the pool is larger than FAISS_UP_TO."""
    if len(items) <= FAISS_UP_TO:
        import faiss

        path = str(folder / FAISS)
        try:
            faiss.write_index_binary(faiss_index(bundle, items), path)
        except RuntimeError as error:  # it quotes what the operating system said
            said = (number for number in (errno.ENOSPC, errno.EFBIG, errno.EMFILE) if os.strerror(number) in str(error))
            number = next(said, errno.EIO)
            raise OSError(number, os.strerror(number), path) from None


def read_faiss(bundle: Bundle, pool: Pool) -> Any:
    """Reads what write_faiss wrote. Raises BundleError when it cannot be read or does not fit the pool."""
    import faiss

    path = pool.path / FAISS
    try:
        index = faiss.read_index_binary(str(path))
    except RuntimeError as error:  # its message quotes the source code of faiss
        message = f"{path} is not a readable faiss index: build it again with `fashion-hash build-index`"
        raise unreadable(path, error, message) from None
    bits = len(bundle.slots) * len(bundle.modalities) * bundle.num_bits
    if (index.ntotal, index.d) != (len(pool), bits):
        raise BundleError(
            f"{path} has {index.ntotal} codes of {index.d} bits, but the pool has {counted(len(pool), 'outfit')} of "
            f"{bits} bits: "
            "build it again with `fashion-hash build-index`"
        )
    return index


class Hamming(Engine):
    """The engine that the module docstring describes.

    Own codes of outfits are not in the distance, and the bound would have to allow for any of them: it refuses bundles
    that have them.

    Attributes:
        shortlist: the length of the shortlist that the last search needed.

    Raises:
        BundleError: outfits.faiss cannot be read or does not fit the pool.
    """

    knows_own = False

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        super().__init__(bundle, pool)
        self._index = read_faiss(bundle, pool) if (pool.path / FAISS).exists() else faiss_index(bundle, pool.items)
        self._scan = Scan(bundle, pool)
        self.shortlist = 0
        num_items, pairs = pool.num_items.astype(np.int64), np.maximum(pool.num_pairs, 1).astype(np.int64)
        bits = len(bundle.modalities) * bundle.num_bits
        constant = bundle.compatibility_scale * pool.compatibility * num_items + bits * pool.bias * pairs
        shapes, shape = np.unique(np.stack([num_items, pairs], axis=1), axis=0, return_inverse=True)
        best = np.full(len(shapes), np.iinfo(np.int64).min)
        np.maximum.at(best, shape.ravel(), constant)
        self._shapes = [(*shape, most) for shape, most in zip(shapes.tolist(), best.tolist())]

    def search(
        self, user_key: np.ndarray, k: int, exclude: np.ndarray = NOTHING, allowed: np.ndarray | None = None
    ) -> Ranking:
        """See Engine.search."""
        size, signs = max(FIRST, 4 * k) + len(exclude), self._signs(user_key)
        while size * 4 < len(self._pool):
            self.shortlist = size
            distance, shortlist = self.faiss_search(signs, size)
            rows = np.setdiff1d(shortlist, exclude)
            rows = rows if allowed is None else rows[allowed[rows]]
            score = exact.scores(self._bundle, exact.terms(self._bundle, user_key, self._pool.items[rows]))
            best = exact.top(score, k)
            # an outfit outside the shortlist may be at the last distance and tie: the bound must be strictly below
            if len(best) == k and self.bound(user_key, int(distance[-1])) < score[best[-1]]:
                return Ranking(rows[best], score[best])
            size *= GROWTH
        self.shortlist = len(self._pool)
        return self._scan.search(user_key, k, exclude, allowed)

    def faiss_search(self, user_code: Packed, size: int) -> tuple[np.ndarray, np.ndarray]:
        """The `size` nearest outfits by plain Hamming distance: distances, int32, and rows, int64."""
        codes = len(self._bundle.slots) * len(self._bundle.modalities)
        distance, rows = self._index.search(np.tile(user_code, codes)[None], size)
        return distance[0], rows[0]

    def _signs(self, user_key: np.ndarray) -> Packed:
        return pack(binarise(user_numbers(self._bundle.user_form, user_key)))

    def bound(self, user_key: np.ndarray, distance: int) -> float:
        """An upper bound of the score of every outfit at this Hamming distance from a user's signs or farther."""
        bundle, modalities = self._bundle, len(self._bundle.modalities)
        signs = self._signs(user_key)
        weights = np.sort(exact.query(bundle, user_key) * unpack(signs))
        empty_distance = modalities * int(hamming(signs, np.zeros_like(signs)))
        bits = modalities * bundle.num_bits
        bounds = []
        for num_items, pairs, most in self._shapes:
            # an empty slot is all zeros: its share of the distance does not come from the items
            differing = max(0, distance - (len(bundle.slots) - num_items) * empty_distance)
            if differing > num_items * bits:
                continue
            cost = np.concatenate([[0], np.cumsum(np.repeat(weights, num_items * modalities))])
            preference = num_items * modalities * int(weights.sum()) - 2 * int(cost[differing:].min())
            numerator = bundle.preference_scale * preference * pairs + most
            bounds.append(numerator / (WEIGHT_ONE * bits * num_items * pairs))
        return max(bounds, default=-np.inf)
