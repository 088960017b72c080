"""POG's iFashion as it was published (Chen et al., KDD 2019): text ids, titles and categories.

    ROOT/outfit_data.txt    outfit_id,item_id;item_id;...
    ROOT/user_data.txt      user_id,item_id;item_id;...,outfit_id     what a user clicked, last an outfit
    ROOT/item_data.txt      item_id,cate_id,pic_url,title             titles hold commas; may be missing

The clicks on single items are passed over. There are no splits: all clicks are in "train".
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.clicks.join import ClickLog, Clicks, make_dataset
from fashion_hash.data.formats.clicks.text_lines import read_lines
from fashion_hash.data.parsing.fields import id_text, wrong_size
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.data.shop.notes import Notes
from fashion_hash.errors import ConfigError, DataError

OUTFITS, USERS, ITEMS = "outfit_data.txt", "user_data.txt", "item_data.txt"


def read_pog(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """The data set of a folder, read a line at a time; all clicks are in "train" (`data.split` divides them).

    Args:
        root: the folder.
        subset: must be left out: there are no subsets.
        slots: by default chosen from which categories meet in outfits (`fashion_hash.data.formats.clicks.slots`);
            ("item", "item", ...) makes every outfit a set of items without slots.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset was given, or slots of other types.
        DataError: a file is missing or broken; the message names file and line.
    """
    if subset is not None:
        raise ConfigError(f"pog has no subsets: leave out subset {subset!r}")
    files, tables = find_files(Path(root)), _Tables(report)
    if "items" in files:
        tables.read_items(files["items"])
    tables.read_outfits(files["outfits"])
    users, clicked = tables.read_users(files["users"])
    categories = np.array(tables.categories, dtype=np.int64)
    return make_dataset(
        ClickLog(
            name=f"pog/{Path(root).resolve().name}",
            users=users,
            outfit_ids=list(tables.outfits),
            item_ids=list(tables.items),
            sets=ItemSets.of_pairs(np.array(tables.owners), np.array(tables.members), len(tables.outfits)),
            categories=categories,
            clicks={"train": clicked},
            details=tables.details,
            notes=tables.notes,
        ),
        slots,
    )


def find_files(root: Path, subset: str | None = None) -> dict[str, Path]:
    """The files as "outfits", "users" and "items", which may be missing (`subset` is not used).

    Raises:
        DataError: the folder does not exist, lacks a file, or a folder has the name of one.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds {OUTFITS}, {USERS} and {ITEMS}")
    names = {"outfits": OUTFITS, "users": USERS, "items": ITEMS}
    files = {key: path for key, name in names.items() if (path := find_file(root / name)) is not None}
    for key in ("outfits", "users"):
        if key not in files:
            holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
            raise DataError(f"{root} holds no {names[key]} (it holds {holds})")
    return files


@dataclass
class _Tables:
    """What the files say, filled file by file: numbers of ids, in order of first appearance.

    Attributes:
        report: called with each fault.
        items, outfits: the number of each id.
        categories: the category of each item, -1 for none.
        owners, members: the outfit and the item of each pair.
        details: what is known of each item.
        notes: what was odd.
    """

    report: Reporter
    items: dict[str, int] = field(default_factory=dict)
    outfits: dict[str, int] = field(default_factory=dict)
    categories: array[int] = field(default_factory=lambda: array("q"))
    owners: array[int] = field(default_factory=lambda: array("i"))
    members: array[int] = field(default_factory=lambda: array("i"))
    details: dict[str, dict[str, Value]] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)

    def read_items(self, path: Path) -> None:
        """Category, picture and title of each item."""
        numbers: dict[str, int] = {}
        for line, text in _rows(path, "item_id", self.report):
            cells = [cell.strip() for cell in text.split(",", 3)]
            try:
                if len(cells) < 4:
                    raise DataError(f"{wrong_size(len(cells), 4)} (item_id,cate_id,pic_url,title)")
                item = _needed(cells[0], "item_id")
            except DataError as error:
                self.report(DataError.at(path, line, str(error)))
                continue
            if item in self.items:
                self.notes.add("items that occur more than once: the first line counts", f"{item} ({path.name}:{line})")
                continue
            category = cells[1]
            self.items[item] = len(self.items)
            self.categories.append(numbers.setdefault(category, len(numbers)) if category else -1)
            shown = {"title": cells[3], "category": category, "image": cells[2]}
            self.details[item] = {name: value for name, value in shown.items() if value}

    def read_outfits(self, path: Path) -> None:
        """The items of each outfit."""
        unknown = f"items of outfits that {ITEMS} does not have: nothing is known of them"
        for line, text in _rows(path, "outfit_id", self.report):
            cells = text.split(",")
            try:
                if len(cells) != 2:
                    raise DataError(f"{wrong_size(len(cells), 2)} (outfit_id,item_id;item_id;...)")
                outfit = _needed(cells[0], "outfit_id")
                named = [_needed(item, "item_id") for item in cells[1].split(";") if item.strip()]
                if not named:
                    raise DataError(f"outfit {outfit!r} has no items")
            except DataError as error:
                self.report(DataError.at(path, line, str(error)))
                continue
            if outfit in self.outfits:
                what = "outfits that occur more than once: the first line counts"
                self.notes.add(what, f"{outfit} ({path.name}:{line})")
                continue
            number = self.outfits[outfit] = len(self.outfits)
            for item in named:
                at = self.items.get(item)
                if at is None:
                    at = self.items[item] = len(self.items)
                    self.categories.append(-1)
                    self.notes.add(unknown, f"{item} ({path.name}:{line})")
                self.owners.append(number)
                self.members.append(at)
        if not self.outfits:
            raise DataError(f"{path} holds no outfits")

    def read_users(self, path: Path) -> tuple[list[str], Clicks]:
        """The user ids, and who clicked which outfit."""
        users: dict[str, int] = {}
        likers, liked = array("q"), array("q")
        unknown = f"clicks on outfits that {OUTFITS} does not have, left out"
        for line, text in _rows(path, "user_id", self.report):
            cells = text.split(",")
            try:
                if len(cells) != 3:
                    raise DataError(f"{wrong_size(len(cells), 3)} (user_id,item_id;item_id;...,outfit_id)")
                user, outfit = _needed(cells[0], "user_id"), _needed(cells[2], "outfit_id")
                number = self.outfits.get(outfit)
                if number is None and outfit in self.items:
                    raise DataError(f"user {user!r}: {outfit!r} is an item where an outfit is expected")
            except DataError as error:
                self.report(DataError.at(path, line, str(error)))
                continue
            if number is None:
                self.notes.add(unknown, f"{outfit} ({path.name}:{line})")
                continue
            likers.append(users.setdefault(user, len(users)))
            liked.append(number)
        if not users:
            raise DataError(f"{path} holds no clicks on outfits of {OUTFITS}")
        return list(users), Clicks(np.array(likers, dtype=np.int64), np.array(liked, dtype=np.int64))


def _rows(path: Path, first: str, report: Reporter) -> Iterator[tuple[int, str]]:
    """The lines of a file without its header, which copies of the release may have: a line that begins with `first`."""
    for line, text in progress(read_lines(path, report), path.name, "lines"):
        if line > 1 or text.partition(",")[0].strip() != first:
            yield line, text


def _needed(cell: str, name: str) -> str:
    """The id in a cell. Raises DataError when it is empty or no id."""
    text = id_text(cell, name)
    if not text:
        raise DataError(f"the {name} is empty")
    return text
