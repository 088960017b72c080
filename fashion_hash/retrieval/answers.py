"""What the answering half hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from fashion_hash.retrieval.filters.shortfall import Shortfall
from fashion_hash.understanding.said import Fact


class Aligned(NamedTuple):
    """Ids and scores, aligned."""

    ids: np.ndarray
    scores: np.ndarray


class Hits(Aligned):
    """Outfit ids and their scores, aligned: best first, ties by id. Unpacks as `ids, scores`.

    One user: (K',) strings and float64, K' at most k. Many users: (U, min(k, N)), filled up with ""
    and -inf behind the last hit of a user who has fewer.

    Attributes:
        personal: False where nothing is known of the user, so that the answer is the same for
            everyone: compatibility and item bias decide. For many users (U,) bool.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise. For many
            users the shortfall of the first user with fewer hits.
    """

    personal: bool | np.ndarray = True
    shortfall: Shortfall | None = None


class Score(NamedTuple):
    """A score and the terms that add up to it.

    FHN (CVPR 2019) is exact on binary codes, an outfit encoder on vectors (index/engines/vectors.py), where the
    compatibility is 0.
    """

    score: float
    preference: float
    compatibility: float
    bias: float


@dataclass(frozen=True)
class Hit:
    """One recommended outfit: its items by slot name, and its score with the terms apart.

    Attributes:
        outfit_id: empty for an outfit that was composed.
        personal: False where nothing is known of the user; the preference is 0 then.
    """

    outfit_id: str
    items: dict[str, str]
    score: float
    preference: float
    compatibility: float
    bias: float
    personal: bool = True


class HitList(list[Hit]):
    """Outfits of the pool for one user, best first, ties by id.

    Attributes:
        personal: see Hits.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise.
    """

    personal: bool = True
    shortfall: Shortfall | None = None


@dataclass(frozen=True)
class Composed:
    """Outfits that were put together.

    Attributes:
        hits: best first; ties by item row.
        proven: True when these are exactly the best; False when time or memory ran out; `gap` then
            says how much better than the last hit an outfit that was left out may be.
        gap: in units of the score; 0 when proven.
        personal: see Hits.
        shortfall: why fewer than k came back, if a filter was given or nothing came back; None otherwise.
    """

    hits: list[Hit]
    proven: bool
    gap: float
    personal: bool
    shortfall: Shortfall | None


@dataclass(frozen=True)
class OutfitHit(Hit):
    """An outfit for a request: a Hit, and what the request adds.

    Attributes:
        request: the score of the anchor in `search`, see ItemHits.
        total: score + weight * request; hits come in its order, after the hard facts.
        anchor: name of the slot with the item that the request is about.
        complete: whether the anchor has every hard fact.
    """

    request: float = 0.0
    total: float = 0.0
    anchor: str = ""
    complete: bool = True


@dataclass(frozen=True)
class OutfitsFor:
    """Outfits for a request.

    Attributes:
        hits: best total first, ties by item row; varied lists in order of choice.
        proven, gap: as in Composed, of the totals of all outfits that hold an anchor.
        personal: False for an anonymous user; compatibility alone decides the score then.
        by, note, known_words, unknown_words: see ItemHits.
        weight: of the request.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise.
        understood, goes_with: see ItemHits.
        by_bits: whether the request scores are shares of bits, to which nothing is added.
    """

    hits: list[OutfitHit]
    proven: bool
    gap: float
    personal: bool
    by: By
    note: str
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    weight: float
    shortfall: Shortfall | None
    understood: tuple[Fact, ...] = ()
    goes_with: tuple[Fact, ...] = ()
    by_bits: bool = True


By = Literal["taste and words", "words alone", "taste alone", "picture", "picture and words"]


class ItemHits(Aligned):
    """Items for a request: ids and scores, aligned, best first. Unpacks as `ids, scores`.

    (K',) strings and float64, K' at most k. A score is the share of bits in which the codes of request and
    item agree, 0 to 1, and what words, soft facts and what else the bundle counts add; after re-ranking the share is
    computed from the values before their signs were taken. In a bundle without a request model it is what adds alone.

    Attributes:
        types: (K',) item types.
        by: what the answer is made from: "taste and words", "words alone" or "taste alone"; of a search by picture
            "picture" or "picture and words".
        note: what the user should know, such as words that are not known; "" if nothing.
        known_words, unknown_words: of the request; words such as "the" are neither.
        reranked: whether the scores are those of the values before their signs were taken.
        understood: the facts that the words name. Those that are hard decide before the score.
        goes_with: the facts of what the item is to go with; outfits for the request hold such items.
        complete: (K',) bool, which items have every hard fact; the others come after them, and `note` says what
            they lack.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise.
        by_bits: whether the scores are shares of bits, to which nothing is added.
    """

    types: np.ndarray
    by: By
    note: str
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    reranked: bool = False
    understood: tuple[Fact, ...] = ()
    goes_with: tuple[Fact, ...] = ()
    complete: np.ndarray
    shortfall: Shortfall | None = None
    by_bits: bool = True
