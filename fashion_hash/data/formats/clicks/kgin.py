"""Alibaba iFashion in the form of KGAT and KGIN (Wang et al., WWW 2021): numbers only.

    ROOT/train.txt, ROOT/test.txt     user outfit outfit ...      a line for each user
    ROOT/kg_final.txt                 head relation tail          relation 0: an outfit includes an item;
                                                                  others: an item has a category

Outfits come first in the numbering of entities, items after them. Categories have no names. test.txt may be missing.

Shapes: T triples, I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.data.dataset import Dataset
from fashion_hash.data.formats.clicks.join import ClickLog, Clicks, make_dataset
from fashion_hash.data.parsing.number_lines import NumberLines, read_number_lines
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.shop.item_sets import ItemSets
from fashion_hash.data.shop.notes import Notes
from fashion_hash.errors import ConfigError, DataError

GRAPH = "kg_final.txt"
INCLUDES = 0  # the relation of an outfit and its items
NEARLY_ALL = 0.9  # of the items: for how many a relation must hold whose tails are categories


class _Graph(NamedTuple):
    """kg_final.txt: (T, 3) int64 head, relation, tail; and (T,) line numbers."""

    path: Path
    triples: np.ndarray
    lines: np.ndarray

    @property
    def includes(self) -> np.ndarray:
        """(T,) bool: the triples of an outfit and an item."""
        return np.asarray(self.triples[:, 1] == INCLUDES)


class _Clicked(NamedTuple):
    """A file of clicks: the users of its lines, and of each click the user, the outfit and the line."""

    path: Path
    listed: np.ndarray
    users: np.ndarray
    outfits: np.ndarray
    lines: np.ndarray


def read_ifashion_kgin(
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
        raise ConfigError(f"ifashion_kgin has no subsets: leave out subset {subset!r}")
    files = find_files(Path(root))
    graph = _read_graph(files.pop("graph"), report)
    clicked = {split: _read_clicks(path, report) for split, path in files.items()}
    notes = Notes()
    first_item = _first_item(graph, clicked)
    graph = _checked_graph(graph, first_item, report)
    outfit_of, item_of = graph.triples[graph.includes, 0], graph.triples[graph.includes, 2]
    items, members = np.unique(item_of, return_inverse=True)
    top = int(graph.triples[:, [0, 2]].max(initial=-1))
    clicked = {split: _checked(clicks, first_item, top, report) for split, clicks in clicked.items()}
    users = np.unique(np.concatenate([clicks.listed for clicks in clicked.values()]))
    idle = np.setdiff1d(users, np.concatenate([clicks.users for clicks in clicked.values()]))
    notes.add_all("users without an outfit", len(idle), map(str, idle[:5].tolist()))
    outfits = np.unique(np.concatenate([outfit_of, *(clicks.outfits for clicks in clicked.values())]))
    categories, names = _categories(graph, items, notes)
    item_ids = [str(item) for item in items.tolist()]
    shown = {number: {"category": name} for number, name in enumerate(names)}
    return make_dataset(
        ClickLog(
            name=f"ifashion_kgin/{Path(root).resolve().name}",
            users=[str(user) for user in users.tolist()],
            outfit_ids=[str(outfit) for outfit in outfits.tolist()],
            item_ids=item_ids,
            sets=ItemSets.of_pairs(np.searchsorted(outfits, outfit_of), members, len(outfits)),
            categories=categories,
            clicks={
                split: Clicks(np.searchsorted(users, clicks.users), np.searchsorted(outfits, clicks.outfits))
                for split, clicks in clicked.items()
            },
            details={one: shown[at] for one, at in zip(item_ids, categories.tolist()) if at >= 0},
            notes=notes,
        ),
        slots,
    )


def find_files(root: Path, subset: str | None = None) -> dict[str, Path]:
    """kg_final.txt as "graph", and train.txt and test.txt, which may be missing, by split (`subset` is not used).

    Raises:
        DataError: the folder does not exist or lacks kg_final.txt or train.txt, or a folder has
            the name of a file.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds train.txt, test.txt and {GRAPH}")
    names = {"graph": GRAPH, "train": "train.txt", "test": "test.txt"}
    files = {key: path for key, name in names.items() if (path := find_file(root / name)) is not None}
    for key in ("graph", "train"):
        if key not in files:
            holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
            raise DataError(f"{root} holds no {names[key]} (it holds {holds})")
    return files


def _read_graph(path: Path, report: Reporter) -> _Graph:
    numbers = read_number_lines(path, report)
    triples, lines = numbers.table(("head", "relation", "tail"), report)
    if not (triples[:, 1] == INCLUDES).any():
        raise DataError(f"{path} holds no outfits: no line says that an outfit includes an item (outfit 0 item)")
    return _Graph(path, triples, lines)


def _read_clicks(path: Path, report: Reporter) -> _Clicked:
    numbers: NumberLines = read_number_lines(path, report)
    if not len(numbers):
        raise DataError(f"{path} holds no users: expected lines of a user and outfits")
    listed, outfits, users, lines = numbers.first_and_rest()
    return _Clicked(path, listed, users, outfits, lines)


def _first_item(graph: _Graph, clicked: dict[str, _Clicked]) -> int:
    """The number at which the items begin: the one that the fewest outfits and items of the files contradict."""
    includes = graph.triples[graph.includes]
    outfits = np.unique(np.concatenate([includes[:, 0], *(clicks.outfits for clicks in clicked.values())]))
    items = np.unique(includes[:, 2])
    wrong = len(outfits) - np.searchsorted(outfits, items) + np.arange(len(items))
    return int(items[np.argmin(wrong)])


def _checked_graph(graph: _Graph, first_item: int, report: Reporter) -> _Graph:
    """Without the triples whose outfit is an item, or whose item is an outfit; they are reported."""
    head, tail, good = graph.triples[:, 0], graph.triples[:, 2], np.ones(len(graph.triples), dtype=bool)
    for wrong, what, column in (
        (graph.includes & (head >= first_item), "is an item where an outfit is expected", head),
        (graph.includes & (tail < first_item), "is an outfit where an item is expected", tail),
    ):
        for row in np.flatnonzero(wrong & good).tolist():
            problem = f"{column[row]} {what}: outfits are 0 to {first_item - 1}, items begin at {first_item}"
            report(DataError.at(graph.path, int(graph.lines[row]), problem))
        good &= ~wrong
    return graph._replace(triples=graph.triples[good], lines=graph.lines[good])


def _checked(clicks: _Clicked, first_item: int, top: int, report: Reporter) -> _Clicked:
    """Without clicks on what is no outfit; they are reported."""
    good = clicks.outfits < first_item
    for row in np.flatnonzero(~good).tolist():
        number = int(clicks.outfits[row])
        what = "is an item where an outfit is expected" if number <= top else f"is beyond the {top + 1:,} entities"
        problem = f"user {clicks.users[row]}: {number} {what}: outfits are 0 to {first_item - 1}"
        report(DataError.at(clicks.path, int(clicks.lines[row]), problem))
    return clicks._replace(users=clicks.users[good], outfits=clicks.outfits[good], lines=clicks.lines[good])


def _categories(graph: _Graph, items: np.ndarray, notes: Notes) -> tuple[np.ndarray, list[str]]:
    """(I,) the category of each item, -1 for none, and the number of each category in the files, as text.

    Where one relation holds for nearly all items, its tail is the category; otherwise the relation itself is.
    """
    head, relation, tail = graph.triples[~graph.includes].T
    place = np.minimum(np.searchsorted(items, head), len(items) - 1)
    ours = items[place] == head
    notes.add_all(f"lines of {graph.path.name} about what is no item of an outfit, not used", int((~ours).sum()))
    place, relation, tail = place[ours], relation[ours], tail[ours]
    categories = np.full(len(items), -1, dtype=np.int64)
    if not len(place):
        return categories, []
    chosen, category = _category_relation(place, relation, tail), relation
    if chosen is not None:
        place, category = place[relation == chosen], tail[relation == chosen]
    order = np.lexsort((category, place))
    place, category = place[order], category[order]
    first = np.append(True, place[1:] != place[:-1])
    again = ~first & np.append(False, (category[1:] != category[:-1]))
    notes.add_all("items of several categories: the lowest number counts", len(np.unique(place[again])))
    known, numbers = np.unique(category[first], return_inverse=True)
    categories[place[first]] = numbers
    return categories, [str(number) for number in known.tolist()]


def _category_relation(place: np.ndarray, relation: np.ndarray, tail: np.ndarray) -> int | None:
    """The relation whose tails are the categories: of those that hold for nearly all items the one of the fewest."""
    candidates = []
    num_items = len(np.unique(place))
    for number in np.unique(relation).tolist():
        of_relation = relation == number
        tails = len(np.unique(tail[of_relation]))
        if tails > 1 and len(np.unique(place[of_relation])) >= NEARLY_ALL * num_items:
            candidates.append((tails, number))
    return min(candidates)[1] if candidates else None
