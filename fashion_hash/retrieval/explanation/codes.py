"""Why an outfit scores as it does: every part of the score, and the parts add up to it exactly.

The score of index/exact.py is one fraction of integers; so is each part here, over the same
denominator: what the user likes of an item in a modality, how two items go together in one, and an
item's bias. `Fraction`s add up without rounding; the floats beside them are rounded once each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.codes import WEIGHT_ONE, Packed, hamming, unpack
from fashion_hash.core.outfits import EMPTY, slot_pairs
from fashion_hash.errors import QueryError
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
        slot, item_id: which.
        repeated: the slot is empty and the model repeats the first item of its type.
        preference: by modality.
        bias: the item's.
        agreeing: by modality, how many of the D bits agree with the user's code.
        agreement: by modality, the preference between the least (0) and the most (1) that any code
            could have, given the bit weights; 0.5 where all weights are 0.
        top_bits: the bits that add or take the most, in order of size.
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
        """All that the item adds by itself."""
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
        exact: the score as a fraction: the sum of the totals of `items` and `pairs`, and of `rest`.
        items, pairs: the parts.
        liked: the nearest liked outfits, nearest first.
        rest: what the items only have together (vectors.py); 0 where the score falls apart.
    """

    num_bits: int
    exact: Fraction
    items: tuple[ItemPart, ...]
    pairs: tuple[PairPart, ...]
    liked: tuple[Neighbour, ...]
    rest: Fraction = Fraction(0)

    @property
    def score(self) -> float:
        """The score that every engine answers."""
        return float(self.exact)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; fractions are rounded to floats."""
        return _plain({"score": self.score, **vars(self)})

    def to_text(self) -> str:
        """A few lines for people."""
        lines = [f"score {self.score:.4f}"]
        for item in self.items:
            again = " (once more: the slot is empty)" if item.repeated else ""
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
        for one in self.liked:
            worn = ", ".join(f"{slot} {item_id}" for slot, item_id in one.items.items())
            shares = ", ".join(f"{slot} {share:.0%}" for slot, share in one.by_slot.items())
            lines.append(
                f"like the liked {worn}: {one.share:.0%} of the bits agree" + (f" ({shares})" if shares else "")
            )
        return "\n".join(lines)


def explain(
    bundle: Bundle,
    user_code: Packed,
    items: np.ndarray,
    liked: np.ndarray | None = None,
    *,
    neighbours: int = 3,
    top_bits: int = 3,
) -> Explanation:
    """Takes the score of an outfit apart.

    Args:
        bundle: an open bundle.
        user_code: (D / 8,) uint8, packed.
        items: (S,) rows of items by slot, EMPTY where there is none.
        liked: (L, S) the outfits that the user likes; the nearest are named.
        neighbours: how many of them at most.
        top_bits: how many bits of each item.

    Raises:
        QueryError: no item at all.
    """
    items = np.asarray(items, dtype=np.int64)
    if (items == EMPTY).all():
        raise QueryError(f"an outfit needs an item: give at least one of {', '.join(bundle.slot_names)}")
    counted = outfit_items(bundle, items[None])[0]
    filled = [slot for slot, row in enumerate(counted.tolist()) if row != EMPTY]
    pairs = [(a, b) for a, b in slot_pairs(bundle.slots) if a in filled and b in filled]
    bits = len(bundle.modalities) * bundle.num_bits
    of_item = Fraction(1, WEIGHT_ONE * len(filled))
    of_user = bundle.preference_scale * of_item / bits
    of_pair = Fraction(bundle.compatibility_scale, WEIGHT_ONE * bits * max(1, len(pairs)))
    codes = unpack(slot_codes(bundle, counted[None])[0]).astype(np.int64)  # (S, M, D)
    likes = unpack(user_code).astype(np.int64) * bundle.preference_weights  # (D,)
    size = int(np.abs(likes).sum())

    parts = []
    for slot in filled:
        kind, row = bundle.slots[slot], int(counted[slot])
        values = codes[slot] * likes  # (M, D)
        agrees = codes[slot] == unpack(user_code)
        order = np.lexsort((np.arange(values.size), -np.abs(values.ravel())))[:top_bits].tolist()
        sums = values.sum(axis=1).tolist()
        parts.append(
            ItemPart(
                slot=bundle.slot_names[slot],
                item_id=bundle.items[kind].id(row),
                repeated=bool(items[slot] == EMPTY),
                preference={name: of_user * value for name, value in zip(bundle.modalities, sums)},
                bias=of_item * int(bundle.item_bias[kind][row]),
                agreeing=dict(zip(bundle.modalities, agrees.sum(axis=1).tolist())),
                agreement={
                    name: (value + size) / (2 * size) if size else 0.5 for name, value in zip(bundle.modalities, sums)
                },
                top_bits=tuple(
                    Bit(
                        bundle.modalities[one // bundle.num_bits],
                        one % bundle.num_bits,
                        bool(agrees.ravel()[one]),
                        of_user * int(values.ravel()[one]),
                    )
                    for one in order
                ),
            )
        )
    together = []
    for a, b in pairs:
        sums = ((codes[a] * codes[b]) @ bundle.compatibility_weights.astype(np.int64)).tolist()
        together.append(
            PairPart(
                (bundle.slot_names[a], bundle.slot_names[b]),
                {name: of_pair * value for name, value in zip(bundle.modalities, sums)},
                dict(zip(bundle.modalities, (codes[a] == codes[b]).sum(axis=1).tolist())),
            )
        )
    exact = sum((part.total for part in parts), sum((part.total for part in together), Fraction(0)))
    near = nearest_liked(bundle, items, np.zeros((0, len(items))) if liked is None else liked, neighbours)
    return Explanation(bundle.num_bits, exact, tuple(parts), tuple(together), near)


def nearest_liked(bundle: Bundle, items: np.ndarray, liked: np.ndarray, count: int) -> tuple[Neighbour, ...]:
    """The liked outfits, (L, S), nearest to one, (S,), by Hamming distance: each once, ties in order given."""
    liked = np.asarray(liked, dtype=np.int64)
    liked = liked[np.sort(np.unique(liked, axis=0, return_index=True)[1])]
    mine, theirs = slot_codes(bundle, items[None]), slot_codes(bundle, liked)
    bits = len(bundle.modalities) * bundle.num_bits
    here, there = items != EMPTY, liked != EMPTY  # (S,), (L, S)
    differing = hamming(theirs, mine).sum(axis=2)  # (L, S)
    differing = np.where(here & there, differing, bits * (here | there))
    distances, compared = differing.sum(axis=1), bits * (here | there).sum(axis=1)
    out = []
    for row in np.argsort(distances / np.maximum(compared, 1), kind="stable")[: max(count, 0)].tolist():
        names = zip(bundle.slot_names, bundle.slots, liked[row].tolist(), (differing[row] / bits).tolist())
        worn = [(name, kind, one, far) for name, kind, one, far in names if one != EMPTY]
        out.append(
            Neighbour(
                items={name: bundle.items[kind].id(one) for name, kind, one, _ in worn},
                distance=int(distances[row]),
                share=1 - int(distances[row]) / int(compared[row]),
                by_slot={name: 1 - far for name, _, _, far in worn if here[bundle.slot_names.index(name)]},
            )
        )
    return tuple(out)


def _plain(value: Any) -> Any:
    """Dataclasses, fractions and tuples as JSON has them."""
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, ItemPart | PairPart):
        return _plain({**vars(value), "total": value.total})
    if isinstance(value, Bit | Neighbour):
        return _plain(vars(value))
    return value
