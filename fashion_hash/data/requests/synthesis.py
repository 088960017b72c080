"""Requests made from outfits, for data sets where nobody logged what people asked for.

One item of an outfit that a person made is asked for, by some of what is known of it: attributes where the
catalogue has them (colour, material, ...), else words of its title. Most is left unsaid, so that many items
fit the words and the person's taste has to choose among them; titles are never used as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import generator
from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.requests.phrases import SPELLINGS, Fact, facts_of, noun, sentence
from fashion_hash.errors import DataError

FEWEST_FITTING = 12  # items of the type that fit the words; fewer items than that would name it
SAID = (0.45, 0.45, 0.1)  # how often one, two, three things are said of an item
_TRIES = 12
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(("and", "the", "for", "with", "from", "that", "this", "your", "our", "new", "set", "its", "but"))


@dataclass(frozen=True)
class Made:
    """Requests of one split: users, types, rows of the type's vocabulary, words, and what they say.

    Attributes:
        fitting: for each request, the rows of the whole catalogue (all types, one after the other) that fit
            its words, ascending; those of its own type only where the words tell the type.
        left_out: outfits whose item has nothing to say of it that several items share.
    """

    users: list[int]
    kinds: list[str]
    rows: list[int]
    texts: list[str]
    fitting: list[np.ndarray]
    left_out: int


def make_requests(data: Dataset, seed: int = 0, per_outfit: int = 3) -> dict[str, Made]:
    """Requests from the positive outfits of each split; the same seed, the same requests.

    Args:
        data: outfits with details (titles or attributes) of their items.
        seed: of every draw.
        per_outfit: items of an outfit that are asked for, each at another time.

    Raises:
        DataError: no item has a title or an attribute that can be asked for.
    """
    if not any(data.content.details.values()):
        raise DataError(
            f"{data.name} has no titles to make requests from: polyvore_u takes them from an items.csv in its folder "
            "(item_id, type, title, colour, ...)"
        )
    columns, start = {}, 0
    for kind in data.types:
        columns[kind] = _Columns(data.items[kind].ids, data.content.details.get(kind, {}), start)
        start += len(data.items[kind])
    said: dict[int, set[str]] = {}  # a person never says the same twice: no request of test is one of training
    made = {name: _of_split(data, name, columns, seed, per_outfit, said) for name in SPLITS if name in data.splits}
    if not any(one.texts for one in made.values()):
        raise DataError(f"{data.name}: no item has a title or an attribute that {FEWEST_FITTING} items share")
    return made


def _of_split(
    data: Dataset, name: str, columns: Mapping[str, _Columns], seed: int, per_outfit: int, said: dict[int, set[str]]
) -> Made:
    rng = generator(seed, "requests", name)
    made = Made([], [], [], [], [], 0)
    left_out = 0
    for user, items in data.splits[name].positives:
        worn = [position for position in range(len(items)) if items[position] != EMPTY]
        for position in rng.permutation(worn)[:per_outfit].tolist():
            kind, row = data.slots[position], int(items[position])
            partners = [(data.slots[other], int(items[other])) for other in worn if data.slots[other] != kind]
            known = said.setdefault(user, set())
            text, fitting = _ask(columns, kind, row, partners, known, rng)
            if not text:
                left_out += 1
                continue
            known.add(text)
            for column, value in ((made.users, user), (made.rows, row)):
                column.append(value)
            made.kinds.append(kind)
            made.texts.append(text)
            made.fitting.append(fitting)
    return Made(made.users, made.kinds, made.rows, made.texts, made.fitting, left_out)


def _ask(
    columns: Mapping[str, _Columns],
    kind: str,
    row: int,
    partners: Sequence[tuple[str, int]],
    known: set[str],
    rng: np.random.Generator,
) -> tuple[str, np.ndarray]:
    """The words for one item and the rows that fit them; "" when it cannot be asked for without naming it."""
    own = columns[kind]
    nouns = [noun(other, columns[other].details[at], rng) for other, at in partners]
    for _ in range(_TRIES):
        facts = own.facts(row, rng)
        for count in range(min(1 + int(rng.choice(len(SAID), p=SAID)), len(facts)), 0, -1):
            chosen = [facts[at] for at in sorted(rng.permutation(len(facts))[:count].tolist())]
            if len(own.fitting(chosen)) < FEWEST_FITTING:
                continue
            text, named = sentence(kind, chosen, nouns, rng)
            if text not in known and text.lower() not in own.titles:
                asked = [own] if named else list(columns.values())
                return text, np.concatenate([one.start + one.fitting(chosen) for one in asked])
    return "", np.zeros(0, dtype=np.int64)


class _Columns:
    """What is known of the items of one type, as columns that can be searched; `start` is its first row."""

    def __init__(self, ids: tuple[str, ...], details: Mapping[str, Mapping[str, Any]], start: int) -> None:
        self.start = start
        self.details = [details.get(one, {}) for one in ids]
        self.titles = {str(known.get("title", "")).lower() for known in self.details}
        self._with: dict[tuple[str, str], set[int]] = {}
        for row, known in enumerate(self.details):
            for column, value in known.items():
                self._with.setdefault((SPELLINGS.get(column, column), str(value)), set()).add(row)
            for word in _words(known):
                self._with.setdefault(("title", word), set()).add(row)

    def facts(self, row: int, rng: np.random.Generator) -> list[Fact]:
        """What may be said of an item: its attributes, or the words of its title that it shares."""
        if facts := facts_of(self.details[row], rng):
            return facts
        words = [w for w in dict.fromkeys(_words(self.details[row])) if len(self._with["title", w]) >= FEWEST_FITTING]
        return [Fact("title", word, frozenset({word})) for word in words]

    def fitting(self, facts: list[Fact]) -> np.ndarray:
        """The rows of the items that have all of it, ascending."""
        of_each = [set().union(*(self._with.get((f.attribute, v), set()) for v in f.values)) for f in facts]
        return np.array(sorted(set.intersection(*of_each)), dtype=np.int64)


def _words(known: Mapping[str, Any]) -> list[str]:
    return [word for word in _WORD.findall(str(known.get("title", "")).lower()) if word not in _STOP]


def request_descriptions(data: Dataset) -> dict[str, tuple[str, ...]]:
    """By item type, the title and description of each item; "" where nothing is known."""
    described = {}
    for kind in data.types:
        details = data.content.details.get(kind, {})
        known = (details.get(one, {}) for one in data.items[kind].ids)
        described[kind] = tuple(
            " / ".join(str(one[name]) for name in ("title", "description") if one.get(name)) for one in known
        )
    return described
