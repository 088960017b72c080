"""From the words and the taste of a user to the query that items are searched with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fashion_hash.core.codes import Packed, pack
from fashion_hash.encoders.words import LONGEST
from fashion_hash.errors import FeatureError, QueryError
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import By
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.users import User


@dataclass(frozen=True)
class SearchQuery:
    """A request as a code, and what it is made from.

    Attributes:
        text: the words that were read.
        by: see ItemHits.
        code: (D / 8,) uint8, packed.
        floats: (D,) float32, before the signs.
        taste: (D,) of who asks, or None.
        known_words, unknown_words, note: see ItemHits.
    """

    text: str
    by: By
    code: Packed
    floats: np.ndarray
    taste: np.ndarray | None
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    note: str


def ask(requests: LiveTower, snapshot: Snapshot, text: str | None, user_id: str | None, person: User) -> SearchQuery:
    """Turns words and whoever says them into a code.

    Raises QueryError when there is nothing to go by: no word that is known, and no taste.
    """
    if text is not None and not isinstance(text, str):
        raise QueryError(f"text = {text!r}: the words of a request, as a text")
    whole = readable(text or "").strip()
    if not whole and user_id is None:
        raise QueryError("neither text nor user: give the words of a request, somebody whose taste is known, or both")
    read = whole if len(whole) <= LONGEST else whole[:LONGEST]
    tower, taste = requests.tower, requests.taste(snapshot, user_id, person)
    try:
        asked = tower.request([read], [taste])
    except FeatureError as error:
        raise FeatureError(
            f"{error}. Where the weights of this bundle's encoder were moved, name their place: "
            "Recommender.load(..., encoder_weights=PATH), query.py --encoder-weights PATH"
        ) from None
    words = tower.words(read)
    by_text = bool(asked.by_text[0])
    if not by_text and taste is None:
        raise QueryError(_nothing(whole, words.unknown, user_id))
    by: By = "taste alone" if not by_text else "words alone" if taste is None else "taste and words"
    note = _note(len(whole), by, words.unknown, user_id)
    return SearchQuery(read, by, pack(asked.bits)[0], asked.floats[0], taste, words.known, words.unknown, note)


def readable(text: str) -> str:
    """A text that can be written as UTF-8: a stray byte of a command line becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _note(length: int, by: By, unknown: tuple[str, ...], user_id: str | None) -> str:
    parts = []
    if by == "taste alone":
        parts.append("no word of the request is known" if length else "no words were given")
    if by == "words alone" and user_id is not None:
        parts.append(f"nothing is known of what {user_id} likes")
    if unknown:
        parts.append(f"not known: {_listed(unknown)}")
    if length > LONGEST:
        parts.append(f"only the first {LONGEST:,} of {length:,} letters were read")
    return "; ".join(parts)


def _nothing(text: str, unknown: tuple[str, ...], user_id: str | None) -> str:
    who = "no user is given" if user_id is None else f"nothing is known of what {user_id!r} likes"
    if not text:
        return f"no text, and {who}: there is nothing to search by"
    words = f" ({_listed(unknown)})" if unknown else ""
    return (
        f"no word of the request is known{words}, and {who}: use words of the catalogue's language, "
        "or name somebody whose taste is known"
    )


def _listed(words: tuple[str, ...], at_most: int = 10) -> str:
    return ", ".join(words[:at_most]) + (f" and {len(words) - at_most:,} more" if len(words) > at_most else "")
