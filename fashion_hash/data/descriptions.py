"""The words of reviews: cleaned for use as requests, and gathered into descriptions of items."""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.data.columns import words_of
from fashion_hash.data.events import Log, normal, text_numbers

MAX_CHARS = 1000  # of a request: a longer review is cut after a whole word
MAX_WORDS = 300  # of a description
_REVIEW_WORDS = 40  # of one review in a description
_REVIEWS = 200  # the latest reviews of an item that are looked at
_BOILERPLATE = 3  # words that so many users wrote alike describe nothing
_VARIANTS = 4
# columns of a catalogue that describe an item, in this order
_CATALOGUE = ("title", "brand", "category", "categories", "kind", "colour", "color", "pattern", "material", "style")
_LAST = ("city", "description")
_TAG = re.compile(r"<[a-zA-Z/!][^<>]{0,200}>|\[\[VIDEOID:[^\]]*\]\]")
_STARS = re.compile(r"(?i)(one|two|three|four|five) stars?\.?")  # the shop's own title where the user wrote none


def clean(text: object) -> str:
    """One line of words: no mark-up, entities decoded, blanks collapsed, cut to MAX_CHARS after a whole word."""
    if not isinstance(text, str):
        return "" if text is None or text != text else str(text)  # NaN is not equal to itself
    words = " ".join(html.unescape(_TAG.sub(" ", text)).split())
    if len(words) <= MAX_CHARS:
        return words
    return words[: MAX_CHARS + 1].rsplit(" ", 1)[0][:MAX_CHARS]


def review_words(title: object, text: object) -> str:
    """The words of one review: its title, unless the shop wrote it ("Five Stars"), and its text."""
    heading, body = clean(title), clean(text)
    if not heading or _STARS.fullmatch(heading) or normal(body).startswith(normal(heading.rstrip(". "))):
        return body
    return clean(f"{heading}{'' if heading[-1] in '.!?…' else '.'} {body}") if body else heading


def describe(
    log: Log, train: np.ndarray, blank: Iterable[int], known: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """(items,) Words for each item of a log: what the catalogue says, its variants, its latest training reviews.

    Args:
        log: the events.
        train: rows of the training events; no other event contributes anything.
        blank: rows whose words are a held-out review's: they contribute nothing either.
        known: what the catalogue says, by item id (`catalogue_words`).
    """
    hidden = set(blank)
    rows = [row for row in train[np.lexsort((train, -log.times[train]))].tolist() if row not in hidden]
    numbers = np.array(text_numbers(log.texts[row] for row in rows), dtype=np.int64)
    pairs = np.unique(np.stack([numbers, log.users[rows]]), axis=1)
    writers = np.bincount(pairs[0] + 1)[1:]  # users who wrote each text; anonymous ones count as one
    boilerplate = {row for row, number in zip(rows, numbers) if number >= 0 and writers[number] >= _BOILERPLATE}
    of_item: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if len(of_item[item := int(log.items[row])]) < _REVIEWS:
            of_item[item].append(row)
    described = []
    for item, one in enumerate(log.item_ids):
        parts = [catalogue_words(known.get(one, {}))]
        variants = Counter(log.variants[row] for row in of_item[item] if log.variants[row])
        parts += [variant for variant, _ in sorted(variants.items(), key=lambda pair: (-pair[1], pair[0]))[:_VARIANTS]]
        reviews = dict.fromkeys(normal(log.texts[row]) for row in of_item[item] if row not in boilerplate)
        parts += [" ".join(text.split()[:_REVIEW_WORDS]) for text in reviews if text]
        described.append(_bounded(parts))
    return tuple(described)


def catalogue_words(known: Mapping[str, Any]) -> str:
    """Title, brand, category, attributes and description of an item, as one line."""
    return _bounded([words_of(known[name]) for name in (*_CATALOGUE, *_LAST) if known.get(name)], MAX_WORDS // 2)


def _bounded(parts: Sequence[str], most: int = MAX_WORDS) -> str:
    words: list[str] = []
    for part in parts:
        if part:
            words += [*part.split(), "/"]
        if len(words) >= most:
            break
    return " ".join(words[:most]).removesuffix("/").rstrip()
