"""Fold-in: the code of a new user, from liked and disliked outfits.

Fold-in needs only a bundle and trains nothing. `FoldIn.by_sum` takes the sign of the difference between the
codes of liked outfits and those of the average outfit. `FoldIn.fit` starts there and lowers the training loss,
BPR (Rendle et al., UAI 2009; FHN, Lu et al., CVPR 2019), one bit at a time: liked outfits are compared with
random ones, and random ones with disliked ones. An anonymous user has no code; the view `impersonal` of the
bundle ranks for them by compatibility and item bias alone.

Shapes: N outfits, L liked and disliked outfits, K random outfits for each of them, P pairs, S slots, M modalities,
D bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, binarise, pack, unpack
from fashion_hash.core.outfits import EMPTY, slot_pairs
from fashion_hash.core.seeds import generator
from fashion_hash.errors import QueryError
from fashion_hash.index import exact
from fashion_hash.index.outfit_terms import slot_codes

NEGATIVES, FEWEST_NEGATIVES = 64, 8
PAIRS = 4096  # about this many take tens of milliseconds at 128 bits
MOST_TOLD = 2048
# chosen from 0, 1, 3 and 10 on the validation rows of 300 held-out users of IQON3000 with five liked outfits
# each; with fifty or more, a smaller pull is slightly better (benchmarks/bench_foldin.py)
PULL = 10.0
SWEEPS = 20
SAMPLE = 65_536
MOST_KEPT, MOST_DRAWS = 1_024, 32  # random outfits that are kept for the next user, and how many draws of them


class Vectors(NamedTuple):
    """Outfits as linear functions of a user's code: score = preference @ code + constant.

    Attributes:
        preference: (N, D) float64.
        constant: (N,) float64, compatibility and item bias.
    """

    preference: np.ndarray
    constant: np.ndarray


class Fit(NamedTuple):
    """The result of `descend`: the code, (D,) float64 of -1 / +1, and the loss before and after each sweep."""

    code: np.ndarray
    losses: list[float]


def outfit_vectors(bundle: Bundle, items: np.ndarray) -> Vectors:
    """The coefficients of the score of outfits, (N, S) rows of items, for any user."""
    from fashion_hash.foldin.kernels import add_codes

    counted = exact.outfit_items(bundle, items)
    present = counted != EMPTY
    bias = np.zeros(len(counted), dtype=np.int64)
    for slot, item_type in enumerate(bundle.slots):
        filled = present[:, slot]
        bias[filled] += bundle.item_bias[item_type][counted[filled, slot]]
    total = np.zeros((len(counted), bundle.num_bits), dtype=np.int32)
    compatibility, num_pairs = np.zeros(len(counted), dtype=np.int64), np.zeros(len(counted), dtype=np.int64)
    pairs = np.array(slot_pairs(bundle.slots), dtype=np.int64).reshape(-1, 2)
    weights = bundle.compatibility_weights.astype(np.int64)
    add_codes(unpack(slot_codes(bundle, counted)), present, pairs, weights, (total, compatibility, num_pairs))
    num_items = present.sum(axis=1)
    terms = exact.Terms(np.zeros_like(bias), compatibility, bias, num_items, num_pairs)
    constant = exact.compatibility_part(bundle, terms) + exact.bias_part(terms)
    return Vectors(total / num_items[:, None] * _weights(bundle), constant)


def _weights(bundle: Bundle) -> np.ndarray:
    """What each bit of the sum of an item's codes adds to its preference, (D,)."""
    scale = bundle.preference_scale / (WEIGHT_ONE * len(bundle.modalities) * bundle.num_bits)
    return np.asarray(scale * bundle.preference_weights.astype(np.float64))


def descend(pairs: Vectors, pull: np.ndarray, start: np.ndarray, share: np.ndarray, sweeps: int = SWEEPS) -> Fit:
    """Flips bits, one at a time and in order, while that lowers the loss.

    loss = sum over pairs of share * softplus(-(preference @ code + constant)) - pull @ code

    Args:
        pairs: P differences, an outfit minus the one that should rank below it.
        pull: (D,), what the loss decreases by when a bit is +1 (and increases by when it is -1).
        start: (D,) of -1 / +1.
        share: (P,) the weight of each pair.
        sweeps: the maximal number of passes over the bits; it stops after a pass without a flip.
    """
    from fashion_hash.foldin.kernels import descend as kernel

    code = start.astype(np.float64)
    margins = pairs.preference @ code + pairs.constant
    losses = np.empty(sweeps + 1)
    columns = np.ascontiguousarray(pairs.preference.T)  # (D, P)
    written = kernel(columns, margins, code, pull.astype(np.float64), share.astype(np.float64), losses)
    return Fit(code, losses[:written].tolist())


def checked_outfits(bundle: Bundle, liked: np.ndarray, disliked: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """All liked and disliked outfits, (L, S), and +1 or -1 for each; raises like FoldIn.by_sum."""
    tables = [_checked(bundle, "liked", liked), _checked(bundle, "disliked", [] if disliked is None else disliked)]
    both = {tuple(row) for row in tables[0].tolist()} & {tuple(row) for row in tables[1].tolist()}
    if both:
        raise QueryError(f"the outfit with item rows {list(min(both))} is both liked and disliked: leave one out")
    return np.concatenate(tables), np.repeat([1.0, -1.0], [len(table) for table in tables])


def _checked(bundle: Bundle, name: str, outfits: object) -> np.ndarray:
    slots = bundle.slots
    table = np.asarray(outfits)
    if not table.size:
        return np.zeros((0, len(slots)), dtype=np.int32)
    if table.ndim != 2 or table.shape[1] != len(slots) or table.dtype.kind not in "iu":
        raise QueryError(
            f"got {name} outfits of shape {table.shape}, {table.dtype}: give rows of items, (L, {len(slots)}) "
            f"integers, one for each of the slots {list(slots)}"
        )
    for slot, item_type in enumerate(slots):
        size = len(bundle.items[item_type])
        if (bad := np.flatnonzero((table[:, slot] < EMPTY) | (table[:, slot] >= size))).size:
            row = int(bad[0])
            raise QueryError(f"{name} outfit {row} has {item_type} row {table[row, slot]}, but the bundle has {size}")
    if (bare := np.flatnonzero((table == EMPTY).all(axis=1))).size:
        raise QueryError(f"{name} outfit {bare[0]} has no items")
    return table.astype(np.int32)


class FoldIn:
    """Codes of new users for one bundle whose users are bits.

    The same seed and the same outfits, in the same order, give the same code.

    Args:
        bundle: an open bundle.
        seed: the seed of the random outfits for comparison.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle = bundle
        self._seed = seed
        self._drawn: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}  # replaced as a whole: threads share it
        self._mean_code: dict[str, np.ndarray] = {}  # (D,) of a type's items, summed over modalities
        for item_type, packed in bundle.item_codes.items():
            codes = packed[:: 1 + len(packed) // SAMPLE]
            self._mean_code[item_type] = unpack(codes).sum(axis=(0, 1), dtype=np.int64) / max(1, len(codes))
        # an undetermined bit takes the value that most users of the bundle have
        keys = bundle.known_user_keys
        users = keys[:: 1 + len(keys) // SAMPLE]
        self._majority = binarise(unpack(users).sum(axis=0, dtype=np.int64))

    def by_sum(self, liked: np.ndarray, disliked: np.ndarray | None = None) -> Packed | None:
        """The sign of the sum of liked outfits' codes, minus those of disliked ones.

        Codes are multiplied by the bit weights of the preference, averaged over an outfit's items and summed
        over modalities. The average over outfits with the same slots is subtracted, because what all outfits
        share says nothing about taste. A bit without a sign takes the value of most users of the bundle.

        Args:
            liked: (L, S) rows of items by slot, EMPTY for an empty slot.
            disliked: the same for disliked outfits.

        Returns:
            (D / 8,) uint8, packed; None without any outfit (see `impersonal`).

        Raises:
            QueryError: an outfit with other slots, with rows that are not in the bundle or without items, or
                one that is both liked and disliked.
        """
        told, signs = checked_outfits(self._bundle, liked, disliked)
        if not len(told):
            return None
        return pack(self._signs(self._lean(self._bundle, told, signs, outfit_vectors(self._bundle, told))))

    def fit(
        self,
        liked: np.ndarray,
        disliked: np.ndarray | None = None,
        *,
        bundle: Bundle | None = None,
        negatives: int | None = None,
        pull: float = PULL,
    ) -> Packed | None:
        """The code that ranks liked outfits above random ones, and disliked ones below, by BPR.

        It is found by coordinate descent from `by_sum`; compatibility and item bias are constants of each
        outfit. A pull towards the sum prevents overfitting to few outfits.

        Args:
            liked: see `by_sum`, also for the returned value and errors.
            disliked: see `by_sum`.
            bundle: the bundle with items added since; by default that of the constructor.
            negatives: K, the number of random outfits for each outfit; by default 64, fewer for more than 64 outfits.
            pull: the weight of the pull as a number of outfits; 0 for none.
        """
        bundle = bundle or self._bundle
        told, signs = checked_outfits(bundle, liked, disliked)
        if not len(told):
            return None
        vectors = outfit_vectors(bundle, told)
        lean = self._lean(bundle, told, signs, vectors)
        if len(told) > MOST_TOLD:
            kept = np.linspace(0, len(told) - 1, MOST_TOLD).astype(np.int64)
            told, signs, vectors = told[kept], signs[kept], Vectors(*(part[kept] for part in vectors))
        count = negatives or max(FEWEST_NEGATIVES, min(NEGATIVES, PAIRS // len(told)))
        others = outfit_vectors(bundle, self._random(bundle, told, count))
        sign = np.repeat(signs, count)
        pairs = Vectors(
            sign[:, None] * (np.repeat(vectors.preference, count, axis=0) - others.preference),
            sign * (np.repeat(vectors.constant, count) - others.constant),
        )
        # an outfit with margin 0 pulls by half its lean, since softplus has slope 1/2 at 0
        return pack(descend(pairs, 0.5 * pull * lean, self._signs(lean), np.full(len(sign), 1 / count)).code)

    def _lean(self, bundle: Bundle, told: np.ndarray, signs: np.ndarray, vectors: Vectors) -> np.ndarray:
        """The signed mean over the outfits of their vector minus that of the average outfit: (D,)."""
        counted = exact.outfit_items(bundle, told) != EMPTY
        means = np.stack([self._mean_code[item_type] for item_type in bundle.slots])  # (S, D)
        average = (counted @ means) / counted.sum(axis=1)[:, None] * _weights(bundle)
        lean: np.ndarray = signs @ (vectors.preference - average) / len(told)
        return lean

    def _signs(self, lean: np.ndarray) -> np.ndarray:
        return np.where(lean == 0, self._majority, binarise(lean))

    def _random(self, bundle: Bundle, told: np.ndarray, count: int) -> np.ndarray:
        """Random outfits, (L * count, S): each outfit `count` times, with random items of the same types."""
        drawn = np.repeat(told, count, axis=0)
        sizes = tuple(len(bundle.items[item_type]) for item_type in bundle.slots)
        rows = self._drawn.get((len(drawn), sizes))
        if rows is None:
            rng = generator(self._seed, "fold-in")
            rows = np.stack([rng.integers(0, max(1, size), len(drawn)) for size in sizes], axis=1)
            if len(drawn) <= MOST_KEPT:
                self._drawn = {**self._drawn, (len(drawn), sizes): rows} if len(self._drawn) < MOST_DRAWS else {}
        return np.where(drawn == EMPTY, EMPTY, rows).astype(drawn.dtype)
