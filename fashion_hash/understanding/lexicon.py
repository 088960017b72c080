"""What the words of requests mean in one catalogue: its values, their plurals, synonyms and shades."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fashion_hash.understanding.tokens import Token, folded, neighbours

if TYPE_CHECKING:  # it loads pydantic, which queries do without
    from fashion_hash.understanding.words import Words

LONGEST_CUE = 4  # words
LONGEST_VALUE = 6  # words; longer texts are descriptions
SPELLED_FROM, SPELLED_TO = 4, 30  # letters; shorter and longer words are not corrected
NAMED_FROM = 5  # letters of words of titles that are corrected
COMPOUND_FROM = 4  # letters of a value that others may end in
LETTERS = 40  # that may come in where a letter is wrong, the most frequent ones
KEPT = 10_000  # corrections of words, kept
RARE, RARE_SHARE = 3, 0.002  # a word that so many items hold at most, or such a share of them, names them
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
        earlier: a lexicon of an earlier state of the catalogue; its phrases are taken over where they are the same.
    """

    def __init__(self, words: Words, values: CatalogueValues, earlier: Lexicon | None = None) -> None:
        """Reads every value once."""
        self.words, self.values = words, values
        self._named = _named(words, values)
        same = earlier is not None and earlier.words is words and earlier._named == self._named
        self.phrases: dict[Phrase, tuple[Meaning, ...]] = (
            earlier.phrases if earlier is not None and same else _phrases(words, values)
        )
        self.longest = max((len(phrase) for phrase in self.phrases), default=0)
        self.stop = words.stop_tokens
        self.real = self.stop | words.vague_tokens | {token for word in words.real for token in self.keys(word)}
        self.cues = {name: {self.cue_keys(cue) for cue in cues} - {()} for name, cues in words.cues.items()}
        self._cue_starts = {name: {cue[0] for cue in cues} for name, cues in self.cues.items()}
        self.corrected, self.corrected_term = lru_cache(KEPT)(self._corrected), lru_cache(KEPT)(self._corrected_term)
        self.ranges = {
            self.keys(phrase): (column, bounds)
            for role, phrases in words.ranges.items()
            for column in self.columns_of(role)[:1]
            for phrase, bounds in phrases.items()
        }
        self.currencies = {folded(word): code for code, of_code in words.currencies.items() for word in of_code}
        self.units = {folded(word): unit for unit, of_unit in words.units.items() for word in of_unit}

    def keys(self, text: str) -> Phrase:
        """What is compared of a phrase."""
        return self.words.tokenizer.keys(text)

    def cue_keys(self, text: str) -> Phrase:
        """What is compared of a cue, which may also be a mark."""
        return self.keys(text) or tuple(token.key for token in self.words.tokenizer.tokens(f" {text} "))

    def cue_length(self, name: str, tokens: Sequence[Token], at: int) -> int:
        """How many tokens of a cue stand at a place; 0 for none."""
        if at >= len(tokens) or tokens[at].key not in self._cue_starts[name]:
            return 0
        for length in range(min(LONGEST_CUE, len(tokens) - at), 0, -1):
            if tuple(token.key for token in tokens[at : at + length]) in self.cues[name]:
                return length
        return 0

    def meanings(self, phrase: Phrase) -> tuple[Meaning, ...]:
        """What a phrase means, most important first; nothing when the catalogue does not know it."""
        for form in self.words.tokenizer.forms(phrase, self.words.only_plural):
            if form in self.phrases:
                return self.phrases[form]
        return ()

    def is_rare(self, word: str) -> bool:
        """Whether only a few items hold a word, so that it names them: an article number, a name."""
        count = self.values.terms.get(word, 0)
        return 0 < count <= max(RARE, RARE_SHARE * self.values.num_items)

    def _corrected(self, word: str) -> str | None:
        """The word of the catalogue that a word is one letter away from; None where there is none.

        Of several, a word of the most important column is taken, then the one that most items have.
        """
        if (
            not SPELLED_FROM <= len(word) <= SPELLED_TO
            or word in self.real
            or self.words.singular(word) in self.values.terms
        ):
            return None
        plurals = (f"{word}s", word.removesuffix("s"))  # "short" is no slip for "shorts"
        near = {
            other: spelled
            for other in neighbours(word, self._alphabet)
            if other != word and other not in plurals and (spelled := self._spelling(other)) is not None
        }
        return max(near, key=lambda other: (*near[other], other in self._spelled, other), default=None)

    def _corrected_term(self, word: str) -> str | None:
        """The word of titles that a word is one letter away from, of several the most frequent; None for none."""
        terms = self.values.terms
        if not NAMED_FROM <= len(word) <= SPELLED_TO or word in self.real or self.words.singular(word) in terms:
            return None
        near = {other for other in neighbours(word, self._alphabet) if other in terms and other != word}
        if len(near) > 1 and not word.isalpha():
            return None  # of several articles any may be meant
        return max(near, key=lambda other: (terms[other], other), default=None)

    def columns_of(self, role: str) -> list[str]:
        """The columns of numbers of a role, in the order of the file of words."""
        of_role = [column for column in self.values.numbers if self.words.role_of(column) == role]
        names = self.words.columns[role].names if role in self.words.columns else ()
        return sorted(of_role, key=lambda column: names.index(column.casefold()) if column.casefold() in names else 99)

    def _spelling(self, word: str) -> tuple[int, int] | None:
        """What `_spelled` knows of a word, or of its singular; None for nothing."""
        return self._spelled.get(word) or self._spelled.get(self.words.singular(word))

    @cached_property
    def _spelled(self) -> dict[str, tuple[int, int]]:
        """Words of phrases: how important their column is, and how many items have them."""
        spelled: dict[str, tuple[int, int]] = {}
        for phrase, meanings in self.phrases.items():
            first = meanings[0]
            counts = self.values.texts.get(first.column, {})
            count = sum(counts.get(value, 1) for value in first.values)
            for word in phrase:
                if len(word) >= SPELLED_FROM and word not in self.stop:
                    spelled[word] = max(spelled.get(word, (0, 0)), (self.words.importance(first.role), count))
        return spelled

    @cached_property
    def _alphabet(self) -> tuple[str, ...]:
        """The letters of which the words of the catalogue are made, most frequent first."""
        letters = Counter(letter for words in (self._spelled, self.values.terms) for word in words for letter in word)
        return tuple(letter for letter, _ in letters.most_common(LETTERS))


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


def _named(words: Words, values: CatalogueValues) -> dict[str, frozenset[str]]:
    """By column the values that requests may name."""
    texts = {"type": dict.fromkeys(values.types, values.num_items), **values.texts}
    named = {
        column: frozenset(of_column)
        for column, of_column in texts.items()
        if is_fact_column(column, of_column, words, values.num_items)
    }
    return named | {column: frozenset() for column in values.flags if column not in named}


def _phrases(words: Words, values: CatalogueValues) -> dict[Phrase, tuple[Meaning, ...]]:
    """What every phrase means, most important first."""
    texts = {"type": dict.fromkeys(values.types, values.num_items), **values.texts}
    stop, vague = words.stop_tokens, words.vague_tokens
    idioms = {words.tokenizer.keys(phrase) for phrase in words.vague}
    phrases: dict[Phrase, list[Meaning]] = defaultdict(list)
    for column, of_column in texts.items():
        if not is_fact_column(column, of_column, words, values.num_items):
            continue
        role = words.role_of(column)
        leads = {words.tokenizer.keys(name.replace("_", " ")) for name in (column, role)}
        for phrase, meaning in _of_column(column, role, of_column, words).meanings(column, role):
            if not vague.issuperset(phrase):
                phrases[phrase].append(meaning)
                continue
            for lead in leads - {()}:
                if (*lead, *phrase) not in idioms:  # "brand new"
                    phrases[(*lead, *phrase)].append(meaning)
    for column in values.flags:
        if (phrase := words.tokenizer.keys(column.replace("_", " "))) and not stop.issuperset(phrase):
            phrases[phrase].append(Meaning(column, words.role_of(column), ()))
    return {
        phrase: tuple(sorted(meanings, key=lambda meaning: -words.importance(meaning.role)))
        for phrase, meanings in phrases.items()
    }


def is_fact_column(column: str, of_column: Mapping[str, int], words: Words, num_items: int) -> bool:
    """Whether a column of texts holds facts: short texts, and, where no role names it, texts that items share."""
    if column.casefold() in ("title", *words.texts) or not of_column:
        return False
    short = sum(value.count(" ") < LONGEST_VALUE for value in of_column)
    if 2 * short < len(of_column):
        return False
    return words.role_of(column) in words.columns or 2 * len(of_column) <= sum(of_column.values()) or num_items < 10


def _of_column(column: str, role: str, of_column: Mapping[str, int], words: Words) -> _Collected:
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


def name_parts(column: str) -> Collection[str]:
    """The words in the name of a column: "heel_height (cm)" holds heel, height and cm."""
    return [part for part in re.split(r"[\W_]+", folded(column)) if part]
