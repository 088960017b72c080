"""What the words of requests mean in one catalogue: its values, their plurals, synonyms and shades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fashion_hash.understanding.tokens import folded, forms, keys, one_letter_apart, singular
from fashion_hash.understanding.words import Words

LONGEST_VALUE = 6  # words; longer texts are descriptions
SPELLED_FROM = 4  # letters; shorter words are not corrected
TEXTS = ("title", "description", "image", "url", "link")  # columns that hold sentences and addresses, not facts
RARE, RARE_SHARE = 3, 0.002  # a word that so many items hold at most, or such a share of them, names them
BY_LAST_WORD = ("kind", "colour", "material", "pattern")  # a "pleated skirt" is a skirt, "forest green" a green
Phrase = tuple[str, ...]


@dataclass(frozen=True)
class CatalogueValues:
    """What a catalogue holds, as far as requests may name it.

    Attributes:
        types: the item types.
        texts: by column, its distinct texts (or, of a column of lists, the texts in them) and how many items hold each.
        numbers: by column, its numbers, ascending.
        flags: columns of true and false.
        lists: those columns of `texts` that hold lists.
        terms: the words of titles and descriptions, folded and in the singular, and how many items hold each.
        num_items: how many items there are.
    """

    types: tuple[str, ...]
    texts: Mapping[str, Mapping[str, int]]
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    lists: frozenset[str] = frozenset()
    terms: Mapping[str, int] = field(default_factory=dict)
    num_items: int = 0


class Meaning(NamedTuple):
    """What a phrase says of a column.

    Attributes:
        column: the column, "type" for item types.
        role: see words.Words.
        values: the values that fit.
        nearly: values that fit half: for "green", "forest green" where plain green exists.
    """

    column: str
    role: str
    values: tuple[str, ...]
    nearly: tuple[str, ...] = ()


class Lexicon:
    """The phrases that a catalogue understands.

    Args:
        words: what users say.
        values: what the catalogue holds.
    """

    def __init__(self, words: Words, values: CatalogueValues) -> None:
        """Reads every value once."""
        self.words, self.values = words, values
        self.phrases = _phrases(words, values)
        self.longest = max((len(phrase) for phrase in self.phrases), default=0)
        self.stop = words.stop_tokens
        self.real = self.stop | {token for word in words.real for token in keys(word)}
        self.cues = {name: {keys(cue, words.articles) for cue in cues} for name, cues in words.cues.items()}
        self.ranges = {
            keys(phrase, words.articles): (column, bounds)
            for role, phrases in words.ranges.items()
            for column in self.columns_of(role)[:1]
            for phrase, bounds in phrases.items()
        }
        self.currencies = {folded(currency) for currency in words.currencies}

    def meanings(self, phrase: Phrase) -> tuple[Meaning, ...]:
        """What a phrase means, most important first; nothing when the catalogue does not know it."""
        for form in forms(phrase, self.words.only_plural):
            if form in self.phrases:
                return self.phrases[form]
        return ()

    def is_rare(self, word: str) -> bool:
        """Whether only a few items hold a word, so that it names them: an article number, a name."""
        count = self.values.terms.get(word, 0)
        return 0 < count <= max(RARE, RARE_SHARE * self.values.num_items)

    def corrected(self, word: str) -> str | None:
        """The word of the catalogue that a word is one letter away from; None where there is none.

        Of several, a word of the most important column is taken, then the one that most items have.
        """
        if len(word) < SPELLED_FROM or word in self.real or singular(word) in self.values.terms:
            return None
        plurals = (f"{word}s", word.removesuffix("s"))  # "short" is no slip for "shorts"
        near = [other for other in self._near(word) if one_letter_apart(word, other) and other not in plurals]
        return max(near, key=lambda other: (*self._spelled[other], other), default=None)

    def columns_of(self, role: str) -> list[str]:
        """The columns of numbers of a role, in the order of the file of words."""
        of_role = [column for column in self.values.numbers if self.words.role_of(column) == role]
        names = self.words.columns[role].names if role in self.words.columns else ()
        return sorted(of_role, key=lambda column: names.index(column.casefold()) if column.casefold() in names else 99)

    def _near(self, word: str) -> Iterable[str]:
        candidates: set[str] = set()
        for part in _shorter(word):
            candidates.update(self._by_part.get(part, ()))
        return candidates

    @cached_property
    def _spelled(self) -> dict[str, tuple[int, int]]:
        """Words of phrases: how important their column is, and how many items have them."""
        spelled: dict[str, tuple[int, int]] = {}
        for phrase, meanings in self.phrases.items():
            first = meanings[0]
            count = sum(self.values.texts.get(first.column, {}).get(value, 1) for value in first.values)
            for word in phrase:
                if len(word) >= SPELLED_FROM and word not in self.stop:
                    spelled[word] = max(spelled.get(word, (0, 0)), (self.words.importance(first.role), count))
        return spelled

    @cached_property
    def _by_part(self) -> dict[str, list[str]]:
        parts: dict[str, list[str]] = defaultdict(list)
        for word in self._spelled:
            for part in _shorter(word):
                parts[part].append(word)
        return parts


def _shorter(word: str) -> set[str]:
    """The word, and the word without any one of its letters: two words one letter apart share one of these."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


class _Collected:
    """Values of one column by phrase: those that are the phrase, those that a synonym names, those that end in it."""

    def __init__(self) -> None:
        self.exact: dict[Phrase, dict[str, None]] = defaultdict(dict)
        self.group: dict[Phrase, dict[str, None]] = defaultdict(dict)

    def meanings(self, column: str, role: str) -> Iterable[tuple[Phrase, Meaning]]:
        for phrase in dict.fromkeys([*self.exact, *self.group]):
            exact, group = list(self.exact.get(phrase, ())), list(self.group.get(phrase, ()))
            if exact:
                yield phrase, Meaning(column, role, tuple(exact), tuple(v for v in group if v not in exact))
            else:
                yield phrase, Meaning(column, role, tuple(group))


def _phrases(words: Words, values: CatalogueValues) -> dict[Phrase, tuple[Meaning, ...]]:
    """What every phrase means, most important first."""
    texts = {"type": dict.fromkeys(values.types, values.num_items), **values.texts}
    stop = words.stop_tokens
    found: dict[Phrase, list[Meaning]] = defaultdict(list)
    for column, of_column in texts.items():
        if not is_fact_column(column, of_column, words, values.num_items):
            continue
        role = words.role_of(column)
        for phrase, meaning in _of_column(column, role, of_column, words):
            if not stop.issuperset(phrase):
                found[phrase].append(meaning)
    for column in values.flags:
        if (phrase := keys(column.replace("_", " "), words.articles)) and not stop.issuperset(phrase):
            found[phrase].append(Meaning(column, words.role_of(column), ()))
    return {
        phrase: tuple(sorted(meanings, key=lambda meaning: -words.importance(meaning.role)))
        for phrase, meanings in found.items()
    }


def is_fact_column(column: str, of_column: Mapping[str, int], words: Words, num_items: int) -> bool:
    """Whether a column of texts holds facts: short texts, and, where no role names it, texts that items share."""
    if column.casefold() in TEXTS or not of_column:
        return False
    short = sum(len(value.split()) <= LONGEST_VALUE for value in of_column)
    if 2 * short < len(of_column):
        return False
    return words.role_of(column) in words.columns or 2 * len(of_column) <= sum(of_column.values()) or num_items < 10


def _of_column(column: str, role: str, of_column: Mapping[str, int], words: Words) -> Iterable[tuple[Phrase, Meaning]]:
    collected = _Collected()
    by_key: dict[Phrase, list[str]] = defaultdict(list)
    after = words.columns[role].after if role in words.columns else ()
    lead = [keys(word, words.articles) for word in after] or [()]
    for value in of_column:
        written = value.replace("_", " ")
        if not (phrase := keys(written, words.articles)) or len(phrase) > LONGEST_VALUE:
            continue
        for form in forms(phrase, words.only_plural):
            by_key[form].append(value)
            for start in lead:
                collected.exact[(*start, *form)][value] = None
        if len(phrase) == 2 and " " not in written:  # "t-shirt" is also written "tshirt"
            collected.exact[("".join(phrase),)][value] = None
        if role in BY_LAST_WORD and " " in written:
            for form in forms(keys(written.split()[-1]), words.only_plural):
                collected.group[form][value] = None
    for said, meant in words.synonyms.get(role, {}).items():
        named = dict.fromkeys(_values_of(meant, by_key, words))
        for form in forms(keys(said, words.articles), words.only_plural) if named else ():
            collected.group[form].update(named)
    return collected.meanings(column, role)


def _values_of(meant: Sequence[str], by_key: Mapping[Phrase, list[str]], words: Words) -> list[str]:
    """The values of a column that the right side of a synonym names."""
    named: dict[str, None] = {}
    for text in meant:
        for form in forms(keys(text, words.articles), words.only_plural):
            named.update(dict.fromkeys(by_key.get(form, ())))
    return list(named)
