"""Polyvore Outfits (Vasileva et al., ECCV 2018), in its two versions, disjoint and nondisjoint.

    ROOT/{disjoint,nondisjoint}/{train,valid,test}.json        [{"set_id", "items": [{"item_id", "index"}, ...]}, ...]
    ROOT/{disjoint,nondisjoint}/compatibility_{valid,test}.txt    "1 set_index set_index ...", 0 for incompatible
    ROOT/{disjoint,nondisjoint}/fill_in_blank_{valid,test}.json   [{"question", "answers", "blank_position"}, ...]
    ROOT/polyvore_item_metadata.json                           {item_id: {"title", "semantic_category", ...}, ...}
    ROOT/categories.csv                                        optional: category_id, name, type
    ROOT/images/ITEM.jpg                                       optional

Types are `semantic_category`. Nobody is named, so that all outfits belong to one user. polyvore_outfit_titles.json is
not read: a data set has words for its items only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion_hash.data.columns import Value
from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.formats.catalogues.gather import (
    DECODER,
    Gathered,
    file_in,
    needed_id,
    objects,
    outfit_rows,
    set_name,
    text,
)
from fashion_hash.data.formats.catalogues.tasks import TaskFiles, with_tasks
from fashion_hash.data.parsing.fields import id_text, short
from fashion_hash.data.parsing.json_lines import json_entries
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, read_rows, read_text, stop
from fashion_hash.data.progress import progress
from fashion_hash.errors import DataError, suggest

METADATA, CATEGORIES = "polyvore_item_metadata.json", "categories.csv"
SUBSETS = ("nondisjoint", "disjoint")

Sets = list[tuple[str, int, list[tuple[str, str]]]]
"""Set id, line, and the item ids and indices of an outfit."""


def read_polyvore_outfits(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """One version of the data set, with its labelled outfits and questions.

    Args:
        root: the folder that holds disjoint, nondisjoint and the metadata.
        subset: "disjoint" or "nondisjoint"; may be left out when there is only one.
        slots: the item type of each slot; by default chosen from which types occur together.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: there are no items of a slot's type.
        DataError: a file is missing or broken; the message names the file and the line.
    """
    root = Path(root)
    folder = find_subset(root, subset)
    files = _splits(folder)
    sets = {split: _read_sets(path, report) for split, path in files.items()}
    pictures = root / "images"
    gathered = Gathered(root, pictures if pictures.is_dir() else None)
    used = dict.fromkeys(item for part in sets.values() for _, _, members in part for item, _ in members)
    known = _read_metadata(file_in(root, (METADATA,), "the metadata of the items"), used, _categories(root), report)
    names: dict[str, int] = {}
    for split, part in sets.items():
        for set_id, line, members in part:
            try:
                numbers = []
                for item_id, index in members:
                    item_type, details = known[item_id] if item_id in known else _unknown(item_id)
                    numbers.append(gathered.add_item(item_id, item_type, details))
                    names[f"{set_id}_{index}"] = numbers[-1]
                gathered.add_set(set_id, numbers, "", split=split)
            except DataError as error:
                report(DataError.at(files[split], line, f"set {short(set_id)}: {error}"))
    dataset, data = gathered.dataset(f"polyvore_outfits/{folder.name}", slots)
    labels = {split: folder / f"compatibility_{split}.txt" for split in ("valid", "test")}
    questions = {split: folder / f"fill_in_blank_{split}.json" for split in ("valid", "test")}
    return with_tasks(dataset, data, TaskFiles(_existing(labels), _existing(questions)), names, report)


def find_subset(root: Path, subset: str | None = None) -> Path:
    """The folder of a version. Raises DataError naming what there is."""
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds disjoint, nondisjoint and {METADATA}")
    found = [name for name in SUBSETS if (root / name).is_dir() and _splits(root / name)]
    if not found:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no disjoint/train.json or nondisjoint/train.json (it holds {holds})")
    if subset is None and len(found) > 1:
        raise DataError(f"{root} holds two versions: choose a subset, disjoint or nondisjoint")
    if subset is not None and subset not in found:
        raise DataError(f"{root} has no subset {subset!r}{suggest(subset, found)}; it has {', '.join(found)}")
    return root / (subset or found[0])


def _splits(folder: Path) -> dict[str, Path]:
    return _existing({split: folder / f"{split}.json" for split in SPLITS})


def _existing(paths: Mapping[str, Path]) -> dict[str, Path]:
    return {split: path for split, plain in paths.items() if (path := find_file(plain)) is not None}


def _read_sets(path: Path, report: Reporter) -> Sets:
    sets: Sets = []
    for line, row in outfit_rows(path, report):
        try:
            set_id = needed_id(row, "set_id")
            members = [_member(place, item) for place, item in objects(row, "items")]
            indices = [index for _, index in members]
            if len(set(indices)) < len(indices):
                raise DataError(f"an index occurs twice: {', '.join(indices)}")
            sets.append((set_id, line, members))
        except DataError as error:
            report(DataError.at(path, line, f"{set_name(row)}{error}"))
    return sets


def _member(place: str, item: Mapping[str, Any]) -> tuple[str, str]:
    try:
        return needed_id(item, "item_id"), needed_id(item, "index")
    except DataError as error:
        raise DataError(f"{place}: {error}") from None


def _unknown(item_id: str) -> tuple[str, dict[str, Value | None]]:
    raise DataError(f"item {item_id!r} is not in {METADATA}, or not usable there")


def _read_metadata(
    path: Path, used: Mapping[str, object], categories: Mapping[str, str], report: Reporter
) -> dict[str, tuple[str, dict[str, Value | None]]]:
    """Type and details of the items that occur in outfits."""
    known: dict[str, tuple[str, dict[str, Value | None]]] = {}
    for line, item_id, row in progress(json_entries(path, report, DECODER), path.name, "items"):
        if item_id not in used:
            continue
        try:
            if item_id in known:
                raise DataError("the entry occurs twice")
            item_type = id_text(row.get("semantic_category"), "semantic_category")
            if not item_type:
                raise DataError("semantic_category is missing or empty: it is the type of the item")
            category = id_text(row.get("category_id"), "category_id")
            known[item_id] = (
                item_type,
                {
                    "title": text(row, "title") or text(row, "url_name"),
                    "description": text(row, "description"),
                    "category": categories.get(category) or category or None,
                },
            )
        except DataError as error:
            report(DataError.at(path, line, f"item {short(item_id)}: {error}"))
    return known


def _categories(root: Path) -> dict[str, str]:
    """The names of the categories by their id."""
    path = find_file(root / CATEGORIES)
    if path is None:
        return {}
    return {row[0]: row[1] for _, row in read_rows(path, read_text(path)) if len(row) >= 2}
