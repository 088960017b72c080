"""What the words of requests mean in one catalogue: its values, their plurals, synonyms and shades."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from fashion_hash.understanding.phrases.build import (
    SPELLED_FROM,
    CatalogueValues,
    Meaning,
    Phrase,
    Phrases,
    unmet_synonyms,
)
from fashion_hash.understanding.phrases.kept import KeptPhrases, LivePhrases
from fashion_hash.understanding.tokens import Token, folded, neighbours

if TYPE_CHECKING:  # it loads pydantic, which queries do without
    from fashion_hash.understanding.words import Words

__all__ = ["CatalogueValues", "Lexicon", "Meaning", "Phrase", "name_parts", "unmet_synonyms"]

LONGEST_CUE = 4  # words
SPELLED_TO = 30  # letters; longer words are not corrected
NAMED_FROM = 5  # letters of words of titles that are corrected
LETTERS = 40  # that may come in where a letter is wrong, the most frequent ones
KEPT = 10_000  # corrections of words, kept
RARE, RARE_SHARE = 3, 0.002  # a word that so many items hold at most, or such a share of them, names them


class Lexicon:
    """The phrases that a catalogue understands.

    Args:
        words: what users say.
        values: what the catalogue holds.
        phrases: what they mean; by default they are made from the values.
    """

    def __init__(
        self, words: Words, values: CatalogueValues, phrases: Phrases | KeptPhrases | LivePhrases | None = None
    ) -> None:
        """Reads every value once, unless phrases are given."""
        self.words, self.values = words, values
        self.phrases = phrases or Phrases(words, values)
        self.longest = self.phrases.longest
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
            if meanings := self.phrases.get(form):
                return meanings
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
        return max(near, key=lambda other: (*near[other], self.phrases.rank(other) is not None, other), default=None)

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
        """What is known of a word of phrases, or of its singular; None for nothing."""
        return self.phrases.rank(word) or self.phrases.rank(self.words.singular(word))

    @cached_property
    def _alphabet(self) -> tuple[str, ...]:
        """The letters of which the words of the catalogue are made, most frequent first."""
        letters = self.phrases.letters
        return tuple(sorted(letters, key=lambda letter: (-letters[letter], letter))[:LETTERS])


def name_parts(column: str) -> Collection[str]:
    """The words in the name of a column: "heel_height (cm)" holds heel, height and cm."""
    return [part for part in re.split(r"[\W_]+", folded(column)) if part]
