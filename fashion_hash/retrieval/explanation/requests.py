"""Why a request finds an item, or an outfit around one: parts that add up exactly.

The request score of an item is the share of bits in which its code agrees with the request's. The words'
part is the share in which it agrees with the code of the words alone; the taste's part is what the taste
changes in that, and may be negative. Where more than bits counts (inference/request_sum.py), the words alone and the
encoder add to the words' part, and the taste alone to the taste's. For an outfit both are multiplied by the weight, and
the parts of the FHN score (codes.py) are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, TypedDict

import numpy as np

from fashion_hash.bundle.lookup import find_item_of_any_type
from fashion_hash.core.codes import WEIGHT_ONE, Packed, fixed_point, hamming, pack
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import visible
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.users import OutfitRef, items_told
from fashion_hash.retrieval.answers import By
from fashion_hash.retrieval.checks import REQUEST_WEIGHT, check_weight
from fashion_hash.retrieval.explanation.codes import Explanation
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.ask import SearchQuery
from fashion_hash.retrieval.search.items import added_beside
from fashion_hash.retrieval.search.outfits import anchor_of
from fashion_hash.understanding.said import Fact
from fashion_hash.understanding.satisfaction import missing


class LikedItem(NamedTuple):
    """A liked item like the explained one; `share` of the bits of their codes agree."""

    type: str
    item_id: str
    title: str | None
    share: float


class WithoutWord(NamedTuple):
    """How the request score changes when a word is left out: negative where the word supports the item."""

    word: str
    change: Fraction


@dataclass(frozen=True)
class RequestExplanation:
    """Why a request finds an item or an outfit.

    Attributes:
        text, by, note, known_words, unknown_words: see answers.ItemHits.
        type, item_id, title: of the item that the request is about.
        slot: its slot in the outfit; "" of an item by itself.
        num_bits: D; 0 in a bundle without a request tower.
        agreeing: how many bits of item and request agree.
        agreeing_words: how many bits of the item and of the words alone agree; None where no word is known.
        weight: of the request in an outfit's total; None of an item by itself, which is not weighted.
        words, taste: their parts of the total; exact, and with `outfit.exact` they add up to it.
        without: how the share of agreeing bits changes without each known word.
        liked: liked items near the item.
        outfit: the parts of the FHN score; None of an item by itself.
        facts: what the words of the item and the soft facts that it has add to its score, or to the total.
        popular: what it adds that others took the item.
        understood: the facts that the words name.
        lacking: the hard facts that the item lacks; they decide before the score.
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
    facts: Fraction = Fraction(0)
    popular: Fraction = Fraction(0)
    understood: tuple[Fact, ...] = ()
    lacking: tuple[Fact, ...] = ()

    @property
    def exact(self) -> Fraction:
        """The total: of an outfit that of its OutfitHit, of an item its score."""
        return self.words + self.taste + self.facts + self.popular + (self.outfit.exact if self.outfit else 0)

    @property
    def total(self) -> float:
        """`exact`, rounded once."""
        return float(self.exact)

    @property
    def request(self) -> float:
        """The share of agreeing bits; 0 in a bundle without a request tower."""
        return self.agreeing / self.num_bits if self.num_bits else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in ("without", "liked", "outfit")}
        plain |= {
            "understood": [fact.to_dict() for fact in self.understood],
            "lacking": [fact.to_dict() for fact in self.lacking],
        }
        plain |= {
            "facts": float(self.facts),
            "popular": float(self.popular),
            "words": float(self.words),
            "taste": float(self.taste),
            "request": self.request,
            "total": self.total,
        }
        plain["without"] = [{"word": without.word, "change": float(without.change)} for without in self.without]
        plain["liked"] = [item._asdict() for item in self.liked]
        plain["outfit"] = self.outfit.to_dict() if self.outfit else None
        return plain

    def to_text(self) -> str:
        """A few lines for people; what could steer a terminal is escaped."""
        name = f"{self.slot or self.type} {self.item_id}" + (f" ({self.title})" if self.title else "")
        parts = f"words {float(self.words):+.4f}, taste {float(self.taste):+.4f}"
        if self.facts:
            parts += f", facts {float(self.facts):+.4f}"
        if self.popular:
            parts += f", popular {float(self.popular):+.4f}"
        if self.outfit:
            parts += f", outfit {float(self.outfit.exact):+.4f}"
        lines = [
            f"{self.total:.4f} in all: {parts}" + (f" (weight {self.weight:g})" if self.weight is not None else "")
        ]
        bits = f"{self.agreeing} of {self.num_bits} bits agree with the request" + (
            "" if self.agreeing_words is None else f", {self.agreeing_words} with its words alone"
        )
        lines.append(f"{name}: {bits}; by {self.by}" if self.num_bits else f"{name}: by {self.by}")
        if self.understood:
            lines.append(f"understood: {'; '.join(map(str, self.understood))}")
        if self.lacking:
            lines.append(f"this item lacks: {'; '.join(map(str, self.lacking))}")
        if self.known_words:
            lines.append(f"words known: {', '.join(self.known_words)}")
        lines += [f"without {word!r}: {float(change):+.4f} of the bits" for word, change in self.without]
        if self.note:
            lines.append(self.note)
        for item in self.liked:
            name = f"{item.type} {item.item_id}" + (f" ({item.title})" if item.title else "")
            lines.append(f"like the liked {name}: {item.share:.0%} of the bits agree")
        return "\n".join([*map(visible, lines), *([self.outfit.to_text()] if self.outfit else [])])


class RequestExplanationOptions(TypedDict, total=False):
    """The options of Recommender.explain_request; RequestExplanationQuery holds their defaults and meaning."""

    item_type: str | None
    weight: float
    anchor: str | None
    neighbours: int
    facts: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class RequestExplanationQuery:
    """What to explain.

    Attributes:
        of: an item id, an outfit as item ids by slot name, or the id of an outfit.
        item_type: the item's, where an item of another type has the same id.
        weight: of the request in an outfit's total.
        anchor: the slot of the item that the request is about; None for the item that agrees best.
        neighbours: at most how many liked items and outfits are named.
        facts: what the words are to mean: see search/given.py.
    """

    of: OutfitRef
    item_type: str | None = None
    weight: float = REQUEST_WEIGHT
    anchor: str | None = None
    neighbours: int = 3
    facts: Sequence[Mapping[str, Any]] | None = None


def explain_request(moment: Moment, request: SearchQuery, query: RequestExplanationQuery) -> RequestExplanation:
    """Takes apart what a request gives to an item, or to the outfit around one; see Recommender.explain_request."""
    check_weight(query.weight)
    snapshot, user, of = moment.snapshot, moment.user, query.of
    bundle = snapshot.bundle
    outfit, slot_name, weight = None, "", None
    if isinstance(of, str) and (query.item_type is not None or not _is_outfit(snapshot, of)):
        item_type, row = find_item_of_any_type(bundle, of, query.item_type)
    else:
        items = items_told(snapshot, of)
        slot = anchor_of(moment, request, items, query.anchor)
        item_type, row, slot_name, weight = bundle.slots[slot], int(items[slot]), bundle.slot_names[slot], query.weight
        explained = METHODS[moment.bundle.scoring].explain
        outfit = explained(moment.bundle, user.user_key, items, user.liked, neighbours=query.neighbours)
    code = _code_of(moment, item_type, row)
    bits = 8 * len(request.code)
    agreeing = bits - int(hamming(code, request.code)) if bits else 0
    agreeing_words = _agreeing_words(moment, request, code, agreeing)
    total, words = (_part(number, bits, weight) for number in (agreeing, agreeing_words or 0))
    item = bundle.catalogue.item(item_type, row)
    facts = _facts(moment, request, (item_type, row), Fraction(agreeing, max(bits, 1)), weight)
    return RequestExplanation(
        text=request.text,
        by=request.by,
        note=request.note,
        known_words=request.known_words,
        unknown_words=request.unknown_words,
        type=item_type,
        item_id=item.item_id,
        title=item.title,
        slot=slot_name,
        num_bits=bits,
        agreeing=agreeing,
        agreeing_words=agreeing_words,
        weight=None if weight is None else float(weight),
        words=words + facts.words,
        taste=total - words + facts.taste,
        without=_without_words(moment, request, code, agreeing),
        liked=_nearest_liked(moment, (item_type, row), code, query.neighbours),
        outfit=outfit,
        understood=() if request.said is None else request.said.facts,
        facts=facts.facts,
        popular=facts.popular,
        lacking=facts.lacking,
    )


class _Facts(NamedTuple):
    """What is added to the share of agreeing bits, by what it comes from, and the hard facts that an item lacks."""

    facts: Fraction = Fraction(0)
    words: Fraction = Fraction(0)
    taste: Fraction = Fraction(0)
    popular: Fraction = Fraction(0)
    lacking: tuple[Fact, ...] = ()


def _facts(
    moment: Moment, request: SearchQuery, item: tuple[str, int], share: Fraction, weight: float | None
) -> _Facts:
    """What is added for an item, (type, row), whose share of agreeing bits is given; in an outfit times the weight."""
    (item_type, row), of_facts, lacking = item, 0.0, tuple[Fact, ...]()
    if request.said is not None:
        tables, facts = moment.columns.of(moment.snapshot), moment.tower.facts
        rows = np.array([row])
        of_facts = float(facts.added(moment.snapshot, tables, item_type, request.said, rows)[0])
        tier = int(facts.tiers(moment.snapshot, tables, item_type, request.said, rows)[0])
        lacking = missing(request.said, tier)
    beside = added_beside(moment, request, item_type, np.array([row]))
    added = of_facts if beside is None else of_facts + float(beside.total[0])
    if not added:
        return _Facts(lacking=lacking)
    score, factor = float(share) + added, Fraction(1 if weight is None else weight)
    if weight is None:
        total = Fraction(score) - share  # the score adds up in floats, so that facts take what rounding leaves
    else:
        with_added, without = (int(fixed_point(np.asarray(weight * part))) for part in (score, float(share)))
        total = Fraction(with_added - without, WEIGHT_ONE)
    if beside is None:
        return _Facts(total, lacking=lacking)
    words, taste, popular = (factor * Fraction(float(part[0])) for part in beside)
    return _Facts(total - words - taste - popular, words, taste, popular, lacking)


def _agreeing_words(moment: Moment, request: SearchQuery, code: Packed, agreeing: int) -> int | None:
    """How many bits of an item agree with the words alone; None where no word is known."""
    if request.by == "words alone" and request.has_code:
        return agreeing
    if request.by == "taste alone" or not request.has_code:
        return None
    words = pack(moment.tower.tower.request([request.text]).bits)[0]
    return 8 * len(code) - int(hamming(code, words))


def _part(agreeing: int, bits: int, weight: float | None) -> Fraction:
    """What agreeing bits add: their share, or in an outfit what it adds to the total, in fixed point."""
    if weight is None:
        return Fraction(agreeing, max(bits, 1))
    return Fraction(int(fixed_point(np.asarray(weight * (agreeing / max(bits, 1))))), WEIGHT_ONE)


def _code_of(moment: Moment, item_type: str, row: int) -> Packed:
    """The code of an item that is compared with others: of the request tower, or else that of the bundle."""
    if moment.tower.exists:
        return np.asarray(moment.tower.items(moment.snapshot, item_type, np.array([row])).codes[0])
    return np.asarray(moment.snapshot.bundle.item_codes[item_type][row].reshape(-1))


def _without_words(
    moment: Moment, request: SearchQuery, code: Packed, agreeing: int, at_most: int = 20
) -> tuple[WithoutWord, ...]:
    """The request made again without each of its words."""
    words = request.known_words[:at_most]
    if len(request.known_words) < 2 or not request.has_code:
        return ()
    texts = [" ".join(part for part in request.text.split() if word not in part.lower()) for word in words]
    without = pack(moment.tower.tower.request(texts, [request.taste] * len(texts)).bits)
    bits = 8 * len(code)
    changes = bits - hamming(without, code) - agreeing
    return tuple(WithoutWord(word, Fraction(int(change), bits)) for word, change in zip(words, changes))


def _nearest_liked(moment: Moment, explained: tuple[str, int], code: Packed, count: int) -> tuple[LikedItem, ...]:
    """The liked items nearest to the `explained` item, (type, row), which has the code."""
    snapshot = moment.snapshot
    catalogue, slots = snapshot.bundle.catalogue, snapshot.bundle.slots
    liked = {
        (item_type, row)
        for outfit in moment.user.liked.tolist()
        for item_type, row in zip(slots, outfit)
        if row != EMPTY and (item_type, row) != explained
    }
    nearest = []
    for item_type, row in liked:
        item = catalogue.item(item_type, row)
        liked_code = _code_of(moment, item_type, row)
        share = 1 - int(hamming(liked_code, code)) / (8 * len(code))
        nearest.append(LikedItem(item_type, item.item_id, item.title, share))
    return tuple(sorted(nearest, key=lambda item: (-item.share, item.type, item.item_id))[: max(count, 0)])


def _is_outfit(snapshot: Snapshot, outfit_id: str) -> bool:
    """Whether an id is an outfit's, and not an item's."""
    bundle = snapshot.bundle
    return outfit_id in snapshot.ids and not any(outfit_id in bundle.items[item_type] for item_type in bundle.types)
