"""Which user likes which outfit, how much and since when: from tables of outfits and of events on outfits.

Shapes: L likes.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.tables import Row, read_table
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.events import BY_STRENGTH, Events
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.data.shop.items import Items
from fashion_hash.data.shop.notes import Notes
from fashion_hash.data.shop.tables.names import Source
from fashion_hash.errors import DataError

_BETWEEN = re.compile(r"[\s,;|]+")
UNKNOWN_ITEMS = "items of outfits that no table of items has, left out of their outfit"


@dataclass(frozen=True)
class Likes:
    """Which user likes which set of items.

    Attributes:
        users: (L,) int32 rows of users.
        sets: (L,) int32 numbers of sets.
        times: (L,) int64 Unix seconds, NO_TIME where none is given.
        weights: (L,) float64, NaN where none is given.
        strengths: (L,) int8, positions in BY_STRENGTH.
        splits: (L,) texts, "" where none is given.
    """

    users: np.ndarray
    sets: np.ndarray
    times: np.ndarray
    weights: np.ndarray
    strengths: np.ndarray
    splits: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: np.ndarray) -> Likes:
        columns = (self.users, self.sets, self.times, self.weights, self.strengths, self.splits)
        return Likes(*(column[rows] for column in columns))

    def strongest(self) -> Likes:
        """One like of a user and a set: the one of the strongest kind, of these the latest."""
        order = np.lexsort((~self.times, -self.strengths, self.sets, self.users))
        keys = self.users[order].astype(np.int64) << 32 | self.sets[order]
        return self[np.sort(order[np.unique(keys, return_index=True)[1]])]

    @property
    def kinds(self) -> np.ndarray:
        """(L,) texts, the kinds of events."""
        return np.asarray(np.array(BY_STRENGTH, dtype=object)[self.strengths])


class Looks:
    """Outfits with ids, and who likes them, from the tables of outfits and of events.

    Args:
        items: the items of the shop.
        notes: what is odd is counted here.
        report: called with each row that cannot be read.

    Attributes:
        ids: the number of each outfit id.
        users: the row of each user id.
    """

    def __init__(self, items: Items, notes: Notes, report: Reporter) -> None:
        self.ids: dict[str, int] = {}
        self.users: dict[str, int] = {}
        self._items, self._notes, self._report = items, notes, report
        self._owners, self._members = array("i"), array("i")
        self._digests: dict[int, int] = {}
        self._likers, self._liked = array("i"), array("i")
        self._events: list[Events] = []

    def read(self, source: Source) -> None:
        """A table of outfits: a row each with all items, or a row for each item."""
        columns = [name for names in source.mapped.values() for name in names]
        events = self._new_events(source)
        told: set[tuple[int, str]] = set()  # long tables repeat outfit and user in every row
        long = "item_ids" not in source.mapped
        for line, row in progress(read_table(source.path, columns, self._report), source.path.name, "rows"):
            try:
                user = self._id(source, row, "user_id")
                event = events.read(line, row)
                if event is None:
                    continue
                number = self._long(source, line, row) if long else self._whole(source, line, row, user)
            except DataError as error:
                self._report(DataError.at(source.path, line, str(error)))
                continue
            if number is None or not user:
                continue
            if (number, user) not in told:
                told.add((number, user))
                self._like(user, number)
                events.keep(event, line, row)
            elif not long:
                what = "outfits that a user has more than once under one id: the first row counts"
                self._notes.add(what, f"{user}: {self._id(source, row, 'outfit_id')} ({source.path.name}:{line})")

    def read_events(self, source: Source) -> None:
        """A table of what users did with outfits."""
        columns = [name for names in source.mapped.values() for name in names]
        events = self._new_events(source)
        unknown = f"outfits of {source.path.name} that no table of outfits has, passed over"
        for line, row in progress(read_table(source.path, columns, self._report), source.path.name, "rows"):
            try:
                user, outfit_id = self._id(source, row, "user_id"), self._id(source, row, "outfit_id")
                event = events.read(line, row)
            except DataError as error:
                self._report(DataError.at(source.path, line, str(error)))
                continue
            if event is None:
                continue
            if outfit_id not in self.ids:
                self._notes.add(unknown, outfit_id or f"{source.path.name}:{line}")
            elif not user:
                self._notes.add(f"rows of {source.path.name} without a user, passed over", f"line {line}")
            else:
                self._like(user, self.ids[outfit_id])
                events.keep(event, line, row)

    def likes(self) -> Likes:
        """Who likes which outfit; each user and outfit once.

        Raises:
            DataError: a column of times cannot be read.
        """
        return Likes(
            np.array(self._likers, dtype=np.int32),
            np.array(self._liked, dtype=np.int32),
            np.concatenate([np.zeros(0, dtype=np.int64), *(events.times() for events in self._events)]),
            np.concatenate([np.zeros(0), *(np.array(events.weights) for events in self._events)]),
            np.concatenate([np.zeros(0, np.int8), *(np.array(events.strengths, np.int8) for events in self._events)]),
            np.array([split for events in self._events for split in events.splits], dtype=object),
        ).strongest()

    def sets(self) -> ItemSets:
        """The items of the outfits."""
        owners, members = np.array(self._owners, dtype=np.int32), np.array(self._members, dtype=np.int32)
        return ItemSets.of_pairs(owners, members, len(self.ids))

    def _new_events(self, source: Source) -> Events:
        self._events.append(Events(source, self._notes))
        return self._events[-1]

    def _like(self, user: str, number: int) -> None:
        self._likers.append(self.users.setdefault(user, len(self.users)))
        self._liked.append(number)

    def _id(self, source: Source, row: Row, name: str) -> str:
        return id_text(row[source.mapped[name][0]], name) if name in source.mapped else ""

    def _long(self, source: Source, line: int, row: Row) -> int | None:
        """The outfit that a row names, with one more of its items."""
        outfit_id, item_id = self._id(source, row, "outfit_id"), self._id(source, row, "item_id")
        if not outfit_id or not item_id:
            self._notes.add(f"rows without an {'item_id' if outfit_id else 'outfit_id'}, left out", f"line {line}")
            return None
        number = self.ids.setdefault(outfit_id, len(self.ids))
        self._add(number, [item_id])
        return number

    def _whole(self, source: Source, line: int, row: Row, user: str) -> int | None:
        """The outfit of a row that holds all of its items."""
        names = [
            item_id
            for column in source.mapped["item_ids"]
            for item_id in split_ids(row[column], self._items, single=len(source.mapped["item_ids"]) > 1)
        ]
        outfit_id, place = self._id(source, row, "outfit_id"), f"{source.path.name}:{line}"
        if not names:
            self._notes.add("outfits without items, left out", outfit_id or place)
            return None
        digest = hash(tuple(sorted(names)))
        outfit_id = outfit_id or set_id(names)
        number = self.ids.get(outfit_id)
        if number is None:
            number = self.ids[outfit_id] = len(self.ids)
            self._digests[number] = digest
            self._add(number, names)
        elif self._digests.get(number) != digest:
            self._notes.add("outfit ids with different items: the first row counts", f"{outfit_id} ({place})")
            return None
        elif not user:
            self._notes.add("outfit ids that occur more than once: the first row counts", f"{outfit_id} ({place})")
        return number

    def _add(self, number: int, item_ids: Sequence[str]) -> None:
        for item_id in item_ids:
            at = self._items.find(item_id)
            if at is None:
                self._notes.add(UNKNOWN_ITEMS, item_id)
            else:
                self._owners.append(number)
                self._members.append(at)


def split_ids(cell: Any, items: Items, single: bool = False) -> list[str]:
    """The item ids in a cell: a list, JSON text of a list, or text with blanks, commas, semicolons or bars between.

    Args:
        cell: of a column item_ids.
        items: the known items; a cell that is one of their ids as it stands is that id.
        single: whether each cell holds one id only.

    Raises:
        DataError: the cell holds something else, or something in the list is not an id.
    """
    if cell is None:
        return []
    if isinstance(cell, str) and not single and (text := cell.strip()) not in items.numbers:
        if text.startswith("["):
            try:
                cell = json.loads(text)
            except (ValueError, RecursionError):
                raise DataError(f"item_ids is {text[:60]!r}: not a JSON list") from None
        else:
            cell = [part for part in _BETWEEN.split(text) if part]
    elements = cell if isinstance(cell, list) else [cell]
    ids = [id_text(element, "item_ids") for element in elements]
    return [item_id for item_id in ids if item_id and item_id != "-1"]


def set_id(item_ids: Sequence[str]) -> str:
    """An id for an outfit that has none: the same for the same items."""
    return blake2b("\0".join(sorted(item_ids)).encode(), digest_size=6).hexdigest()
