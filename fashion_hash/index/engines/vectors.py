"""Scores under an outfit encoder, and the engine that finds the best outfits of a pool exactly.

Every score is computed from the vectors of outfits (fashion_hash.inference.outfit_encoder) in float64, row by row,
so that pool search, composition and single scores agree bit for bit.

    score = - factor * |u - o|^2 + (sum of the biases of the items) / n

Vectors are stored as float32 (N, D), or with output "bits" packed as (N, D / 8) uint8. For an anonymous user
(bundle.views.impersonal, a preference scale of 0) u is the vector of the mean user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, hamming, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING, Engine, Ranking
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.outfit_vectors import encoder_of, outfit_vectors
from fashion_hash.index.pool import Pool

CHUNK = 1 << 14
USERS_AT_ONCE = 16


def asking(bundle: Bundle, taste: np.ndarray) -> np.ndarray:
    """The vector, (D,), to score outfits with: the user's own, or that of the mean user in an impersonal view."""
    return taste if bundle.preference_scale else encoder_of(bundle).nobody


def nearness(bundle: Bundle, taste: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Minus the scaled distance of each outfit, float64 (R,).

    Args:
        bundle: with an outfit encoder.
        taste: (D,) float32, see Bundle.user_keys.
        vectors: (R, D) or (R, D / 8), as stored.
    """
    encoder, user = encoder_of(bundle), asking(bundle, taste)
    if encoder.output == "bits":
        code = pack(user)
        if bundle.num_bits % 64 == 0 and vectors.flags.c_contiguous:  # eight bytes at a time
            vectors, code = vectors.view(np.uint64), code.view(np.uint64)
        return encoder.factor * -4.0 * hamming(vectors, code)
    near = np.empty(len(vectors))
    for start in range(0, len(vectors), CHUNK):
        apart = vectors[start : start + CHUNK].astype(np.float64) - user
        near[start : start + CHUNK] = -encoder.factor * (apart * apart).sum(axis=1)
    return near


def bias_part(bias: np.ndarray, num_items: np.ndarray) -> np.ndarray:
    """The item-bias term, float64 (R,), from OutfitTerms."""
    return bias / (WEIGHT_ONE * np.asarray(num_items, dtype=np.float64))


def parts(bundle: Bundle, taste: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearness and bias of outfits, (R, S) rows of items, float64 (R,) each: the score is their sum."""
    return nearness(bundle, taste, outfit_vectors(bundle, items)), bias_of(bundle, items)


def bias_of(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The item-bias term of outfits, (R, S) rows of items, float64 (R,)."""
    bias = np.zeros(len(items), dtype=np.int64)
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        bias[filled] += bundle.item_bias[item_type][items[filled, slot]]
    return bias_part(bias, (items != EMPTY).sum(axis=1))


class StoredOutfits(NamedTuple):
    """The outfits of a search.

    Attributes:
        vectors: (N, D) float32 or (N, D / 8) uint8, as stored.
        bias: (N,) float64, see bias_part.
        norms: (N,) float32, squared lengths; (0,) for bits, which all have the same length.
    """

    vectors: np.ndarray
    bias: np.ndarray
    norms: np.ndarray

    @classmethod
    def of(cls, bundle: Bundle, vectors: np.ndarray, terms: OutfitTerms | Pool) -> StoredOutfits:
        """The outfits with these stored vectors and these terms."""
        return cls(vectors, bias_part(terms.bias, terms.num_items), squared_norms(bundle, vectors))


def best(
    bundle: Bundle, user_keys: np.ndarray, outfits: StoredOutfits, k: int, may: Sequence[np.ndarray]
) -> list[Ranking]:
    """The k best outfits for each of Q users, exactly.

    Float vectors are first compared by matrix products with a bounded error; outfits that may be among the
    best are then scored exactly. Hamming distances need no second step.

    Args:
        bundle: a bundle with an outfit encoder.
        user_keys: (Q, D) float32, see Bundle.user_keys.
        outfits: the N outfits to search.
        k: the number of outfits, at least 1.
        may: for each user (N,) bool, the outfits to choose from.
    """
    encoder = encoder_of(bundle)
    vectors, bias, norms = outfits
    if encoder.output == "bits":
        scores = (nearness(bundle, user_key, vectors) + bias for user_key in user_keys)
        return [_top(score, np.flatnonzero(mask), k) for score, mask in zip(scores, may)]
    rankings = []
    for first in range(0, len(user_keys), USERS_AT_ONCE):
        users = np.stack([asking(bundle, user_key) for user_key in user_keys[first : first + USERS_AT_ONCE]])
        rough = np.empty((len(users), len(vectors)), dtype=np.float32)
        for start in range(0, len(vectors), CHUNK):
            chunk = slice(start, start + CHUNK)
            rough[:, chunk] = 2 * (users @ vectors[chunk].T) - norms[chunk]
        for user, products, mask in zip(users, rough, may[first:]):
            score = encoder.factor * (products.astype(np.float64) - float((user.astype(np.float64) ** 2).sum())) + bias
            rows = np.flatnonzero(mask)
            if len(rows) > k:
                # the error of a float32 sum of D products is below D units in the last place of its absolute sum
                longest = float(np.sqrt(norms.max())) * (1 + 1e-4)
                size = float(np.linalg.norm(user)) * longest * 2 + longest**2
                error = encoder.factor * size * (bundle.num_bits + 4) * 2.0**-23
                least = np.partition(score[rows], len(rows) - k)[len(rows) - k]
                rows = rows[score[rows] >= least - 2 * error]
            rankings.append(_top(nearness(bundle, user, vectors[rows]) + bias[rows], np.arange(len(rows)), k, rows))
    return rankings


def _top(score: np.ndarray, kept: np.ndarray, k: int, rows: np.ndarray | None = None) -> Ranking:
    chosen = kept[exact.top(score[kept], k)]
    return Ranking(chosen if rows is None else rows[chosen], score[chosen])


def squared_norms(bundle: Bundle, vectors: np.ndarray) -> np.ndarray:
    """The squared lengths of stored vectors, (N,) float32; empty for bits, which all have the same length."""
    if encoder_of(bundle).output == "bits":
        return np.zeros(0, dtype=np.float32)
    parts = [np.zeros(0)]
    for start in range(0, len(vectors), CHUNK):
        parts.append((vectors[start : start + CHUNK].astype(np.float64) ** 2).sum(axis=1))
    return np.concatenate(parts).astype(np.float32)


class VectorScan(Engine):
    """The exact engine for outfit encoders: compares the vectors of all outfits of a pool with those of users."""

    scoring = "vectors"

    def __init__(self, bundle: Bundle, pool: Pool) -> None:
        super().__init__(bundle, pool)
        if not pool.vectors.shape[1]:
            raise BundleError(f"{pool.path} has no vectors of outfits: build it again with `fashion-hash build-index`")
        self._outfits = StoredOutfits.of(bundle, pool.vectors, pool)

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many."""
        rankings: list[Ranking] = []
        excluded = [NOTHING] * len(user_keys) if excludes is None else excludes
        for first in range(0, len(user_keys), USERS_AT_ONCE):
            may = []
            for rows in excluded[first : first + USERS_AT_ONCE]:
                mask = np.ones(len(self._pool), dtype=bool) if allowed is None else allowed.copy()
                mask[rows] = False
                may.append(mask)
            rankings += best(self._bundle, user_keys[first : first + USERS_AT_ONCE], self._outfits, k, may)
        return rankings
