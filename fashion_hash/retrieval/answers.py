"""What the answering half hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Packed
from fashion_hash.data.outfits import EMPTY
from fashion_hash.index import encoded, exact
from fashion_hash.index.engine import Ranking
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.people import Person
from fashion_hash.retrieval.shortfall import Shortfall


class Aligned(NamedTuple):
    """Ids and scores, aligned."""

    ids: np.ndarray
    scores: np.ndarray


class Hits(Aligned):
    """Outfit ids and their scores, aligned: best first, ties by id. Unpacks as `ids, scores`.

    One user: (K',) strings and float64, K' at most k. Many users: (Q, min(k, N)), with "" and -inf
    behind the last hit of a user who has fewer.

    Attributes:
        personal: False where nothing is known of the user, so that the answer is the same for
            everyone: compatibility and item bias decide. For many users (Q,) bool.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise. For many
            users that of the first who got fewer.
    """

    personal: bool | np.ndarray = True
    shortfall: Shortfall | None = None


class Score(NamedTuple):
    """A score and the terms it is the sum of: of FHN (CVPR 2019) exact on binary codes, of an outfit encoder exact
    on vectors (index/encoded.py), where the compatibility is 0."""

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


@dataclass(frozen=True)
class Composed:
    """Outfits that were put together.

    Attributes:
        hits: best first; ties by item row.
        proven: True when these are exactly the best; False when time or memory was up, when `gap`
            says how much better than the last hit an outfit that was left out may be.
        gap: in units of the score; 0 when proven.
        personal: see Hits.
        shortfall: why fewer than k came back, when a filter was asked for; None otherwise.
    """

    hits: list[Hit]
    proven: bool
    gap: float
    personal: bool
    shortfall: Shortfall | None


def hits_of(snapshot: Snapshot, person: Person, items: np.ndarray, ids: list[str] | None = None) -> list[Hit]:
    """Outfits, (R, S) rows of items, as a person sees them; `ids` where they are of the pool."""
    scores = scores_of(person.bundle_of(snapshot), person.code, items)
    return [
        Hit(outfit_id, items_by_slot(snapshot.bundle, outfit), *score, personal=person.personal)
        for outfit_id, outfit, score in zip([""] * len(items) if ids is None else ids, items, scores)
    ]


def hits_of_many(
    snapshot: Snapshot,
    persons: Sequence[Person],
    rankings: Sequence[Ranking],
    shortfall: Shortfall | None,
    width: int,
) -> Hits:
    """The answers of many people, each filled up to `width`."""
    scores = np.full((len(rankings), width), -np.inf)
    ids = [[""] * width for _ in rankings]
    for query, (rows, best) in enumerate(rankings):
        scores[query, : len(rows)] = best
        ids[query][: len(rows)] = snapshot.ids.at(rows)
    hits = Hits(np.array(ids, dtype=np.str_).reshape(scores.shape), scores)
    hits.personal, hits.shortfall = np.array([person.personal for person in persons], dtype=bool), shortfall
    return hits


def scores_of(bundle: Bundle, user_code: Packed, items: np.ndarray) -> list[Score]:
    """Scores and terms of outfits, (R, S) rows of items; `user_code` as Bundle.tastes.

    Of an outfit encoder the preference is minus the distance; of somebody of whom nothing is known that is
    the distance to the mean user, and stands as compatibility.
    """
    if bundle.encoder is not None:
        return _encoded_scores(bundle, user_code, items)
    terms = exact.terms(bundle, user_code, items)
    parts = (
        exact.scores(bundle, terms),
        exact.preference_part(bundle, terms),
        exact.compatibility_part(bundle, terms),
        exact.bias_part(terms),
    )
    return [Score(*values) for values in zip(*(part.tolist() for part in parts))]


def _encoded_scores(bundle: Bundle, taste: np.ndarray, items: np.ndarray) -> list[Score]:
    near, bias = encoded.parts(bundle, taste, items)
    nothing = np.zeros_like(near)
    parts = (near, nothing) if bundle.preference_scale else (nothing, near)
    return [Score(*values) for values in zip(*(part.tolist() for part in (near + bias, *parts, bias)))]


def items_by_slot(bundle: Bundle, items: np.ndarray) -> dict[str, str]:
    """Item ids by slot name, filled slots only."""
    return {
        name: bundle.items[kind].id(row)
        for name, kind, row in zip(bundle.slot_names, bundle.slots, items.tolist())
        if row != EMPTY
    }
