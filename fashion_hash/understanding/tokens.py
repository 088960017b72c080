"""Requests and values as tokens that can be compared: case, accents, hyphens, articles and plurals apart.

What depends on a language (articles, plurals, units) comes from its file of words, see words.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

_ENDS = frozenset(",;.!?:()–—-")
# marks that belong to the letter before them and are no letters to `re`: accents, points, and vowels of India
_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f"
    "\u0e31-\u0e3a\u0e47-\u0e4e"
)
_LETTER = rf"(?:[^\W_]|[{_MARKS}])"
_LEAST_STEM = 3  # letters that are left of a word in the singular
_KEPT = 100_000  # words whose singular is kept


class Token(NamedTuple):
    """A word, a number or a mark.

    Attributes:
        key: what is compared: casefolded, without accents.
        text: as it was typed.
        start, stop: where it stands in the text.
    """

    key: str
    text: str
    start: int
    stop: int

    @property
    def ends_part(self) -> bool:
        """Whether a part of the sentence ends here."""
        return self.key in _ENDS


class Tokenizer:
    """Cuts texts into tokens, as one language does.

    Args:
        articles: words that are left out; those that end in an apostrophe stand before another word ("l'été").
        units: what may stand directly behind a number: "50eur", "8cm".
        plurals: endings of plurals, and what stands in their place in the singular.
    """

    def __init__(
        self, articles: Collection[str] = (), units: Collection[str] = (), plurals: Mapping[str, str] | None = None
    ) -> None:
        spelled = sorted((folded(unit) for unit in units if unit[:1].isalpha()), key=len, reverse=True)
        behind = f"(?:{'|'.join(map(re.escape, spelled))})?" if spelled else ""
        before = [re.escape(folded(article)[:-1]) for article in articles if folded(article).endswith("'")]
        self._elided = re.compile(f"^(?:{'|'.join(before)})'(?=.)") if before else None
        # a number (not the code of an article, "12E4"), a word, a currency, or what ends a part of a sentence
        self._token = re.compile(
            rf"\d+(?:[.,]\d+)*(?={behind}(?![^\W_]))|[^\W_]{_LETTER}*(?:['’](?:[^\W\d_]|[{_MARKS}])+)*"
            r"|[€$£¥&+]|[,;.!?:()–—-]",
            re.IGNORECASE,
        )
        self._articles = {folded(article) for article in articles}
        self._plurals = sorted((plurals or {}).items(), key=lambda rule: -len(rule[0]))
        self.singular = lru_cache(_KEPT)(self._singular)

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text; hyphens between letters and articles are left out."""
        every = (Token(self._key(match.group()), match.group(), *match.span()) for match in self._matches(text))
        return [token for token in every if token.key not in self._articles]

    def keys(self, text: str) -> tuple[str, ...]:
        """What is compared of a phrase."""
        return tuple(token.key for token in self.tokens(text) if not token.ends_part)

    def forms(self, phrase: tuple[str, ...], only_plural: Collection[str] = ()) -> Iterator[tuple[str, ...]]:
        """A phrase as it is, with its last word in the singular, and with all of its words so."""
        yield phrase
        if phrase and phrase[-1] not in only_plural and (last := self.singular(phrase[-1])) != phrase[-1]:
            yield (*phrase[:-1], last)
        if len(phrase) > 1:
            stems = tuple(word if word in only_plural else self.singular(word) for word in phrase)
            if stems[:-1] != phrase[:-1]:
                yield stems

    def _singular(self, word: str) -> str:
        """The singular of a plural, or the word itself."""
        for ending, instead in self._plurals:
            if word.endswith(ending) and len(word) - len(ending) + len(instead) >= _LEAST_STEM:
                return word[: len(word) - len(ending)] + instead
        return word

    def _key(self, word: str) -> str:
        key = folded(word)
        return self._elided.sub("", key) if self._elided is not None and "'" in key else key

    def _matches(self, text: str) -> Iterable[re.Match[str]]:
        for match in self._token.finditer(text):
            if match.group() == "-":  # other hyphens are parts of words
                before, after = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
                if not ((before.isdigit() and after.isdigit()) or (before.isspace() and after.isspace())):
                    continue
            yield match


def folded(word: str) -> str:
    """A word casefolded and without accents: "Écru" and "ecru" are the same."""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFKD", word.replace("’", "'").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def neighbours(word: str, alphabet: Collection[str]) -> Iterator[str]:
    """Every word with one letter added, left out or changed, or two that changed places; some of them twice.

    Args:
        word: the word.
        alphabet: the letters that may come in.
    """
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]
        if at + 1 < len(word):
            yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        for letter in alphabet:
            yield word[:at] + letter + word[at + 1 :]
    for at in range(len(word) + 1):
        for letter in alphabet:
            yield word[:at] + letter + word[at:]
