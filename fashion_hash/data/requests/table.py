"""Requests as a table of rows, and the data set they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import items_digest
from fashion_hash.data.parsing.item_table import ItemTable
from fashion_hash.errors import DataError, counted, item_noun

NOBODY = -1
REMOVED = "removed users, who are left out"


@dataclass(frozen=True)
class Requests:
    """A table of requests and the item that was taken; rows are aligned.

    Attributes:
        users: (N,) int32, rows of the user vocabulary; NOBODY (-1) for an anonymous user.
        items: (N,) int32, rows of the whole catalogue, all item types one after the other
            (`RequestData.flat` and `unflat` translate).
        texts: (N,) the request's words; "" where none was written.
        times: (N,) int64, unix seconds; 0 where unknown.
    """

    users: np.ndarray
    items: np.ndarray
    texts: tuple[str, ...]
    times: np.ndarray

    def __post_init__(self) -> None:
        lengths = {len(self.users), len(self.items), len(self.texts), len(self.times)}
        if len(lengths) > 1:
            raise DataError(f"requests of different lengths: {sorted(lengths)}")

    @classmethod
    def of(cls, users: object, items: object, texts: Sequence[str], times: object | None = None) -> Requests:
        """From anything array-like; copies to the types named above."""
        rows = np.asarray(users, dtype=np.int32).reshape(-1)
        when = np.zeros(len(rows)) if times is None else times
        taken = np.asarray(items, dtype=np.int32).reshape(-1)
        return cls(rows, taken, tuple(texts), np.asarray(when, dtype=np.int64).reshape(-1))

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: slice | np.ndarray) -> Requests:
        chosen = np.arange(len(self))[rows]
        texts = tuple(self.texts[row] for row in chosen)
        return Requests(self.users[chosen], self.items[chosen], texts, self.times[chosen])

    def anonymous(self) -> Requests:
        """The same requests, asked by nobody in particular."""
        return replace(self, users=np.full(len(self), NOBODY, dtype=np.int32))


@dataclass(frozen=True)
class RequestData:
    """Everything a request model is trained and measured on.

    Attributes:
        name: for reports, such as "amazon_reviews/AMAZON_FASHION_5.json".
        users: user ids and rows.
        items: for each item type, item ids and rows, as in `Dataset`; reviews have the one type "item".
        splits: "train", perhaps "valid", "test".
        descriptions: for each item type, (N,) words that describe each item: its title and description, or
            what was written of it in training reviews; "" where nothing is known.
        details: what else is known of the items, as `Content.details`.
        pictures: a folder of image files or an LMDB environment, or None.
        counts: what the reader met on its way (lines, duplicates, copies, ...), for reports.
        table: the table that describes the items, as `Content.table`.
    """

    name: str
    users: Vocabulary
    items: Mapping[str, Vocabulary]
    splits: Mapping[str, Requests]
    descriptions: Mapping[str, tuple[str, ...]]
    details: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    pictures: Path | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    table: ItemTable | None = None

    def __post_init__(self) -> None:
        for item_type, vocabulary in self.items.items():
            if len(self.descriptions[item_type]) != len(vocabulary):
                raise DataError(
                    f"{counted(len(self.descriptions[item_type]), 'description')} for "
                    f"{counted(len(vocabulary), item_noun(item_type))}"
                )
        for name, requests in self.splits.items():
            if len(requests) and not (requests.items.min() >= 0 and requests.items.max() < self.num_items):
                raise DataError(f"{name}: item rows outside of the catalogue of {self.num_items}")
            if len(requests) and not (requests.users.min() >= NOBODY and requests.users.max() < len(self.users)):
                raise DataError(f"{name}: user rows outside of {counted(len(self.users), 'user')}")

    @property
    def types(self) -> tuple[str, ...]:
        """The item types, in the order of the catalogue."""
        return tuple(self.items)

    @cached_property
    def offsets(self) -> np.ndarray:
        """(types + 1,) int64: the items of type t are the catalogue's rows offsets[t] to offsets[t + 1]."""
        return np.cumsum([0, *(len(vocabulary) for vocabulary in self.items.values())])

    @property
    def num_items(self) -> int:
        """C, the size of the whole catalogue."""
        return int(self.offsets[-1])

    def split(self, name: str) -> Requests:
        """A split by name; "val" is understood as "valid". Raises DataError when it is absent."""
        name = "valid" if name == "val" else name
        if name not in self.splits:
            raise DataError(f"{self.name} has no split {name!r} of requests; it has {', '.join(sorted(self.splits))}")
        return self.splits[name]

    def flat(self, item_type: str, rows: np.ndarray | int) -> np.ndarray:
        """Rows of the catalogue for rows of one item type's vocabulary."""
        return np.asarray(np.asarray(rows) + self.offsets[self.types.index(item_type)])

    def unflat(self, rows: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        """For rows of the catalogue: positions in `types`, and rows of that type's vocabulary."""
        types = np.searchsorted(self.offsets, rows, side="right") - 1
        return types, np.asarray(rows) - self.offsets[types]

    def item_id(self, row: int) -> str:
        """The id of an item, by its row of the catalogue."""
        position, within = self.unflat(row)
        return self.items[self.types[int(position)]].ids[int(within)]

    @cached_property
    def all_descriptions(self) -> tuple[str, ...]:
        """(C,) descriptions of the whole catalogue."""
        return tuple(words for item_type in self.types for words in self.descriptions[item_type])

    @cached_property
    def items_fingerprint(self) -> str:
        """Twelve hexadecimal digits of the item types and ids, the same as of a `Dataset` of these items."""
        return items_digest(self.items)

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of what was read: ids, descriptions and every split."""
        digest = hashlib.sha256(json.dumps([self.users.ids, self.items_fingerprint]).encode())
        digest.update(json.dumps(self.all_descriptions).encode())
        for name in sorted(self.splits):
            requests = self.splits[name]
            digest.update(name.encode() + requests.users.tobytes() + requests.items.tobytes())
            digest.update(requests.times.tobytes() + json.dumps(requests.texts).encode())
        return digest.hexdigest()[:12]
