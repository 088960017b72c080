"""Fold-in: the code of a user the model was not trained on, from liked and disliked outfits.

A bundle suffices; nothing is trained. `FoldIn.by_sum` takes the sign of what the liked outfits' codes
have more of than the average outfit. `FoldIn.fit` starts there and lowers the loss of the training, BPR
(Rendle et al., UAI 2009; FHN, Lu et al., CVPR 2019), one bit at a time: each liked outfit against
random outfits, and random outfits against each disliked one. An anonymous user has no
code: the bundle `impersonal` answers them, by compatibility and item bias alone.

Shapes: N outfits, L told outfits, K random ones against each, P pairs, S slots, M modalities, D bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, binarise, pack, unpack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import generator
from fashion_hash.errors import QueryError
from fashion_hash.index import exact

NEGATIVES, FEWEST_NEGATIVES = 64, 8
PAIRS = 4096  # about as many take tens of milliseconds at 128 bits
MOST_TOLD = 2048
# Of 0, 1, 3 and 10, chosen on the validation rows of 300 users hidden from IQON3000 with five liked
# outfits each; with fifty or more, less pull is a little better (benchmarks/bench_foldin.py).
PULL = 10.0
SWEEPS = 20
SAMPLE = 65_536


class Vectors(NamedTuple):
    """Outfits as a user's code sees them: score = preference @ code + constant.

    Attributes:
        preference: (N, D) float64.
        constant: (N,) float64, compatibility and item bias.
    """

    preference: np.ndarray
    constant: np.ndarray


class Fit(NamedTuple):
    """What `descend` found: the code, (D,) float64 of -1 / +1, and the loss before and after each sweep."""

    code: np.ndarray
    losses: list[float]


def outfit_vectors(bundle: Bundle, items: np.ndarray) -> Vectors:
    """What the score of outfits, (N, S) rows of items, is made of, for any user."""
    any_code = np.zeros(bundle.num_bits // 8, dtype=np.uint8)
    terms = exact.terms(bundle, any_code, items)
    constant = exact.compatibility_part(bundle, terms) + exact.bias_part(terms)
    counted = exact.outfit_items(bundle, items)
    total = np.zeros((len(counted), bundle.num_bits), dtype=np.int32)
    for slot, kind in enumerate(bundle.slots):
        here = counted[:, slot] != EMPTY
        total[here] += unpack(bundle.item_codes[kind][counted[here, slot]]).sum(axis=1, dtype=np.int32)
    return Vectors(total / terms.num_items[:, None] * _weights(bundle), constant)


def _weights(bundle: Bundle) -> np.ndarray:
    """(D,) what a bit of the sum of an item's codes adds to its preference."""
    scale = bundle.preference_scale / (WEIGHT_ONE * len(bundle.modalities) * bundle.num_bits)
    return np.asarray(scale * bundle.preference_weights.astype(np.float64))


def bpr_losses(margins: np.ndarray) -> np.ndarray:
    """softplus(-margin) of each pair."""
    return np.asarray(np.logaddexp(0.0, -margins))


def descend(pairs: Vectors, pull: np.ndarray, start: np.ndarray, share: np.ndarray, sweeps: int = SWEEPS) -> Fit:
    """Flips bits, one at a time and in order, while that lowers the loss.

    loss = sum over pairs of share * softplus(-(preference @ code + constant)) - pull @ code

    Args:
        pairs: P differences, an outfit minus the one it should stand above.
        pull: (D,), what each bit gains by being +1.
        start: (D,) of -1 / +1.
        share: (P,) how much each pair counts.
        sweeps: passes over the bits at most; a pass without a flip is the last.
    """
    code = start.astype(np.float64)
    columns = np.ascontiguousarray(pairs.preference.T)  # (D, P)
    margins = pairs.preference @ code + pairs.constant
    loss = float(share @ bpr_losses(margins))
    losses = [loss - float(pull @ code)]
    for _ in range(sweeps):
        flipped = False
        for bit, column in enumerate(columns):
            moved = margins - 2 * code[bit] * column
            then = float(share @ bpr_losses(moved))
            # by more than rounding, or two equal codes could take turns
            if then + 2 * code[bit] * pull[bit] < loss - 1e-12 * (1 + abs(loss)):
                code[bit], margins, loss, flipped = -code[bit], moved, then, True
        if not flipped:
            break
        losses.append(loss - float(pull @ code))
    return Fit(code, losses)


def checked_outfits(bundle: Bundle, liked: np.ndarray, disliked: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """All outfits told, (L, S), and +1 or -1 for each; raises as FoldIn.by_sum."""
    tables = [_checked(bundle, "liked", liked), _checked(bundle, "disliked", [] if disliked is None else disliked)]
    both = {tuple(row) for row in tables[0].tolist()} & {tuple(row) for row in tables[1].tolist()}
    if both:
        raise QueryError(f"the outfit of items {list(min(both))} is both liked and disliked: leave one out")
    return np.concatenate(tables), np.repeat([1.0, -1.0], [len(table) for table in tables])


def _checked(bundle: Bundle, name: str, outfits: object) -> np.ndarray:
    slots = bundle.slots
    table = np.asarray(outfits)
    if not table.size:
        return np.zeros((0, len(slots)), dtype=np.int32)
    if table.ndim != 2 or table.shape[1] != len(slots) or table.dtype.kind not in "iu":
        raise QueryError(
            f"{name} outfits of shape {table.shape}, {table.dtype}: give rows of items, (L, {len(slots)}) "
            f"integers, one for each of the slots {list(slots)}"
        )
    for slot, kind in enumerate(slots):
        size = len(bundle.items[kind])
        if (bad := np.flatnonzero((table[:, slot] < EMPTY) | (table[:, slot] >= size))).size:
            row = int(bad[0])
            raise QueryError(f"{name} outfit {row} names {kind} row {table[row, slot]}, there are {size}")
    if (bare := np.flatnonzero((table == EMPTY).all(axis=1))).size:
        raise QueryError(f"{name} outfit {bare[0]} holds no item")
    return table.astype(np.int32)


class FoldIn:
    """Codes of new users for one bundle.

    What is random comes from `seed` and what was told: the same outfits, in the same order, give the
    same code.

    Args:
        bundle: an open bundle.
        seed: of the random outfits that told ones are held against.
    """

    def __init__(self, bundle: Bundle, seed: int = 0) -> None:
        self._bundle = bundle
        self._seed = seed
        self._mean_code: dict[str, np.ndarray] = {}  # (D,) of a type's items, summed over modalities
        for kind, packed in bundle.item_codes.items():
            codes = packed[:: 1 + len(packed) // SAMPLE]
            self._mean_code[kind] = unpack(codes).sum(axis=(0, 1), dtype=np.int64) / max(1, len(codes))
        # a bit of which nothing is known goes with the majority of the known users
        users = bundle.user_codes[:: 1 + len(bundle.user_codes) // SAMPLE]
        self._majority = binarise(unpack(users).sum(axis=0, dtype=np.int64))

    def by_sum(self, liked: np.ndarray, disliked: np.ndarray | None = None) -> Packed | None:
        """The sign of the sum of liked outfits' codes, minus those of disliked ones.

        Codes are weighted by the bit weights of users, averaged over an outfit's items, summed over
        modalities and taken against the average of random outfits of the same slots: what all outfits
        share is no taste. A bit without a sign goes with the majority of the bundle's users.

        Args:
            liked: (L, S) rows of items by slot, EMPTY where there is none.
            disliked: likewise.

        Returns:
            (D / 8,) uint8, packed; None without any outfit: see `impersonal`.

        Raises:
            QueryError: outfits of other slots, rows that the bundle does not hold, an outfit without
                items, or one that is both liked and disliked.
        """
        told, signs = checked_outfits(self._bundle, liked, disliked)
        return None if not len(told) else pack(self._signs(self._lean(self._bundle, told, signs)))

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

        Coordinate descent from `by_sum`; compatibility and item bias are constants of each outfit.
        A pull towards the sum keeps few outfits from being overfitted.

        Args:
            liked: see `by_sum`, also for what is returned and raised.
            disliked: see `by_sum`.
            bundle: the bundle with the items that were added since; by default the one given at first.
            negatives: K, random outfits against each told one: 64, or fewer when more than 64 are told.
            pull: how many outfits the pull counts for; 0 for none.
        """
        bundle = bundle or self._bundle
        told, signs = checked_outfits(bundle, liked, disliked)
        if not len(told):
            return None
        lean = self._lean(bundle, told, signs)
        if len(told) > MOST_TOLD:
            some = np.linspace(0, len(told) - 1, MOST_TOLD).astype(np.int64)
            told, signs = told[some], signs[some]
        count = negatives or max(FEWEST_NEGATIVES, min(NEGATIVES, PAIRS // len(told)))
        own = outfit_vectors(bundle, told)
        others = outfit_vectors(bundle, self._random(bundle, told, count))
        sign = np.repeat(signs, count)
        pairs = Vectors(
            sign[:, None] * (np.repeat(own.preference, count, axis=0) - others.preference),
            sign * (np.repeat(own.constant, count) - others.constant),
        )
        # an outfit whose margin is 0 pulls by half its lean: the slope of softplus there
        return pack(descend(pairs, 0.5 * pull * lean, self._signs(lean), np.full(len(sign), 1 / count)).code)

    def _lean(self, bundle: Bundle, told: np.ndarray, signs: np.ndarray) -> np.ndarray:
        """(D,): the mean over told outfits of their vector less the average one's, signs regarded."""
        counted = exact.outfit_items(bundle, told) != EMPTY
        means = np.stack([self._mean_code[kind] for kind in bundle.slots])  # (S, D)
        average = (counted @ means) / counted.sum(axis=1)[:, None] * _weights(bundle)
        lean: np.ndarray = signs @ (outfit_vectors(bundle, told).preference - average) / len(told)
        return lean

    def _signs(self, lean: np.ndarray) -> np.ndarray:
        return np.where(lean == 0, self._majority, binarise(lean))

    def _random(self, bundle: Bundle, told: np.ndarray, count: int) -> np.ndarray:
        """(L * count, S): every item of each told outfit replaced by any of its type."""
        rng = generator(self._seed, "fold-in")
        drawn = np.repeat(told, count, axis=0)
        for slot, kind in enumerate(bundle.slots):
            rows = rng.integers(0, len(bundle.items[kind]), len(drawn))
            drawn[:, slot] = np.where(drawn[:, slot] == EMPTY, EMPTY, rows)
        return drawn
