"""Why a request finds an item, or an outfit around one: parts that add up exactly.

The request score of an item is the share of bits in which its code agrees with the request's. The words'
part is the share in which it agrees with the code of the words alone; the taste's part is what the taste
changes in that, and may be below zero. For an outfit both are multiplied with the weight, and the parts of
the FHN score (explain.py) are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.bundle.lookup import find_item_of_any_type
from fashion_hash.core.codes import WEIGHT_ONE, Packed, fixed_point, hamming, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.users import OutfitRef, items_told
from fashion_hash.retrieval.answers import By
from fashion_hash.retrieval.checks import check_weight
from fashion_hash.retrieval.explanation.codes import Explanation, explain
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.items import codes_of
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.search.outfits import anchor_of, check_fhn
from fashion_hash.retrieval.users import User


class LikedItem(NamedTuple):
    """A liked item like the explained one; `share` of the bits of their codes agree."""

    type: str
    item_id: str
    title: str | None
    share: float


class WithoutWord(NamedTuple):
    """How the request score changes when a word is left out: below zero where the word speaks for the item."""

    word: str
    change: Fraction


@dataclass(frozen=True)
class RequestExplanation:
    """Why a request finds an item or an outfit.

    Attributes:
        text, by, note, known_words, unknown_words: see retrieval.requests.
        type, item_id, title: of the item that the request is about.
        slot: its slot in the outfit; "" of an item by itself.
        num_bits: D.
        agreeing: in how many bits item and request agree.
        agreeing_words: in how many item and words alone do; None where no word is known.
        weight: of the request in an outfit's total; None of an item by itself, which is not weighted.
        words, taste: their parts of the total; exact, and with `outfit.exact` they add up to it.
        without: how the share of agreeing bits changes without each known word.
        liked: liked items near the item.
        outfit: the parts of the FHN score; None of an item by itself.
    """

    text: str
    by: By
    note: str
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    type: str
    item_id: str
    title: str | None
    slot: str
    num_bits: int
    agreeing: int
    agreeing_words: int | None
    weight: float | None
    words: Fraction
    taste: Fraction
    without: tuple[WithoutWord, ...]
    liked: tuple[LikedItem, ...]
    outfit: Explanation | None

    @property
    def exact(self) -> Fraction:
        """The total: of an outfit that of its OutfitHit, of an item its score."""
        return self.words + self.taste + (self.outfit.exact if self.outfit else 0)

    @property
    def total(self) -> float:
        """`exact`, rounded once."""
        return float(self.exact)

    @property
    def request(self) -> float:
        """The request score of the item: the share of agreeing bits."""
        return self.agreeing / self.num_bits

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        own = {name: value for name, value in vars(self).items() if name not in ("without", "liked", "outfit")}
        own |= {"words": float(self.words), "taste": float(self.taste), "request": self.request, "total": self.total}
        own["without"] = [{"word": one.word, "change": float(one.change)} for one in self.without]
        own["liked"] = [one._asdict() for one in self.liked]
        own["outfit"] = self.outfit.to_dict() if self.outfit else None
        return own

    def to_text(self) -> str:
        """A few lines for people."""
        what = f"{self.slot or self.type} {self.item_id}" + (f" ({self.title})" if self.title else "")
        parts = f"words {float(self.words):+.4f}, taste {float(self.taste):+.4f}"
        if self.outfit:
            parts += f", outfit {float(self.outfit.exact):+.4f}"
        lines = [
            f"{self.total:.4f} in all: {parts}" + (f" (weight {self.weight:g})" if self.weight is not None else "")
        ]
        lines.append(
            f"{what}: {self.agreeing} of {self.num_bits} bits agree with the request"
            + ("" if self.agreeing_words is None else f", {self.agreeing_words} with its words alone")
            + f"; by {self.by.removeprefix('by ')}"
        )
        if self.known_words:
            lines.append(f"words known: {', '.join(self.known_words)}")
        lines += [f"without {one.word!r}: {float(one.change):+.4f} of the bits" for one in self.without]
        if self.note:
            lines.append(self.note)
        for one in self.liked:
            name = f"{one.type} {one.item_id}" + (f" ({one.title})" if one.title else "")
            lines.append(f"like the liked {name}: {one.share:.0%} of the bits agree")
        return "\n".join(lines + ([self.outfit.to_text()] if self.outfit else []))


def explain_request(
    requests: LiveTower,
    snapshot: Snapshot,
    person: User,
    asked: SearchQuery,
    of: OutfitRef,
    item_type: str | None,
    weight: float,
    anchor: str | None,
    neighbours: int,
) -> RequestExplanation:
    """Takes apart what a request gives to an item, or to the outfit around one; see Recommender.explain_request."""
    check_weight(weight)
    bundle = snapshot.bundle
    outfit, slot, share_weight = None, "", None
    if isinstance(of, str) and (item_type is not None or not _is_outfit(snapshot, of)):
        kind, row = find_item_of_any_type(bundle, of, item_type)
    else:
        check_fhn(bundle)
        items = items_told(snapshot, of)
        here = anchor_of(requests, snapshot, asked.code, items, anchor)
        kind, row, slot, share_weight = bundle.slots[here], int(items[here]), bundle.slot_names[here], float(weight)
        outfit = explain(person.bundle_of(snapshot), person.code, items, person.liked, neighbours=neighbours)
    code = codes_of(requests, snapshot, kind, np.array([row]))[0]
    bits = 8 * len(code)
    agreeing, alone = bits - int(hamming(code, asked.code)), None
    if asked.by == "words alone":
        alone = agreeing
    elif asked.by == "taste and words":
        alone = bits - int(hamming(code, pack(requests.tower.request([asked.text]).bits)[0]))
    whole, words = (_part(one, bits, share_weight) for one in (agreeing, alone or 0))
    item = bundle.catalogue.item(kind, row)
    return RequestExplanation(
        text=asked.text,
        by=asked.by,
        note=asked.note,
        known_words=asked.known_words,
        unknown_words=asked.unknown_words,
        type=kind,
        item_id=item.item_id,
        title=item.title,
        slot=slot,
        num_bits=bits,
        agreeing=agreeing,
        agreeing_words=alone,
        weight=share_weight,
        words=words,
        taste=whole - words,
        without=_without_words(requests, asked, code, agreeing),
        liked=_nearest_liked(requests, snapshot, person, kind, row, code, neighbours),
        outfit=outfit,
    )


def _part(agreeing: int, bits: int, weight: float | None) -> Fraction:
    """What agreeing bits add: their share, or in an outfit what it adds to the total, in fixed point."""
    if weight is None:
        return Fraction(agreeing, bits)
    return Fraction(int(fixed_point(np.asarray(weight * (agreeing / bits)))), WEIGHT_ONE)


def _without_words(
    requests: LiveTower, asked: SearchQuery, code: Packed, agreeing: int, at_most: int = 20
) -> tuple[WithoutWord, ...]:
    """The request asked again without each of its words."""
    words = asked.known_words[:at_most]
    if len(asked.known_words) < 2:
        return ()
    texts = [" ".join(one for one in asked.text.split() if word not in one.lower()) for word in words]
    found = pack(requests.tower.request(texts, [asked.taste] * len(texts)).bits)
    changes = 8 * len(code) - hamming(found, code) - agreeing
    return tuple(WithoutWord(word, Fraction(int(one), 8 * len(code))) for word, one in zip(words, changes))


def _nearest_liked(
    requests: LiveTower, snapshot: Snapshot, person: User, kind: str, row: int, code: Packed, count: int
) -> tuple[LikedItem, ...]:
    bundle = snapshot.bundle
    liked = {
        (bundle.slots[slot], one)
        for outfit in person.liked.tolist()
        for slot, one in enumerate(outfit)
        if one != EMPTY and (bundle.slots[slot], one) != (kind, row)
    }
    found = []
    for own, one in liked:
        item = bundle.catalogue.item(own, one)
        share = 1 - int(hamming(codes_of(requests, snapshot, own, np.array([one]))[0], code)) / (8 * len(code))
        found.append(LikedItem(own, item.item_id, item.title, share))
    return tuple(sorted(found, key=lambda one: (-one.share, one.type, one.item_id))[: max(count, 0)])


def _is_outfit(snapshot: Snapshot, one: str) -> bool:
    """Whether an id is an outfit's, and no item's."""
    bundle = snapshot.bundle
    return one in snapshot.ids and not any(one in bundle.items[kind] for kind in bundle.types)
