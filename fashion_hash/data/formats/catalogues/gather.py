"""Sets of items out of published files, gathered record by record and made into a data set as a shop's are.

Types get slots by how often they occur together (`fashion_hash.data.shop.item_sets.choose_slots`): at most eight, the
most frequent first, a second slot where a tenth of a type's outfits hold it twice. What has no slot is left out of its
outfit and counted in a note.
"""

from __future__ import annotations

import json
import logging
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.parsing.fields import id_text, short
from fashion_hash.data.parsing.json_lines import json_rows, kind_of
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.item_sets import ItemSets, choose_slots
from fashion_hash.data.shop.items import Items
from fashion_hash.data.shop.likes import Likes
from fashion_hash.data.shop.notes import Notes
from fashion_hash.data.shop.read import EVERYBODY, ShopData, make_dataset
from fashion_hash.data.shop.tables.recognise import ShopTables
from fashion_hash.errors import ConfigError, DataError

log = logging.getLogger(__name__)

DECODER = json.JSONDecoder()
"""Reads JSON and keeps NaN, so that it can be refused."""

_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


@dataclass
class Gathered:
    """Items and sets of items, as files give them.

    Attributes:
        root: the folder they were read from.
        pictures: the folder of the items' pictures, if there is one.
        items: the items, numbered as they are met.
        ids: the number of each set id.
        users: the row of each user id.
        notes: what was odd.
    """

    root: Path
    pictures: Path | None = None
    items: Items = field(default_factory=Items)
    ids: dict[str, int] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    _sizes: array[int] = field(default_factory=lambda: array("i"))
    _members: array[int] = field(default_factory=lambda: array("i"))
    _likers: array[int] = field(default_factory=lambda: array("i"))
    _liked: array[int] = field(default_factory=lambda: array("i"))
    _times: array[int] = field(default_factory=lambda: array("q"))
    _splits: array[int] = field(default_factory=lambda: array("b"))
    _types: dict[str, int] = field(default_factory=dict)

    def add_item(self, item_id: str, item_type: str, details: Mapping[str, Value | None] | None = None) -> int:
        """The number of an item, which is added when it is met first; its first type and details count."""
        number = self.items.numbers.get(item_id)
        at = self._types.setdefault(item_type, len(self._types))
        if number is None:
            number = self.items.numbers[item_id] = len(self.items.numbers)
            if at == len(self.items.types):
                self.items.types.append(item_type)
            self.items.type_of.append(at)
            known = {} if details is None else {name: value for name, value in details.items() if value is not None}
            self.items.details.append(known)
        elif self.items.type_of[number] != at:
            before = self.items.types[self.items.type_of[number]]
            self.notes.add("items of two types: the first type counts", f"{item_id} is {before}, and {item_type}")
        return number

    def add_set(self, set_id: str, items: Sequence[int], user: str, time: int = NO_TIME, split: str = "") -> None:
        """Adds a set of items.

        Args:
            set_id: its id.
            items: numbers of items; one that occurs twice counts once.
            user: whose it is, "" where the data names nobody.
            time: Unix seconds.
            split: "train", "valid" or "test"; "" where the data has no splits.

        Raises:
            DataError: the id occurs twice.
        """
        self.check_new(set_id)
        self.add_like(set_id, items, user, time, split)

    def check_new(self, set_id: str) -> None:
        """Raises DataError when a set has the id already."""
        if set_id in self.ids:
            raise DataError(f"set id {set_id!r} occurs twice: every outfit needs an id of its own")

    def add_like(self, set_id: str, items: Sequence[int], user: str, time: int = NO_TIME, split: str = "") -> None:
        """As `add_set`, of a set that several users may have."""
        number = self.ids.setdefault(set_id, len(self.ids))
        if number == len(self._sizes):
            self._sizes.append(len(items))
            self._members.extend(items)
        self._liked.append(number)
        self._likers.append(self.users.setdefault(user or EVERYBODY, len(self.users)))
        self._times.append(time)
        self._splits.append(SPLITS.index(split) if split else len(SPLITS))

    def data(self) -> ShopData:
        """What was gathered, before slots are chosen. Raises DataError when there are no outfits."""
        if not self.ids:
            raise DataError(f"{self.root} holds no outfits")
        if list(self.users) == [EVERYBODY]:
            self.notes.say("the data names no users: all outfits belong to one, everybody")
        count = len(self.ids)
        owners = np.repeat(np.arange(count), np.frombuffer(self._sizes, dtype=np.int32))
        sets = ItemSets.of_pairs(owners, np.frombuffer(self._members, dtype=np.int32), count)
        names = np.array([*SPLITS, ""], dtype=object)
        likes = Likes(
            np.frombuffer(self._likers, dtype=np.int32),
            np.frombuffer(self._liked, dtype=np.int32),
            np.frombuffer(self._times, dtype=np.int64),
            np.full(len(self._liked), np.nan),
            np.zeros(len(self._liked), dtype=np.int8),
            names[np.frombuffer(self._splits, dtype=np.int8)],
        ).strongest()
        tables = ShopTables(self.root, (), self.pictures)
        return ShopData(tables, self.items, list(self.ids), sets, likes, list(self.users), False, False)

    def dataset(self, name: str, slots: Sequence[str] | None) -> tuple[Dataset, ShopData]:
        """The data set, and what it was made from.

        Args:
            name: of the data set.
            slots: the item type of each slot; by default chosen from which types occur together.

        Raises:
            ConfigError: there are no items of a slot's type.
            DataError: there are no outfits, or none has items for two slots.
        """
        data = self.data()
        data.notes = self.notes
        if slots is None:
            choice = choose_slots(data.sets, data.type_of, data.items.types)
            slots = choice.slots
            for item_type, why in choice.left_out.items():
                self.notes.add("item types without a slot", f"{item_type}: {why}")
            if not slots:
                raise DataError(
                    f"{self.root}: no two item types occur together in an outfit: name the slots (data.slots)"
                )
        dataset = replace(make_dataset(data, tuple(slots)), name=name)
        for note in dataset.notes:
            log.warning("%s: %s", self.root, note)
        return dataset, data


def no_subset(format: str, subset: str | None) -> None:
    """Raises ConfigError when a subset is named for a format without subsets."""
    if subset is not None:
        raise ConfigError(f"the format {format} has no subsets: leave out subset {subset!r}")


def file_in(root: Path, names: Sequence[str], what: str) -> Path:
    """The first of some files that exists, plain or as .gz. Raises DataError saying what it would hold."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds {names[0]}")
    for name in names:
        if (path := find_file(root / name)) is not None:
            return path
    holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
    raise DataError(f"{root} holds no {names[0]}, {what} (it holds {holds})")


def outfit_rows(path: Path, report: Reporter) -> Iterator[tuple[int, dict[str, Any]]]:
    """The outfits in a list of JSON objects, each with its line; a list of none is reported.

    Args:
        path: the file.
        report: called with each fault in the file.

    Raises:
        DataError: the file cannot be read.
    """
    empty = True
    for line, row in progress(json_rows(path, report, DECODER), path.name, "outfits"):
        empty = False
        yield line, row
    if empty:
        report(DataError(f"{path} holds no outfits"))


def set_name(row: Mapping[str, Any]) -> str:
    """How a message begins that is about a set: with its id, if it has one."""
    return "" if row.get("set_id") is None else f"set {short(row['set_id'])}: "


def needed_id(row: Mapping[str, Any], key: str) -> str:
    """The id under a key of a JSON object. Raises DataError when it is missing, empty or no id."""
    text = id_text(row.get(key), key)
    if not text:
        raise DataError(f"{key} is missing or empty")
    return text


def objects(row: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the list under a key, each with its place, such as "items[2]".

    Raises:
        DataError: there is no such list, it is empty, or holds something else than objects.
    """
    members = row.get(key)
    if not isinstance(members, list):
        raise DataError(f"{key} must be a list of objects, got {kind_of(members)}")
    if not members:
        raise DataError(f"{key} is empty: an outfit needs items")
    for at, member in enumerate(members):
        if not isinstance(member, dict):
            raise DataError(f"{key}[{at}] must be an object, got {kind_of(member)}")
        yield f"{key}[{at}]", member


def texts(row: Mapping[str, Any], key: str) -> list[str]:
    """The texts in the list under a key; a text alone is a list of one, an absent key none."""
    value = row.get(key)
    members = [] if value is None else value if isinstance(value, list) else [value]
    for member in members:
        if not isinstance(member, str):
            raise DataError(f"{key} must hold texts, got {kind_of(member)}")
    return [text.strip() for text in members if text.strip()]


def text(row: Mapping[str, Any], key: str) -> str | None:
    """The text under a key; None where there is none. Raises DataError for anything else."""
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"{key} must be a text, got {kind_of(value)}")
    return " ".join(value.split()) or None if value else None


def price(row: Mapping[str, Any], key: str = "price") -> float | int | None:
    """A price, as a number or as text such as "12,420"; None where there is none.

    Raises:
        DataError: it is no number, negative, or not finite.
    """
    value = row.get(key)
    if value is None:
        return None
    number: float | int | None = None
    if isinstance(value, str):
        plain = value.strip().replace(",", "") if _THOUSANDS.fullmatch(value.strip()) else value.strip()
        try:
            number = int(plain) if plain.isascii() and plain.isdecimal() else float(plain)
        except ValueError:
            number = None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    if number is None or not 0 <= number < float("inf"):  # NaN compares false
        raise DataError(f"{key} must be a number of at least 0, got {short(value)}")
    return number
