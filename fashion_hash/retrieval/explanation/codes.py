"""Why an outfit has its score: every part of the score, and the parts add up to it exactly.

The score of index/exact.py is one fraction of integers; so is each part here, over the same
denominator: what the user likes of an item in a modality, how two items go together in one, and an
item's bias. `Fraction`s add up without rounding; the floats beside them are rounded once each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.core.codes import WEIGHT_ONE, binarise, hamming, unpack, user_numbers
from fashion_hash.core.outfits import EMPTY, slot_pairs
from fashion_hash.errors import QueryError, visible
from fashion_hash.index import exact
from fashion_hash.index.exact import outfit_items
from fashion_hash.index.outfit_terms import slot_codes


@dataclass(frozen=True)
class Bit:
    """What one bit of an item's code adds to the score."""

    modality: str
    bit: int
    agrees: bool
    contribution: Fraction


@dataclass(frozen=True)
class ItemPart:
    """What an item adds to the score by itself.

    Attributes:
        slot, item_id: the slot and its item.
        repeated: the slot is empty and the model repeats the first item of its type.
        preference: by modality.
        bias: the item's.
        agreeing: by modality, how many of the D bits agree with the signs of the user's code.
        agreement: by modality, the preference between the least (0) and the most (1) that any code
            could have, given the bit weights; 0.5 where all weights are 0.
        top_bits: the bits with the largest contributions, positive or negative, in order of size.
    """

    slot: str
    item_id: str
    repeated: bool
    preference: Mapping[str, Fraction]
    bias: Fraction
    agreeing: Mapping[str, int]
    agreement: Mapping[str, float]
    top_bits: tuple[Bit, ...]

    @property
    def total(self) -> Fraction:
        """Everything that the item adds by itself."""
        return sum(self.preference.values(), self.bias)


@dataclass(frozen=True)
class PairPart:
    """What two items add to the score together, by modality; `agreeing` counts their equal bits."""

    slots: tuple[str, str]
    compatibility: Mapping[str, Fraction]
    agreeing: Mapping[str, int]

    @property
    def total(self) -> Fraction:
        """Over all modalities."""
        return sum(self.compatibility.values(), Fraction(0))


@dataclass(frozen=True)
class OwnPart:
    """What an outfit adds to its score by a code and a bias of its own (fashion_hash.bundle.own).

    Attributes:
        preference: how its own code suits the user.
        bias: its own bias: how popular the outfit is, beside its items.
        agreeing: how many of the D bits agree with the user's code.
    """

    preference: Fraction
    bias: Fraction
    agreeing: int

    @property
    def total(self) -> Fraction:
        """Both together."""
        return self.preference + self.bias


@dataclass(frozen=True)
class Neighbour:
    """A liked outfit near the explained one.

    Attributes:
        items: item ids by slot name, filled slots only.
        distance: differing bits over the slots that either outfit fills; all bits of a slot differ
            where only one of them fills it.
        share: of the bits compared, how many agree.
        by_slot: the share of agreeing bits in each slot that both fill.
    """

    items: Mapping[str, str]
    distance: int
    share: float
    by_slot: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """The score of an outfit, taken apart; see the classes of its parts.

    Attributes:
        num_bits: D.
        exact: the score as a fraction: the sum of the totals of `items` and `pairs`, of `rest` and `own`.
        items, pairs: the parts.
        liked: the nearest liked outfits, nearest first.
        own: what the outfit adds as a known outfit of the pool; None where it has no code of its own.
        rest: what the items only have together (vectors.py); 0 where the score falls apart.
    """

    num_bits: int
    exact: Fraction
    items: tuple[ItemPart, ...]
    pairs: tuple[PairPart, ...]
    liked: tuple[Neighbour, ...]
    rest: Fraction = Fraction(0)
    own: OwnPart | None = None

    @property
    def score(self) -> float:
        """The score that every engine answers."""
        return float(self.exact)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; fractions are rounded to floats."""
        plain: dict[str, Any] = _plain({"score": self.score, **vars(self)})
        if self.own is None:
            del plain["own"]
        return plain

    def to_text(self) -> str:
        """A few lines for people; what could steer a terminal is escaped."""
        lines = [f"score {self.score:.4f}"]
        for item in self.items:
            again = " (repeated: the slot is empty)" if item.repeated else ""
            lines.append(f"{item.slot} {item.item_id}{again}: {float(item.total):+.4f}")
            for modality, part in item.preference.items():
                lines.append(
                    f"  {modality} preference {float(part):+.4f}: {item.agreeing[modality]} of {self.num_bits} bits "
                    f"as the user's, {item.agreement[modality]:.0%} by weight"
                )
            if item.bias:
                lines.append(f"  bias {float(item.bias):+.4f}")
            if item.top_bits:
                bits = ", ".join(f"{bit.modality}[{bit.bit}] {float(bit.contribution):+.4f}" for bit in item.top_bits)
                lines.append(f"  strongest bits {bits}")
        for pair in self.pairs:
            parts = ", ".join(
                f"{modality} {float(part):+.4f} ({pair.agreeing[modality]} of {self.num_bits} bits alike)"
                for modality, part in pair.compatibility.items()
            )
            lines.append(f"{pair.slots[0]} with {pair.slots[1]}: {float(pair.total):+.4f}: {parts}")
        if self.rest:
            lines.append(f"all items together: {float(self.rest):+.4f}")
        if self.own is not None:
            lines.append(
                f"the outfit itself: {float(self.own.total):+.4f}: preference {float(self.own.preference):+.4f} "
                f"({self.own.agreeing} of {self.num_bits} bits as the user's), bias {float(self.own.bias):+.4f}"
            )
        for liked in self.liked:
            outfit = ", ".join(f"{slot} {item_id}" for slot, item_id in liked.items.items())
            shares = ", ".join(f"{slot} {share:.0%}" for slot, share in liked.by_slot.items())
            lines.append(
                f"like the liked {outfit}: {liked.share:.0%} of the bits agree" + (f" ({shares})" if shares else "")
            )
        return "\n".join(map(visible, lines))


def explain(
    bundle: Bundle,
    user_key: np.ndarray,
    items: np.ndarray,
    liked: np.ndarray | None = None,
    *,
    neighbours: int = 3,
    top_bits: int = 3,
) -> Explanation:
    """Takes the score of an outfit apart.

    Args:
        bundle: an open bundle.
        user_key: a row of Bundle.user_keys.
        items: (S,) rows of items by slot, EMPTY where there is none.
        liked: (L, S) the outfits that the user likes; the nearest are named.
        neighbours: at most how many liked outfits are named.
        top_bits: how many bits of each item.

    Raises:
        QueryError: no item at all.
    """
    items = np.asarray(items, dtype=np.int64)
    if (items == EMPTY).all():
        raise QueryError(f"an outfit needs an item: give at least one of {', '.join(bundle.slot_names)}")
    shares = _Shares(bundle, user_key, items)
    parts = tuple(shares.item_part(slot, top_bits) for slot in shares.filled)
    together = tuple(shares.pair_part(a, b) for a, b in shares.pairs)
    score = sum((part.total for part in parts), Fraction(0)) + sum((pair.total for pair in together), Fraction(0))
    near = nearest_liked(bundle, items, np.zeros((0, len(items))) if liked is None else liked, neighbours)
    return Explanation(bundle.num_bits, score, parts, together, near)


def with_own(explanation: Explanation, bundle: Bundle, user_key: np.ndarray, own: int) -> Explanation:
    """The explanation of an outfit of the pool: that of its items, and what its own code of this row adds."""
    assert bundle.own is not None
    preference, bias = (int(numbers[0]) for numbers in exact.own_terms(bundle, user_key, np.array([own])))
    part = OwnPart(
        preference=Fraction(bundle.preference_scale * preference, WEIGHT_ONE * bundle.num_bits),
        bias=Fraction(bias, WEIGHT_ONE),
        agreeing=int((unpack(bundle.own.codes[own]) == binarise(user_numbers(bundle.user_form, user_key))).sum()),
    )
    return replace(explanation, exact=explanation.exact + part.total, own=part)


class _Shares:
    """What every item and pair of an outfit adds to its score.

    Attributes:
        filled: the slots that count, those that repeat an item included.
        pairs: the pairs of filled slots that are compared.
    """

    def __init__(self, bundle: Bundle, user_key: np.ndarray, items: np.ndarray) -> None:
        self._bundle = bundle
        self._items = items
        self._counted = outfit_items(bundle, items[None])[0]
        self.filled = np.flatnonzero(self._counted != EMPTY).tolist()
        self.pairs = [(a, b) for a, b in slot_pairs(bundle.slots) if a in self.filled and b in self.filled]
        self._user = binarise(user_numbers(bundle.user_form, user_key))
        self._likes = exact.query(bundle, user_key)  # (D,)
        self._codes = unpack(slot_codes(bundle, self._counted[None])[0]).astype(np.int64)  # (S, M, D)
        # what one unit of an item's bias, a bit of the preference and a bit of a pair are worth
        bits = len(bundle.modalities) * bundle.num_bits
        self._of_item = Fraction(1, WEIGHT_ONE * len(self.filled))
        self._of_bit = bundle.preference_scale * self._of_item / bits
        self._of_pair = Fraction(bundle.compatibility_scale, WEIGHT_ONE * bits * max(1, len(self.pairs)))

    def item_part(self, slot: int, top_bits: int) -> ItemPart:
        """What the item of a slot adds by itself."""
        bundle = self._bundle
        item_type, row = bundle.slots[slot], int(self._counted[slot])
        values = self._codes[slot] * self._likes  # (M, D)
        agrees = self._codes[slot] == self._user
        sums = dict(zip(bundle.modalities, values.sum(axis=1).tolist()))
        size = int(np.abs(self._likes).sum())
        strongest = np.lexsort((np.arange(values.size), -np.abs(values.ravel())))[:top_bits].tolist()
        return ItemPart(
            slot=bundle.slot_names[slot],
            item_id=bundle.items[item_type].id(row),
            repeated=bool(self._items[slot] == EMPTY),
            preference={modality: self._of_bit * value for modality, value in sums.items()},
            bias=self._of_item * int(bundle.item_bias[item_type][row]),
            agreeing=dict(zip(bundle.modalities, agrees.sum(axis=1).tolist())),
            agreement={modality: (value + size) / (2 * size) if size else 0.5 for modality, value in sums.items()},
            top_bits=tuple(
                Bit(
                    modality=bundle.modalities[place // bundle.num_bits],
                    bit=place % bundle.num_bits,
                    agrees=bool(agrees.flat[place]),
                    contribution=self._of_bit * int(values.flat[place]),
                )
                for place in strongest
            ),
        )

    def pair_part(self, a: int, b: int) -> PairPart:
        """What the items of two slots add together."""
        bundle, codes = self._bundle, self._codes
        sums = ((codes[a] * codes[b]) @ bundle.compatibility_weights.astype(np.int64)).tolist()
        return PairPart(
            slots=(bundle.slot_names[a], bundle.slot_names[b]),
            compatibility={modality: self._of_pair * value for modality, value in zip(bundle.modalities, sums)},
            agreeing=dict(zip(bundle.modalities, (codes[a] == codes[b]).sum(axis=1).tolist())),
        )


def nearest_liked(bundle: Bundle, items: np.ndarray, liked: np.ndarray, count: int) -> tuple[Neighbour, ...]:
    """The liked outfits, (L, S), nearest to an outfit, (S,), by Hamming distance: each once, ties in their order."""
    liked = np.asarray(liked, dtype=np.int64)
    liked = liked[np.sort(np.unique(liked, axis=0, return_index=True)[1])]
    our_codes, liked_codes = slot_codes(bundle, items[None]), slot_codes(bundle, liked)
    bits = len(bundle.modalities) * bundle.num_bits
    filled, liked_filled = items != EMPTY, liked != EMPTY  # (S,), (L, S)
    differing = hamming(liked_codes, our_codes).sum(axis=2)  # (L, S)
    differing = np.where(filled & liked_filled, differing, bits * (filled | liked_filled))
    distances, compared = differing.sum(axis=1), bits * (filled | liked_filled).sum(axis=1)
    neighbours = []
    for row in np.argsort(distances / np.maximum(compared, 1), kind="stable")[: max(count, 0)].tolist():
        shares = dict(zip(bundle.slot_names, (1 - differing[row] / bits).tolist()))
        both = [name for name, mask in zip(bundle.slot_names, filled & liked_filled[row]) if mask]
        neighbours.append(
            Neighbour(
                items=items_by_slot(bundle, liked[row]),
                distance=int(distances[row]),
                share=1 - int(distances[row]) / int(compared[row]),
                by_slot={name: shares[name] for name in both},
            )
        )
    return tuple(neighbours)


def _plain(value: Any) -> Any:
    """Dataclasses, fractions and tuples as JSON has them."""
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, ItemPart | PairPart | OwnPart):
        return _plain({**vars(value), "total": value.total})
    if isinstance(value, Bit | Neighbour):
        return _plain(vars(value))
    return value
