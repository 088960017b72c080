"""From the words and the taste of a user to the query that items are searched with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_hash.core.codes import Packed, pack
from fashion_hash.encoders.words import LONGEST
from fashion_hash.errors import FeatureError, QueryError, shown
from fashion_hash.retrieval.answers import By
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.search.beside import Beside, UserCode
from fashion_hash.retrieval.search.given import given_facts
from fashion_hash.understanding.said import Understanding

if TYPE_CHECKING:  # scipy is only loaded for requests
    from fashion_hash.understanding.terms import Terms
    from fashion_hash.understanding.words import Words


@dataclass(frozen=True)
class SearchQuery:
    """A request as a code, and what it is made from.

    Attributes:
        text: the words that the code is made from: without what the item is to go with.
        by: see ItemHits.
        code: (D / 8,) uint8, packed; (0,) in a bundle without a request tower.
        floats: (D,) float32, the values whose signs are the code; (0,) without a request tower.
        taste: (D,) float32, of the user; None where it is not known.
        known_words, unknown_words, note: see ItemHits.
        said: the facts that the words name; None for a bundle that does not read facts.
        beside: what counts beside the bits; None for a bundle in which nothing else does.
    """

    text: str
    by: By
    code: Packed
    floats: np.ndarray
    taste: np.ndarray | None
    known_words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    note: str
    said: Understanding | None = None
    beside: Beside | UserCode | None = None

    @property
    def has_code(self) -> bool:
        """Whether items are compared with the request bit by bit."""
        return len(self.code) > 0


def ask(moment: Moment, text: str | None, facts: Sequence[Mapping[str, Any]] | None = None) -> SearchQuery:
    """Turns words and the taste of the user who says them into a code.

    Args:
        moment: the catalogue, and who asks.
        text: the words; None or "" for none.
        facts: what the words are to mean, instead of what is understood: see `search/given.py`.

    Raises:
        QueryError: there is nothing to go by: no word that is known, and no taste.
        BundleError: the bundle answers no words.
        FeatureError: the weights of the bundle's text encoder are missing.
    """
    user_id = moment.user.user_id
    if text is not None and not isinstance(text, str):
        raise QueryError(f"text must be a string, the words of a request, got {shown(text)}")
    whole = readable(text or "").strip()
    if not (whole or facts) and user_id is None and not moment.user.personal:
        raise QueryError("nothing to search by: give the words of a request, a user whose taste is known, or both")
    read = first_words(whole)
    if not moment.tower.exists:
        return _ask_catalogue(moment, read, len(whole), facts)
    tower, taste = moment.tower.tower, moment.tower.taste(moment.snapshot, moment.user)
    said = said_by(moment, read, facts)
    read = read if said is None else said.about
    try:
        request = tower.request([read], [taste])
    except FeatureError as error:
        raise FeatureError(
            f"{error}. If the weights of this bundle's encoder were moved, say where they are: "
            "Recommender.load(..., encoder_weights=PATH), `fashion-hash query --encoder-weights PATH`"
        ) from None
    words = tower.words(read)
    unknown = words.unknown if said is None else _unread(words.unknown, said)
    by_text = bool(request.by_text[0]) or (said is not None and bool(said.facts))
    by = _by(by_text, taste is not None, whole, unknown, user_id)
    note = _noted(_note(len(whole), by, unknown, user_id), said)
    beside = moment.tower.beside.ask(tower, request, taste, moment.user.liked)
    code = pack(request.bits)[0]
    return SearchQuery(read, by, code, request.floats[0], taste, words.known, unknown, note, said, beside)


def _ask_catalogue(moment: Moment, text: str, length: int, facts: Sequence[Mapping[str, Any]] | None) -> SearchQuery:
    """A request to a bundle without a request tower: by the facts and words of its catalogue, and the user's code.

    Args:
        moment: the catalogue, and who asks.
        text: the words that are read.
        length: of the whole text.
        facts: see `ask`.
    """
    check_reads(moment)
    user_id, code = moment.user.user_id, UserCode.of(moment.user)
    said = said_by(moment, text, facts)
    terms, rules = _opened(moment)
    rest = () if said is None else said.rest
    known = tuple(word for word in rest if terms.asked(word, rules))
    unknown = () if said is None else _unread(tuple(word for word in rest if word not in known), said)
    by = _by(said is not None and bool(said.facts or known), code.key is not None, text, unknown, user_id)
    note = _noted(_note(length, by, unknown, user_id), said)
    nothing = np.zeros(0)
    return SearchQuery(
        text if said is None else said.about,
        by,
        nothing.astype(np.uint8),
        nothing.astype(np.float32),
        None,
        known,
        unknown,
        note,
        said,
        code,
    )


def check_reads(moment: Moment) -> None:
    """Raises BundleError for a bundle that answers no words: its message says what to do."""
    if moment.tower.exists or moment.tower.facts.facts is None:
        _ = moment.tower.tower


def _opened(moment: Moment) -> tuple[Terms, Words]:
    """The words of a catalogue, and what cuts texts into them."""
    facts = moment.tower.facts.facts
    assert facts is not None
    return facts.terms, facts.words


def _by(by_text: bool, by_taste: bool, text: str, unknown: tuple[str, ...], user_id: str | None) -> By:
    """What an answer is made from. Raises QueryError where there is nothing."""
    if not by_text and not by_taste:
        raise QueryError(_nothing(text, unknown, user_id))
    return "taste alone" if not by_text else "taste and words" if by_taste else "words alone"


def _noted(note: str, said: Understanding | None) -> str:
    return "; ".join(filter(None, [note, *(() if said is None else said.notes)]))


def understanding(moment: Moment, text: str) -> Understanding:
    """What a text says; nothing for a bundle that does not read facts."""
    if not isinstance(text, str):
        raise QueryError(f"text must be a string, the words of a request, got {shown(text)}")
    check_reads(moment)
    return said_by(moment, readable(text).strip()[:LONGEST], None) or Understanding()


def said_by(moment: Moment, text: str, facts: Sequence[Mapping[str, Any]] | None) -> Understanding | None:
    """What the words say, or what the caller says that they do; None where nothing is said or no facts are read."""
    if not text and facts is None:
        return None
    tables = moment.columns.of(moment.snapshot)
    said = moment.tower.facts.understand(moment.snapshot, tables, text)
    if facts is None:
        return said
    if said is None:
        raise QueryError("facts need a bundle that reads them: export it again")
    return given_facts(facts, said, moment.tower.facts.lexicon(moment.snapshot, tables))


def _unread(unknown: tuple[str, ...], said: Understanding) -> tuple[str, ...]:
    """The words that neither the encoder nor the catalogue knows."""
    said_by = [fact.words.lower().replace("-", " ") for fact in (*said.facts, *said.partner)]
    read = {word.strip(",") for words in said_by for word in words.split()}  # of "under 50, over 90"
    return tuple(word for word in unknown if word not in read)


def readable(text: str) -> str:
    """A text that can be written as UTF-8: a stray byte of a command line becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def first_words(text: str) -> str:
    """The words of a text that are read: the first LONGEST letters, without a word that they would cut in two."""
    if len(text) <= LONGEST or text[LONGEST].isspace():
        return text[:LONGEST]
    return text[:LONGEST].rpartition(" ")[0] or text[:LONGEST]


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
        "or name a user whose taste is known"
    )


def _listed(words: tuple[str, ...], at_most: int = 10) -> str:
    return ", ".join(words[:at_most]) + (f" and {len(words) - at_most:,} more" if len(words) > at_most else "")
