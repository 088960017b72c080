"""Requests and values as tokens that can be compared: case, accents, hyphens, articles and plurals apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

# a number (not the code of an article, "12E4"), a word, a currency, or what ends a part of a sentence
_CURRENCY = "eur|euros?|usd|dollars?|gbp|pounds?"
_TOKEN = re.compile(
    rf"\d+(?:[.,]\d+)*(?=(?:{_CURRENCY})?(?![^\W_]))|[^\W_]+(?:['’][^\W\d_]+)*|[€$£]|[,;.!?:()–—-]", re.IGNORECASE
)
_ENDS = frozenset(",;.!?:()–—-")


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


def tokens(text: str, articles: Collection[str] = ()) -> list[Token]:
    """The tokens of a text; hyphens between letters and articles are left out."""
    every = (Token(folded(match.group()), match.group(), match.start(), match.end()) for match in _matches(text))
    return [token for token in every if token.key not in articles]


def keys(text: str, articles: Collection[str] = ()) -> tuple[str, ...]:
    """What is compared of a phrase."""
    return tuple(token.key for token in tokens(text, articles) if not token.ends_part)


def folded(word: str) -> str:
    """A word casefolded and without accents: "Écru" and "ecru" are the same."""
    letters = unicodedata.normalize("NFKD", word.replace("’", "'").casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def singular(word: str) -> str:
    """The singular of an English plural, or the word itself."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def forms(phrase: tuple[str, ...], only_plural: Collection[str] = ()) -> Iterator[tuple[str, ...]]:
    """A phrase as it is, and with its last word in the singular."""
    yield phrase
    if phrase and phrase[-1] not in only_plural and (last := singular(phrase[-1])) != phrase[-1]:
        yield (*phrase[:-1], last)


def _matches(text: str) -> Iterable[re.Match[str]]:
    for match in _TOKEN.finditer(text):
        before, after = text[: match.start()][-1:], text[match.end() :][:1]
        if match.group() != "-" or (before.isdigit() and after.isdigit()) or (before.isspace() and after.isspace()):
            yield match  # other hyphens are parts of words


def one_letter_apart(first: str, second: str) -> bool:
    """Whether two different words differ by one letter added, left out or changed, or by two that changed places."""
    if abs(len(first) - len(second)) > 1 or first == second:
        return False
    if len(first) == len(second):
        places = [at for at, (a, b) in enumerate(zip(first, second)) if a != b]
        if len(places) == 1:
            return True
        swapped = len(places) == 2 and places[1] == places[0] + 1
        return swapped and first[places[0]] == second[places[1]] and first[places[1]] == second[places[0]]
    longer, shorter = (first, second) if len(first) > len(second) else (second, first)
    at = next((at for at, (a, b) in enumerate(zip(longer, shorter)) if a != b), len(shorter))
    return longer[at + 1 :] == shorter[at:]
