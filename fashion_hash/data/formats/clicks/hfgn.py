"""iFashion in the form of HFGN (Li et al., SIGIR 2020): numbers only, outfits and items numbered apart.

    ROOT/train_uo.txt, ROOT/test_uo.txt     user outfit outfit ...     a line for each user; test_uo.txt may be missing
    ROOT/fltb_train_outfit_item.txt         outfit item item ...
    ROOT/fltb_item_cate2.txt                item category              may be missing

Shapes: I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.clicks.join import ClickLog, Clicks, make_dataset
from fashion_hash.data.parsing.number_lines import read_number_lines
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.data.shop.notes import EXAMPLES, Notes
from fashion_hash.errors import ConfigError, DataError

FILES = {
    "outfits": "fltb_train_outfit_item.txt",
    "categories": "fltb_item_cate2.txt",
    "train": "train_uo.txt",
    "test": "test_uo.txt",
}


def read_hfgn(
    root: str | Path,
    subset: str | None = None,
    slots: Sequence[str] | None = None,
    report: Reporter = stop,
) -> Dataset:
    """The data set of a folder; a tenth of the training clicks becomes the validation split, always the same.

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
        raise ConfigError(f"hfgn has no subsets: leave out subset {subset!r}")
    files, notes = find_files(Path(root)), Notes()
    lines = read_number_lines(files["outfits"], report)
    for row in np.flatnonzero(lines.counts < 2).tolist():
        problem = f"row too short: outfit {lines.values[lines.starts[row]]} has no items"
        report(DataError.at(lines.path, int(lines.lines[row]), problem))
    table, members, owners, _ = lines.first_and_rest()
    if not len(members):
        raise DataError(f"{files['outfits']} holds no outfits: expected lines of an outfit and its items")
    again = len(table) - len(np.unique(table))
    notes.add_all(f"outfits that occur more than once in {files['outfits'].name}: their items are joined", again)
    items, members = np.unique(members, return_inverse=True)
    clicks = {split: _read_clicks(files[split], report) for split in ("train", "test") if split in files}
    users = np.unique(np.concatenate([listed for listed, _, _ in clicks.values()]))
    outfits = np.unique(np.concatenate([table, *(clicked for _, _, clicked in clicks.values())]))
    categories, names = np.full(len(items), -1, dtype=np.int64), list[str]()
    if "categories" in files:
        categories, names = _categories(files["categories"], items, notes, report)
    item_ids = [str(item) for item in items.tolist()]
    return make_dataset(
        ClickLog(
            name=f"hfgn/{Path(root).resolve().name}",
            users=[str(user) for user in users.tolist()],
            outfit_ids=[str(outfit) for outfit in outfits.tolist()],
            item_ids=item_ids,
            sets=ItemSets.of_pairs(np.searchsorted(outfits, owners), members, len(outfits)),
            categories=categories,
            clicks={
                split: Clicks(np.searchsorted(users, of_users), np.searchsorted(outfits, clicked))
                for split, (_, of_users, clicked) in clicks.items()
            },
            details={one: {"category": names[at]} for one, at in zip(item_ids, categories.tolist()) if at >= 0},
            notes=notes,
        ),
        slots,
    )


def find_files(root: Path, subset: str | None = None) -> dict[str, Path]:
    """The files that exist, by the names in FILES (`subset` is not used).

    Raises:
        DataError: the folder does not exist or lacks the outfits or the training clicks, or a folder has the name
            of a file.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds {', '.join(FILES.values())}")
    files = {name: path for name, file in FILES.items() if (path := find_file(root / file)) is not None}
    for name in ("outfits", "train"):
        if name not in files:
            holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
            raise DataError(f"{root} holds no {FILES[name]} (it holds {holds})")
    return files


def _read_clicks(path: Path, report: Reporter) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The users of all lines, and of each click the user and the outfit."""
    numbers = read_number_lines(path, report)
    if not len(numbers):
        raise DataError(f"{path} holds no users: expected lines of a user and outfits")
    listed, clicked, users, _ = numbers.first_and_rest()
    return listed, users, clicked


def _categories(path: Path, items: np.ndarray, notes: Notes, report: Reporter) -> tuple[np.ndarray, list[str]]:
    """(I,) the category of each item, -1 for none, and the number of each category in the file, as text."""
    table, _ = read_number_lines(path, report).table(("item", "category"), report)
    if not len(table):
        report(DataError(f"{path} holds no categories: expected lines of an item and its category"))
    table = np.unique(table, axis=0)  # in order of items and categories
    _, first, counts = np.unique(table[:, 0], return_index=True, return_counts=True)
    table = table[first]
    several = table[counts > 1, 0].tolist()
    what = "items of several categories: the lowest number counts"
    notes.add_all(what, len(several), map(str, several[:EXAMPLES]))
    categories = np.full(len(items), -1, dtype=np.int64)
    place = np.searchsorted(table[:, 0], items)
    known = place < len(table)
    known[known] = table[place[known], 0] == items[known]
    names, numbers = np.unique(table[place[known], 1], return_inverse=True)
    categories[known] = numbers
    return categories, [str(number) for number in names.tolist()]
