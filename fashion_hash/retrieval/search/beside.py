"""What counts beside the bits of a request, against a live catalogue; see inference/request_sum.py.

In a bundle without a request tower no request has bits. There the facts and the words of the catalogue count, and

    TASTE * share + POPULAR * how many users like an outfit with the item, over the most of any item

The share is the preference term of FHN's score for the item alone, scaled from the least that the bit weights allow, 0,
to the most, 1; with an outfit encoder it is the share of bits in which the codes of user and item agree. TASTE decides
between items that hold the words about equally well, POPULAR between items that are equal in all else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import Packed, hamming, pack, weighted_inner
from fashion_hash.core.outfits import EMPTY
from fashion_hash.index.engines.early import are_kernels_loaded, count_seconds
from fashion_hash.index.scoring import scoring_of
from fashion_hash.inference.request_sum import RequestSum, cosines, read_sum, rounded
from fashion_hash.inference.request_tower import RequestCodes, RequestTower
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.composition.bounds import add_inner, code_tables
from fashion_hash.retrieval.pool.popular import item_popularity
from fashion_hash.retrieval.users import User

TASTE, POPULAR = 1.0, 0.001


class UserCode(NamedTuple):
    """What a request is compared by in a bundle without a request tower.

    Attributes:
        key: of the user, see Bundle.user_keys; None where nothing is known of them.
    """

    key: np.ndarray | None

    @classmethod
    def of(cls, user: User) -> UserCode:
        """The code of a user."""
        return cls(user.user_key if user.personal else None)

    def of_rows(self, snapshot: Snapshot, item_type: str, rows: np.ndarray) -> Added:
        """What counts for some items of a type, those that were added included; rows (n,)."""
        nothing, popularity = np.zeros(len(rows)), item_popularity(snapshot)
        most = max(float(of_type.max(initial=0)) for of_type in popularity.values())
        codes, of_type = snapshot.bundle.item_codes[item_type], popularity[item_type]
        popular = np.zeros(len(codes))
        popular[: len(of_type)] = POPULAR * of_type / max(most, 1.0)
        if len(rows) < len(codes):  # a copy of all would take as long as the sums
            popular, codes = popular[rows], codes[rows]
        if self.key is None:
            return Added(nothing, nothing, popular)
        most_preferred = codes.shape[1] * int(np.abs(snapshot.bundle.preference_weights.astype(np.int64)).sum())
        preferred = _sums(scoring_of(snapshot.bundle).item_query(self.key), codes)
        return Added(nothing, TASTE * (1 + preferred / max(most_preferred, 1)) / 2, popular)


def _sums(query: np.ndarray, codes: Packed) -> np.ndarray:
    """The inner products of an integer query, (D,), with all codes of items, (n, M, D / 8), together: (n,) int64."""
    if are_kernels_loaded():
        sums = np.zeros(len(codes), dtype=np.int64)
        add_inner(sums, codes, code_tables(np.tile(query, (codes.shape[1], 1))))
        return sums
    begin = time.perf_counter()
    sums = np.asarray(weighted_inner(query, codes).sum(axis=1))
    count_seconds(time.perf_counter() - begin)
    return sums


class Beside(NamedTuple):
    """What a request is compared by beside its own code.

    Attributes:
        vector: (F,) int8, of the encoder; zeros without a known word.
        words, taste: (D / 8,) uint8, packed, of the words alone and of the taste alone; None where there are none.
        known: how much is known of the user, from 0 to 1.
    """

    vector: np.ndarray
    words: Packed | None
    taste: Packed | None
    known: float


class Added(NamedTuple):
    """What counts beside the bits, for some items: each (n,) float64.

    Attributes:
        words: of the words alone and of the encoder.
        taste: of the taste alone.
        popular: how often the items were taken.
    """

    words: np.ndarray
    taste: np.ndarray
    popular: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(n,) their sum."""
        return np.asarray(self.words + self.taste + self.popular)


class LiveSum:
    """What counts beside the bits in a bundle, opened at the first request.

    Args:
        exported: the bundle.
    """

    def __init__(self, exported: Bundle) -> None:
        """Opens nothing yet."""
        self._exported = exported
        self._sum: RequestSum | None = None
        self._is_open = False
        self._lock = threading.Lock()

    def sum_of(self, tower: RequestTower) -> RequestSum | None:
        """What the bundle keeps; None for bundles in which only bits, words and facts count."""
        with self._lock:
            if not self._is_open:
                sizes = {item_type: len(ids) for item_type, ids in self._exported.items.items()}
                self._sum = read_sum(self._exported.path / "requests" / "sum", sizes, tower.encoder.dim)
                self._is_open = True
            return self._sum

    def ask(
        self, tower: RequestTower, request: RequestCodes, taste: np.ndarray | None, liked: np.ndarray
    ) -> Beside | None:
        """What a request is compared by beside its own code; None where nothing else counts.

        Args:
            tower: the request tower.
            request: the codes of one request.
            taste: (D,) of the user; None where it is not known.
            liked: (L, S) the outfits that the user likes.
        """
        kept = self.sum_of(tower)
        if kept is None:
            return None
        words = tower.request_of(request.vectors, [None]).bits if request.by_text[0] else None
        alone = None if taste is None else tower.request_of(np.zeros_like(request.vectors), [taste]).bits
        # a taste without liked items was learned with the user's row
        known = 0.0 if taste is None else float(kept.weights.known(max(1, self._different(liked))))
        of_words, of_taste = (None if bits is None else pack(bits)[0] for bits in (words, alone))
        return Beside(rounded(request.vectors[0]), of_words, of_taste, known)

    def _different(self, liked: np.ndarray) -> int:
        """How many different items some outfits hold."""
        slots = self._exported.slots
        return sum(
            len(np.setdiff1d(liked[:, [slot == item_type for slot in slots]], [EMPTY])) for item_type in set(slots)
        )

    def of_rows(
        self,
        tower: RequestTower,
        beside: Beside,
        item_type: str,
        rows: np.ndarray,
        parts: Sequence[tuple[Packed, np.ndarray]],
    ) -> Added:
        """What counts beside the bits for some items.

        Args:
            tower: the request tower.
            beside: what the request is compared by.
            item_type: of the items.
            rows: (n,) their rows, ascending.
            parts: codes (N, D / 8) uint8, packed, and vectors (N, F) int8 of the items of the type: those of the
                export, then those that were added.
        """
        kept = self.sum_of(tower)
        assert kept is not None
        weights, first = kept.weights, len(parts[0][0])
        early, late = rows[rows < first], rows[rows >= first] - first
        words, taste, popular = np.zeros((3, len(rows)))
        at = 0
        for (codes, vectors), of_part in zip(parts, (early, late)):
            part = slice(at, at := at + len(of_part))
            if weights.encoder and beside.vector.any():
                words[part] += weights.encoder * cosines(vectors, beside.vector, of_part)
            if weights.words and beside.words is not None:
                words[part] += weights.words * _share(codes[of_part], beside.words)
            if weights.taste and beside.taste is not None:
                taste[part] += weights.taste * beside.known * _share(codes[of_part], beside.taste)
        if weights.popular:  # nobody has taken what was added yet
            popular[: len(early)] = weights.popular * kept.popular[item_type][early].astype(np.float64)
        return Added(words, taste, popular)


def _share(codes: Packed, code: Packed) -> np.ndarray:
    bits = 8 * len(code)
    return (bits - hamming(codes, code)) / bits
