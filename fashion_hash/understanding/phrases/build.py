"""What the phrases of requests mean in one catalogue: its values, their plurals, synonyms and shades."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # it loads pydantic, which queries do without
    from fashion_hash.understanding.words import Words

LONGEST_VALUE = 6  # words; longer texts are descriptions
COMPOUND_FROM = 4  # letters of a value that others may end in
SPELLED_FROM = 4  # letters; shorter words are not corrected
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

    def texts_of(self, column: str) -> Mapping[str, int]:
        """The texts of a column and how many items hold each; the item types are those of the column "type"."""
        of_column = self.texts.get(column)
        return dict.fromkeys(self.types, self.num_items) if of_column is None and column == "type" else of_column or {}

    def fact_columns(self, words: Words) -> list[str]:
        """The columns of texts that requests may name, in order."""
        return [
            column
            for column in dict.fromkeys(["type", *self.texts])
            if holds_facts(column, Stats.of(self.texts_of(column)), words, self.num_items)
        ]


class Meaning(NamedTuple):
    """What a phrase says of a column.

    Attributes:
        column: the column, "type" for item types.
        role: see words.Words.
        values: the values that fit.
        nearly: values that fit half: for "green", "forest green" where plain green exists.
        exact: whether the values are the phrase itself; else they are named by a synonym, or end in it.
    """

    column: str
    role: str
    values: tuple[str, ...]
    nearly: tuple[str, ...] = ()
    exact: bool = True


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
                yield phrase, Meaning(column, role, tuple(group), exact=False)


class Stats(NamedTuple):
    """What tells whether a column of texts holds facts: different texts, the short ones of them, and items with one."""

    distinct: int = 0
    short: int = 0
    total: int = 0

    @classmethod
    def of(cls, of_column: Mapping[str, int]) -> Stats:
        """Of the texts of a column, and how many items hold each."""
        return cls(len(of_column), sum(map(is_short, of_column)), sum(of_column.values()))


class Phrases:
    """The phrases of a catalogue, made from its values.

    Args:
        words: what users say.
        values: what the catalogue holds.
        earlier: of an earlier state of the catalogue; its phrases are taken over where the values are the same.

    Attributes:
        longest: the words of the longest phrase.
    """

    def __init__(self, words: Words, values: CatalogueValues, earlier: Phrases | None = None) -> None:
        """Reads every value once."""
        self._words, self._values = words, values
        self._named = _named(words, values)
        same = earlier is not None and earlier._words is words and earlier._named == self._named
        self.meanings: Mapping[Phrase, tuple[Meaning, ...]] = (
            earlier.meanings if earlier is not None and same else _phrases(words, values)
        )
        self.longest = max((len(phrase) for phrase in self.meanings), default=0)

    def get(self, phrase: Phrase) -> tuple[Meaning, ...]:
        """What a phrase means, most important first; nothing for other phrases."""
        return self.meanings.get(phrase, ())

    def rank(self, word: str) -> tuple[int, int] | None:
        """How important the column of a word of phrases is, and how many items have it; None for other words."""
        rank = self.ranks.get(word)
        return None if rank is None else rank[:2]

    @cached_property
    def ranks(self) -> dict[str, tuple[int, int, int]]:
        """Words of phrases: how important their column is, how many items have them, and how many phrases."""
        ranks: dict[str, tuple[int, int, int]] = {}
        for phrase, meanings in self.meanings.items():
            first = meanings[0]
            counts = self._values.texts.get(first.column, {})
            count = sum(counts.get(value, 1) for value in first.values)
            for word in spelled_words(phrase, self._words):
                importance, most, number = ranks.get(word, (0, 0, 0))
                best = max((importance, most), (self._words.importance(first.role), count))
                ranks[word] = (*best, number + 1)
        return ranks

    @cached_property
    def letters(self) -> Counter[str]:
        """How often each letter occurs in the words of phrases and of titles."""
        return Counter(letter for words in (self.ranks, self._values.terms) for word in words for letter in word)


def spelled_words(phrase: Phrase, words: Words) -> list[str]:
    """The words of a phrase that a slip of the pen may be corrected to."""
    return [word for word in phrase if len(word) >= SPELLED_FROM and word not in words.stop_tokens]


def _named(words: Words, values: CatalogueValues) -> dict[str, frozenset[str]]:
    """By column the values that requests may name."""
    named = {column: frozenset(values.texts_of(column)) for column in values.fact_columns(words)}
    return named | {column: frozenset() for column in values.flags if column not in named}


def _phrases(words: Words, values: CatalogueValues) -> dict[Phrase, tuple[Meaning, ...]]:
    """What every phrase means, most important first."""
    phrases: dict[Phrase, list[Meaning]] = defaultdict(list)
    for column in values.fact_columns(words):
        for phrase, meaning in column_phrases(column, values.texts_of(column), words):
            phrases[phrase].append(meaning)
    for column in values.flags:
        if (phrase := words.tokenizer.keys(column.replace("_", " "))) and not words.stop_tokens.issuperset(phrase):
            phrases[phrase].append(Meaning(column, words.role_of(column), ()))
    return {
        phrase: tuple(sorted(meanings, key=lambda meaning: -words.importance(meaning.role)))
        for phrase, meanings in phrases.items()
    }


def column_phrases(column: str, of_column: Iterable[str], words: Words) -> Iterator[tuple[Phrase, Meaning]]:
    """The phrases of one column, and what each means.

    Args:
        column: its name.
        of_column: its texts.
        words: what users say.
    """
    role, keys = words.role_of(column), words.tokenizer.keys
    leads = {keys(name.replace("_", " ")) for name in (column, role)} - {()}
    idioms = {keys(phrase) for phrase in words.vague}
    for phrase, meaning in _of_column(role, of_column, words).meanings(column, role):
        if not words.vague_tokens.issuperset(phrase):
            yield phrase, meaning
            continue
        for lead in leads:
            if (*lead, *phrase) not in idioms:  # "brand new"
                yield (*lead, *phrase), meaning


def is_short(text: str) -> bool:
    """Whether a text is short enough for a fact; longer ones are descriptions."""
    return text.count(" ") < LONGEST_VALUE


def holds_facts(column: str, stats: Stats, words: Words, num_items: int) -> bool:
    """Whether a column of texts holds facts: short texts, and, where no role names it, texts that items share.

    Args:
        column: its name.
        stats: of its texts.
        words: what users say.
        num_items: of the catalogue.
    """
    if column.casefold() in ("title", *words.texts) or not stats.distinct or 2 * stats.short < stats.distinct:
        return False
    return words.role_of(column) in words.columns or 2 * stats.distinct <= stats.total or num_items < 10


def _of_column(role: str, of_column: Iterable[str], words: Words) -> _Collected:
    collected, tokenizer = _Collected(), words.tokenizer
    by_key: dict[Phrase, list[str]] = defaultdict(list)
    rule = words.columns.get(role)
    lead = [tokenizer.keys(word) for word in rule.after] if rule and rule.after else [()]
    head = rule.head if rule else "none"
    for value in of_column:
        written = value.replace("_", " ")
        if not (phrase := tokenizer.keys(written)) or len(phrase) > LONGEST_VALUE:
            continue
        for form in tokenizer.forms(phrase, words.only_plural):
            by_key[form].append(value)
            for start in lead:
                collected.exact[(*start, *form)][value] = None
        if len(phrase) == 2 and " " not in written:  # "t-shirt" is also written "tshirt"
            collected.exact[("".join(phrase),)][value] = None
        if head != "none" and " " in written:
            parts = written.split()
            for form in tokenizer.forms(tokenizer.keys(parts[-1 if head == "last" else 0]), words.only_plural):
                collected.group[form][value] = None
    _add_synonyms(collected, role, by_key, words)
    return collected


def _add_synonyms(collected: _Collected, role: str, by_key: Mapping[Phrase, list[str]], words: Words) -> None:
    """The values that other words stand for: synonyms, and words that values end in."""
    tokenizer = words.tokenizer
    if words.compounds and role in words.columns and words.columns[role].head == "last":
        for form, value in _compounds(by_key):
            collected.group[form][value] = None
    for said, meant in words.synonyms.get(role, {}).items():
        named = dict.fromkeys(_values_of(meant, by_key, words))
        for form in tokenizer.forms(tokenizer.keys(said), words.only_plural) if named else ():
            collected.group[form].update(named)


def unmet_synonyms(
    synonyms: Mapping[str, Mapping[str, Sequence[str]]], words: Words, values: CatalogueValues
) -> list[tuple[str, str]]:
    """Synonyms that name no value of the catalogue, as (role, phrase): they change nothing.

    Args:
        synonyms: by role and phrase, the values.
        words: the words that are in use.
        values: what the catalogue holds.
    """
    texts = {"type": dict.fromkeys(values.types, 1), **values.texts}
    unmet = []
    for role, of_role in synonyms.items():
        by_key = {
            form: [value]
            for column, of_column in texts.items()
            if words.role_of(column) == role
            for value in of_column
            for form in words.tokenizer.forms(words.tokenizer.keys(value.replace("_", " ")), words.only_plural)
        }
        unmet += [(role, said) for said, meant in of_role.items() if not _values_of(meant, by_key, words)]
    return unmet


def _compounds(by_key: Mapping[Phrase, list[str]]) -> Iterable[tuple[Phrase, str]]:
    """Words that other values end in, with these values: a "Faltenrock" is a "Rock"."""
    single = {phrase[0] for phrase in by_key if len(phrase) == 1}
    for word in single:
        for start in range(2, len(word) - COMPOUND_FROM + 1):
            if word[start:] in single:
                for value in by_key[(word,)]:
                    yield (word[start:],), value


def _values_of(meant: Sequence[str], by_key: Mapping[Phrase, list[str]], words: Words) -> list[str]:
    """The values of a column that the right side of a synonym names."""
    named: dict[str, None] = {}
    for text in meant:
        for form in words.tokenizer.forms(words.tokenizer.keys(text), words.only_plural):
            named.update(dict.fromkeys(by_key.get(form, ())))
    return list(named)
