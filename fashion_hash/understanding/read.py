"""From a request in words to what it says: facts of the catalogue, prices, exclusions, and words that are left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fashion_hash.understanding.lexicon import Lexicon, Meaning, Phrase
from fashion_hash.understanding.said import Fact, Understanding, listed
from fashion_hash.understanding.tokens import Token, singular, tokens

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NUMBERED_FROM = 4  # letters of the number of an article
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,]\d{3})+")


def understand(text: str, lexicon: Lexicon) -> Understanding:
    """Reads a request.

    Args:
        text: the words of a user.
        lexicon: the phrases that the catalogue understands.
    """
    reader = _Reader(text, lexicon)
    while reader.at < len(reader.tokens):
        reader.step()
    return reader.result()


class _Reader:
    """Goes through the tokens from left to right; the longest phrase that means something is taken."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text, self.lexicon = text, lexicon
        self.tokens = tokens(text, lexicon.words.articles)
        self.at = 0
        self.excluding = self.partner = self.beside = False
        self.last_excluded = False  # whether the last fact was excluded: "not black or white"
        self.facts: list[Fact] = []
        self.partners: list[Fact] = []
        self.rest: list[str] = []
        self.notes: list[str] = []

    def step(self) -> None:
        """Reads what stands at `at`, and moves on."""
        token = self.tokens[self.at]
        if token.ends_part:
            self.excluding = self.partner = self.beside = False
            self.at += 1
        elif self._number() or self._phrase() or self._range() or self._cue():
            return
        elif token.key in self.lexicon.stop or len(token.key) < 2:
            if token.key == "but":
                self.partner = self.beside = False
            elif token.key == "with" and any(fact.column in self._nouns for fact in self.facts):
                self.beside = True  # "a black dress with white dots": white is not the dress
            self.at += 1
        elif not self._misspelt():
            self._other(token)

    def _phrase(self) -> bool:
        """A phrase of the catalogue."""
        for length in range(min(self.lexicon.longest, len(self.tokens) - self.at), 0, -1):
            if meanings := self.lexicon.meanings(self._keys(length)):
                self._add(meanings, length)
                return True
        return False

    def _range(self) -> bool:
        """A word for a part of the catalogue's prices: "cheap"."""
        reading = self.lexicon.ranges.get(self._keys(1))
        if reading is None or self.partner:
            return False
        column, (low, high) = reading
        bounds = quantile_bounds(self.lexicon.values.numbers[column], low, high)
        self.facts.append(Fact(column, bounds, False, self._words(1), excluded=self.excluding))
        self.excluding = False
        self.at += 1
        return True

    def _cue(self) -> bool:
        """A word that turns what follows: an exclusion, what the item is to go with, "or"."""
        for name in ("partner", "excluding", "also"):
            if length := self._cue_length(name):
                if name == "partner":
                    self.partner, self.excluding = True, False
                elif name == "excluding":
                    self.excluding = True
                else:
                    self.excluding = self.last_excluded
                self.at += length
                return True
        return False

    def _cue_length(self, name: str, at: int | None = None) -> int:
        """How many tokens of a cue stand at a place; 0 for none."""
        at = self.at if at is None else at
        for length in range(min(4, len(self.tokens) - at), 0, -1):
            if self._keys(length, at) in self.lexicon.cues[name]:
                return length
        return 0

    def _misspelt(self) -> bool:
        """A phrase of the catalogue with one letter wrong."""
        token = self.tokens[self.at]
        word = self.lexicon.corrected(token.key)
        if word is None:
            return False
        kept = self.tokens[self.at]
        self.tokens[self.at] = kept._replace(key=word)
        before = len(self.facts), len(self.partners)
        if not self._phrase():
            self.tokens[self.at] = kept
            return False
        self.notes.append(f"{kept.text!r} was read as {word!r}")
        for facts, start in zip((self.facts, self.partners), before):
            facts[start:] = [replace(fact, read_as=word) for fact in facts[start:]]
        return True

    def _other(self, token: Token) -> None:
        """A word that no column knows: it may be excluded by the titles."""
        word = singular(token.key)
        if self.excluding and word in self.lexicon.values.terms and not self.partner:
            self.facts.append(Fact("title", {"contains": word}, True, self._words(1), excluded=True, importance=99))
            self.last_excluded = True
        elif not (self.partner or self.excluding):
            if self.lexicon.is_rare(word):
                numbered = any(letter.isdigit() for letter in word) and len(word) >= NUMBERED_FROM
                self.facts.append(Fact("title", {"contains": word}, numbered, self._words(1), importance=98))
            self.rest.append(token.text)
        self.excluding = False
        self.at += 1

    def _add(self, meanings: Sequence[Meaning], length: int) -> None:
        words = self.lexicon.words
        first = meanings[0]
        value: Any = first.values[0] if len(first.values) == 1 else list(first.values)
        fact = Fact(
            column=first.column,
            value=value if first.values else True,
            hard=self.excluding or words.hard(first.role),
            words=self._words(length),
            excluded=self.excluding,
            importance=99 if self.excluding else words.importance(first.role),
            nearly=() if self.excluding else first.nearly,
        )
        if self.beside and not self.excluding:
            told = fact.column in self._nouns or any(fact.column == other.column for other in self.facts)
            (self.partners if told else self.facts).append(replace(fact, hard=False))
        else:
            (self.partners if self.partner else self.facts).append(fact)
        self.last_excluded, self.excluding = self.excluding, False
        self.at += length

    def _number(self) -> bool:
        """A price: "under 50", "50 euros or less", "between 20 and 50", "$30 - $60"."""
        return False if self.partner else _Price(self).read()

    @property
    def _nouns(self) -> set[str]:
        """The columns that say what an item is."""
        role_of = self.lexicon.words.role_of
        return {"type", *(column for column in self.lexicon.values.texts if role_of(column) == "kind")}

    def _keys(self, length: int, at: int | None = None) -> Phrase:
        at = self.at if at is None else at
        return tuple(token.key for token in self.tokens[at : at + length])

    def _words(self, length: int) -> str:
        part = self.tokens[self.at : self.at + length]
        return self.text[part[0].start : part[-1].stop]

    def result(self) -> Understanding:
        """What was read, with alternatives of one column joined and contradictions settled."""
        facts = _joined(self.facts)
        excluded = {(fact.column, value) for fact in facts if fact.excluded for value in listed(fact.value)}
        settled = []
        for fact in facts:
            if not fact.excluded and isinstance(fact.value, str | list):
                left = [value for value in listed(fact.value) if (fact.column, value) not in excluded]
                if not left:
                    self.notes.append(f"{fact.words!r} is both asked for and excluded; the exclusion counts")
                    continue
                nearly = tuple(value for value in fact.nearly if (fact.column, value) not in excluded)
                fact = replace(fact, value=left[0] if len(left) == 1 else left, nearly=nearly)
            settled.append(fact)
        return Understanding(tuple(settled), tuple(self.partners), tuple(self.rest), tuple(dict.fromkeys(self.notes)))


class _Price:
    """Reads a price at the place of a reader."""

    def __init__(self, reader: _Reader) -> None:
        self.reader, self.at = reader, reader.at

    def read(self) -> bool:
        start = self.at
        cue = self._cue()
        first = self._amount()
        if first is None:
            return False
        value, currency = first
        bounds: dict[str, float] | None = None
        if cue != "at_least" and (cue == "between" or currency or self._range_follows()) and (second := self._second()):
            bounds = {">=": min(value, second), "<=": max(value, second)}
        elif cue == "at_least" or cue == "between":
            bounds = {">=": value} if cue == "at_least" else None
        elif cue == "at_most" or self._skip("or_less") or currency:
            bounds = {"<=": value}
        if bounds is None:
            return False
        self._take(start, bounds)
        return True

    def _cue(self) -> str:
        for name in ("at_most", "between", "at_least"):
            if length := self.reader._cue_length(name, self.at):
                self.at += length
                return name
        return ""

    def _amount(self) -> tuple[float, bool] | None:
        """A number with or without a currency, and whether it has one."""
        at, items = self.at, self.reader.tokens
        before = at < len(items) and items[at].key in self.reader.lexicon.currencies
        at += before
        if at >= len(items) or not _NUMBER.fullmatch(items[at].key):
            return None
        value = number(items[at].key)
        at += 1
        after = at < len(items) and items[at].key in self.reader.lexicon.currencies
        self.at = at + after
        return value, before or after

    def _range_follows(self) -> bool:
        return self._key(self.at) in ("-", "–", "—") and bool(_NUMBER.fullmatch(self._key(self.at + 1)))

    def _second(self) -> float | None:
        """The other end of a range: "and 50", "to 50", "- 50"."""
        if self._key(self.at) not in ("and", "to", "-", "–", "—"):
            return None
        kept, self.at = self.at, self.at + 1
        amount = self._amount()
        if amount is None:
            self.at = kept
            return None
        return amount[0]

    def _skip(self, name: str) -> bool:
        length = self.reader._cue_length(name, self.at)
        self.at += length
        return length > 0

    def _key(self, at: int) -> str:
        return self.reader.tokens[at].key if at < len(self.reader.tokens) else ""

    def _take(self, start: int, bounds: dict[str, float]) -> None:
        reader = self.reader
        words = reader._words(self.at - start)
        reader.at = self.at
        reader.excluding = False
        columns = reader.lexicon.columns_of("price")
        if not columns:
            reader.notes.append(f"{words!r} was left out: the catalogue has no prices")
            return
        plain = {op: int(value) if value == int(value) else value for op, value in bounds.items()}
        role = reader.lexicon.words
        reader.facts.append(Fact(columns[0], plain, role.hard("price"), words, importance=role.importance("price")))


def number(text: str) -> float:
    """A number as users type it: "49.90", "49,90", "1,200"."""
    if _THOUSANDS.fullmatch(text):
        return float(text.replace(",", "").replace(".", ""))
    head, mark, tail = text.replace(",", ".").rpartition(".")
    return float(head.replace(".", "") + mark + tail) if mark else float(tail)


def _joined(facts: Sequence[Fact]) -> list[Fact]:
    """Facts of one column as alternatives of each other: "red or blue"; bounds of one column together."""
    joined: list[Fact] = []
    for fact in facts:
        place = next((at for at, other in enumerate(joined) if _same_column(other, fact)), None)
        if place is None:
            joined.append(fact)
            continue
        other = joined[place]
        words = other.words if fact.words in other.words else f"{other.words}, {fact.words}"
        if isinstance(fact.value, dict) and isinstance(other.value, dict):
            joined[place] = replace(other, value={**other.value, **fact.value}, words=words)
            continue
        values = list(dict.fromkeys([*listed(other.value), *listed(fact.value)]))
        nearly = tuple(dict.fromkeys(v for v in (*other.nearly, *fact.nearly) if v not in values))
        joined[place] = replace(other, value=values[0] if len(values) == 1 else values, nearly=nearly, words=words)
    return joined


def _same_column(first: Fact, second: Fact) -> bool:
    if first.column != second.column or first.excluded != second.excluded or first.column == "title":
        return False
    return isinstance(first.value, dict) == isinstance(second.value, dict) and not isinstance(first.value, bool)


def quantile_bounds(numbers: np.ndarray, low: float, high: float) -> dict[str, float]:
    """The part of a column of numbers from one quantile to another, as comparisons."""
    bounds = {}
    if low > 0:
        bounds[">="] = float(np.quantile(numbers, low))
    if high < 1:
        bounds["<="] = float(np.quantile(numbers, high))
    return bounds
