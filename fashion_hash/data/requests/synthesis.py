"""Requests made from outfits, for data sets without a log of what users asked for.

One item of a user's outfit is asked for by part of what is known about it: attributes where the catalogue has
them (colour, material, ...), else words of its title. Most is left unsaid, so that many items fit the words and
the user's taste has to choose among them; whole titles are never used.
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

FEWEST_FITTING = 12  # words must fit at least this many items of the type; fewer would name the item
SAID = (0.45, 0.45, 0.1)  # the chances of saying one, two or three things about an item
_TRIES = 12
_WORD = re.compile(r"[^\W\d_]{3,}")
_STOP = frozenset(("and", "the", "for", "with", "from", "that", "this", "your", "our", "new", "set", "its", "but"))


@dataclass(frozen=True)
class Made:
    """The requests made for one split; the lists are aligned.

    Attributes:
        users: rows of the user vocabulary.
        item_types: the type of the item that is asked for.
        rows: the item, as a row of its type's vocabulary.
        texts: the words.
        fitting: for each request, the rows of the whole catalogue (all types, one after the other) that fit
            its words, ascending; only those of its own type where the words tell the type.
        left_out: how many items were passed over because nothing can be said about them that several share.
    """

    users: list[int]
    item_types: list[str]
    rows: list[int]
    texts: list[str]
    fitting: list[np.ndarray]
    left_out: int


def make_requests(data: Dataset, seed: int = 0, per_outfit: int = 3) -> dict[str, Made]:
    """Makes requests from the positive outfits of each split; the same seed gives the same requests.

    Args:
        data: outfits with details (titles or attributes) of their items.
        seed: of every draw.
        per_outfit: how many items of each outfit are asked for, each in a request of its own.

    Returns:
        The requests of each split of the data set, by name.

    Raises:
        DataError: no item has a title or an attribute that can be asked for.
    """
    if not any(data.content.details.values()):
        raise DataError(
            f"{data.name} has no titles to make requests from: add an items.csv with the columns item_id, type, title "
            "(and colour, material, ... where they are known) to the folder of a polyvore_u data set"
        )
    columns, start = {}, 0
    for item_type in data.types:
        columns[item_type] = _Columns(data.items[item_type].ids, data.content.details.get(item_type, {}), start)
        start += len(data.items[item_type])
    said: dict[int, set[str]] = {}  # a user never says the same twice: no test request occurs in training
    made = {
        split: _of_split(data, split, _Maker(columns, generator(seed, "requests", split), said), per_outfit)
        for split in SPLITS
        if split in data.splits
    }
    if not any(requests.texts for requests in made.values()):
        raise DataError(f"{data.name}: no item has a title or an attribute that {FEWEST_FITTING} items share")
    return made


def request_descriptions(data: Dataset) -> dict[str, tuple[str, ...]]:
    """By item type, the title and description of each item; "" where nothing is known."""
    described = {}
    for item_type in data.types:
        details = data.content.details.get(item_type, {})
        known = (details.get(item_id, {}) for item_id in data.items[item_type].ids)
        described[item_type] = tuple(
            " / ".join(str(columns[name]) for name in ("title", "description") if columns.get(name))
            for columns in known
        )
    return described


def _of_split(data: Dataset, split: str, maker: _Maker, per_outfit: int) -> Made:
    made = Made([], [], [], [], [], 0)
    left_out = 0
    for user, items in data.splits[split].positives:
        worn = [position for position in range(len(items)) if items[position] != EMPTY]
        for position in maker.rng.permutation(worn)[:per_outfit].tolist():
            item_type, row = data.slots[position], int(items[position])
            partners = [(data.slots[other], int(items[other])) for other in worn if data.slots[other] != item_type]
            text, fitting = maker.ask(user, item_type, row, partners)
            if not text:
                left_out += 1
                continue
            made.users.append(user)
            made.item_types.append(item_type)
            made.rows.append(row)
            made.texts.append(text)
            made.fitting.append(fitting)
    return Made(made.users, made.item_types, made.rows, made.texts, made.fitting, left_out)


class _Maker:
    """Finds words for items: what is known by type, the random stream of a split, and what each user said before."""

    def __init__(self, columns: Mapping[str, _Columns], rng: np.random.Generator, said: dict[int, set[str]]) -> None:
        self.columns, self.rng, self.said = columns, rng, said

    def ask(self, user: int, item_type: str, row: int, partners: Sequence[tuple[str, int]]) -> tuple[str, np.ndarray]:
        """The words for one item and the rows that fit them; "" when any words would name it."""
        columns, rng = self.columns[item_type], self.rng
        said = self.said.setdefault(user, set())
        nouns = [noun(other, self.columns[other].details[at], rng) for other, at in partners]
        for _ in range(_TRIES):
            facts = columns.facts(row, rng)
            for count in range(min(1 + int(rng.choice(len(SAID), p=SAID)), len(facts)), 0, -1):
                chosen = [facts[at] for at in sorted(rng.permutation(len(facts))[:count].tolist())]
                if len(columns.fitting(chosen)) < FEWEST_FITTING:
                    continue
                text, tells_type = sentence(item_type, chosen, nouns, rng)
                if text not in said and text.lower() not in columns.titles:
                    said.add(text)
                    searched = [columns] if tells_type else list(self.columns.values())
                    return text, np.concatenate([table.start + table.fitting(chosen) for table in searched])
        return "", np.zeros(0, dtype=np.int64)


class _Columns:
    """What is known of the items of one type, as columns that can be searched; `start` is its first row."""

    def __init__(self, ids: tuple[str, ...], details: Mapping[str, Mapping[str, Any]], start: int) -> None:
        self.start = start
        self.details = [details.get(item_id, {}) for item_id in ids]
        self.titles = {str(known.get("title", "")).lower() for known in self.details}
        self._with: dict[tuple[str, str], set[int]] = {}
        for row, known in enumerate(self.details):
            for column, value in known.items():
                self._with.setdefault((SPELLINGS.get(column, column), str(value)), set()).add(row)
            for word in _words(known):
                self._with.setdefault(("title", word), set()).add(row)

    def facts(self, row: int, rng: np.random.Generator) -> list[Fact]:
        """What may be said about an item: its attributes, else the words of its title that it shares."""
        if facts := facts_of(self.details[row], rng):
            return facts
        words = dict.fromkeys(_words(self.details[row]))
        shared = [word for word in words if len(self._with["title", word]) >= FEWEST_FITTING]
        return [Fact("title", word, frozenset({word})) for word in shared]

    def fitting(self, facts: list[Fact]) -> np.ndarray:
        """The rows of the items that every fact is true of, ascending."""
        of_each = [
            set().union(*(self._with.get((fact.attribute, value), set()) for value in fact.values)) for fact in facts
        ]
        return np.array(sorted(set.intersection(*of_each)), dtype=np.int64)


def _words(known: Mapping[str, Any]) -> list[str]:
    return [word for word in _WORD.findall(str(known.get("title", "")).lower()) if word not in _STOP]
