"""Slips of the pen: one letter of one word left out, doubled, exchanged or replaced."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

SHORTEST = 5
"""Words of fewer letters keep their spelling: too many of them are one letter away from another word."""

_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_TRIES = 20


def misspell(text: str, known: Collection[str], rng: np.random.Generator) -> str | None:
    """The text with one slip; None when no word is long enough.

    Args:
        text: of a request.
        known: words that a slip must not produce, nor come near: "spirt" may be a shirt or a skirt.
        rng: where the draws come from.
    """
    words = [match for match in _WORD.finditer(text) if len(match.group()) >= SHORTEST]
    if not words:
        return None
    for _ in range(_TRIES):
        match = words[rng.integers(len(words))]
        wrong = _slip(match.group(), rng)
        if wrong != match.group() and not _may_be_another(wrong, match.group(), known):
            return text[: match.start()] + wrong + text[match.end() :]
    return None


def _slip(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 1))  # the first letter is seldom wrong
    slip = rng.integers(4)
    if slip == 0:
        return word[:at] + word[at + 1 :]
    if slip == 1:
        return word[:at] + word[at] + word[at:]
    if slip == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + _LETTERS[rng.integers(len(_LETTERS))] + word[at + 1 :]


def _may_be_another(wrong: str, word: str, known: Collection[str]) -> bool:
    """Whether a slip is a known word, or one slip away from a known word that was not meant."""
    folded, stem = wrong.casefold(), word.casefold().removesuffix("s")
    if folded in known or folded.removesuffix("s") in known or f"{folded}s" in known:
        return True
    others = {form for other in known for form in (other, f"{other}s") if other.removesuffix("s") != stem}
    return any(other in others for other in _slips(folded))


def _slips(word: str) -> set[str]:
    """Every word that is one slip away."""
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    left_out = {before + after[1:] for before, after in parts if after}
    exchanged = {before + after[1] + after[0] + after[2:] for before, after in parts if len(after) > 1}
    replaced = {before + letter + after[1:] for before, after in parts if after for letter in _LETTERS}
    added = {before + letter + after for before, after in parts for letter in _LETTERS}
    return left_out | exchanged | replaced | added
