"""A data set as RecBole's atomic files: users, and outfits as RecBole's items.

    OUT/NAME.{train,valid,test}.inter   user_id, item_id (the outfit), timestamp, weight, kind; NAME.inter if unsplit
    OUT/NAME.user                       user_id
    OUT/NAME.item                       item_id (the outfit), items and slots: ids and slot of each of its items
    OUT/NAME.garment                    garment_id, type, and the columns of the items
    OUT/NAME.yaml                       a configuration with which RecBole reads them
    OUT/about.json                      slots and types of columns, for reading the data set back

NAME is the name of the folder, as RecBole expects. Fixed negatives, questions, labelled outfits and pictures have no
place in atomic files and are not written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion_hash.core.files import atomic_folder, write_json
from fashion_hash.core.outfits import EMPTY, Outfits, slot_names
from fashion_hash.data.columns import ColumnType, types_of
from fashion_hash.data.dataset import SPLITS, Dataset
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.formats.recbole.atomic import KIND_OF, cell_of, sequence, write_atomic
from fashion_hash.errors import DataError

FORMAT, VERSION = "fashion_hash recbole", 1
RESERVED = ("garment_id", "type")


class Exported(NamedTuple):
    """How many rows were written, and what was left out."""

    name: str
    outfits: int
    items: int
    users: int
    rows: dict[str, int]
    left_out: tuple[str, ...]


class _Named(NamedTuple):
    """The outfits under ids: (N, S) items of each, and the id of every row of each split."""

    ids: list[str]
    items: np.ndarray
    of_split: dict[str, list[str]]


def export_recbole(dataset: Dataset, folder: Path) -> Exported:
    """Writes a folder of atomic files, atomically replacing an older one of this function.

    Args:
        dataset: any data set.
        folder: where to write; its name becomes the name of the files.

    Raises:
        DataError: the folder holds something else, or one outfit id stands for different items.
        OSError: it cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not _is_ours(folder):
        raise DataError(f"{folder} exists and was not written by this export: name another folder")
    name, named = folder.resolve().name, _named(dataset)
    splits = [split for split in SPLITS if split in dataset.splits]
    columns = _columns(dataset)
    with atomic_folder(folder) as new:
        rows = {}
        for split in splits:
            part = dataset.splits[split]
            path = new / (f"{name}.inter" if splits == ["train"] else f"{name}.{split}.inter")
            header, cells = _interactions(dataset, part.positives, part.facts, named.of_split[split])
            rows[split] = write_atomic(path, header, cells)
        write_atomic(new / f"{name}.user", ["user_id:token"], ([user] for user in dataset.users))
        header = ["item_id:token", "items:token_seq", "slots:token_seq"]
        write_atomic(new / f"{name}.item", header, _outfits(dataset, named))
        kinds = [KIND_OF[kind] for kind in columns.values()]
        header = ["garment_id:token", "type:token", *map(":".join, zip(_free(columns), kinds))]
        items = write_atomic(new / f"{name}.garment", header, _garments(dataset, columns))
        (new / f"{name}.yaml").write_text(_configuration(name, splits, dataset), encoding="utf-8")
        about = {
            "format": FORMAT,
            "format_version": VERSION,
            "data_set": dataset.name,
            "slots": list(dataset.slots),
            "columns": columns,
            "names": dict(dataset.content.names),
            "pool": dataset.pool is not None,
            "ids": {split: _has_ids(dataset.splits[split].facts) for split in splits},
        }
        write_json(new / "about.json", about)
    return Exported(name, len(named.ids), items, len(dataset.users), rows, _left_out(dataset))


def _is_ours(folder: Path) -> bool:
    """Whether a folder may be replaced: it is empty, or was written here before."""
    if not folder.is_dir():
        return False
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return not any(folder.iterdir())
    return isinstance(about, dict) and about.get("format") == FORMAT


def _has_ids(facts: OutfitFacts | None) -> bool:
    return facts is not None and facts.ids is not None


def _named(dataset: Dataset) -> _Named:
    """The outfits of the pool and of all splits under ids; those without one get it from their items."""
    known: dict[str, tuple[int, ...]] = {}
    if dataset.pool is not None:
        known = {name: tuple(row) for name, row in zip(dataset.pool.ids, dataset.pool.outfits.items.tolist())}
    of_split: dict[str, list[str]] = {}
    made: dict[tuple[int, ...], str] = {}
    for split, part in dataset.splits.items():
        rows = [tuple(row) for row in part.positives.items.tolist()]
        if part.facts is not None and part.facts.ids is not None:
            names = list(map(str, part.facts.ids))
        else:
            names = [made.get(row) or made.setdefault(row, _made_id(dataset, row)) for row in rows]
        for outfit_id, row in zip(names, rows):
            if known.setdefault(outfit_id, row) != row:
                raise DataError(f"outfit {outfit_id!r} stands for different items in {split} and elsewhere")
        of_split[split] = names
    ids, items = list(known), np.array(list(known.values()), dtype=np.int32).reshape(-1, len(dataset.slots))
    if dataset.pool is None and len(made) == len(ids):  # in the order of Dataset.outfits
        order = np.lexsort(items.T[::-1])
        ids, items = [ids[at] for at in order.tolist()], items[order]
    return _Named(ids, items, of_split)


def _made_id(dataset: Dataset, row: tuple[int, ...]) -> str:
    items = [None if item == EMPTY else dataset.items[slot].ids[item] for slot, item in zip(dataset.slots, row)]
    return f"made-{blake2b(json.dumps(items).encode(), digest_size=8).hexdigest()}"


def _interactions(
    dataset: Dataset, positives: Outfits, facts: OutfitFacts | None, names: list[str]
) -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """Header and rows of one file of interactions."""
    header = ["user_id:token", "item_id:token"]
    columns: list[list[Any]] = [[dataset.users.ids[row] for row in positives.users.tolist()], names]
    if facts is not None and facts.times is not None:
        header.append("timestamp:float")
        columns.append([None if time == NO_TIME else time for time in facts.times.tolist()])
    if facts is not None and facts.weights is not None:
        header.append("weight:float")
        columns.append([None if weight != weight else repr(weight) for weight in facts.weights.tolist()])
    if facts is not None and facts.kinds is not None:
        header.append("kind:token")
        columns.append(list(facts.kinds))
    return header, zip(*columns)


def _outfits(dataset: Dataset, named: _Named) -> Iterator[tuple[str, str, str]]:
    slots = list(zip(slot_names(dataset.slots), dataset.slots))
    for outfit_id, row in zip(named.ids, named.items.tolist()):
        held = [(name, dataset.items[slot].ids[item]) for (name, slot), item in zip(slots, row) if item != EMPTY]
        yield outfit_id, sequence(item for _, item in held), sequence(name for name, _ in held)


def _columns(dataset: Dataset) -> dict[str, ColumnType]:
    """The columns of the items with their types; a column of several kinds is text."""
    rows = (row for known in dataset.content.details.values() for row in known.values())
    return {name: column_type or "text" for name, column_type in types_of(rows).items()}


def _free(names: Iterable[str]) -> list[str]:
    """The names of columns in the file: no tabs and colons, none of ours, and none twice."""
    taken = list(RESERVED)
    for name in names:
        plain = "_".join(name.replace(":", " ").split()) or "column"
        while plain in taken:
            plain += "_"
        taken.append(plain)
    return taken[len(RESERVED) :]


def _garments(dataset: Dataset, columns: dict[str, ColumnType]) -> Iterator[list[object]]:
    for item_type in dataset.types:
        details = dataset.content.details.get(item_type, {})
        for item_id in dataset.items[item_type]:
            known = details.get(item_id, {})
            yield [item_id, item_type, *(cell_of(known.get(name), kind) for name, kind in columns.items())]


def _configuration(name: str, splits: list[str], dataset: Dataset) -> str:
    timed = any(part.facts is not None and part.facts.times is not None for part in dataset.splits.values())
    values: dict[str, Any] = {
        "dataset": name,
        "data_path": "..",
        "field_separator": "\t",
        "seq_separator": " ",
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        **({"TIME_FIELD": "timestamp"} if timed else {}),
        **({} if splits == ["train"] else {"benchmark_filename": splits}),
        "load_col": {
            "inter": ["user_id", "item_id", *(["timestamp"] if timed else [])],
            "user": ["user_id"],
            "item": ["item_id", "items", "slots"],
        },
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["# outfits are RecBole's items; run RecBole in this folder, or change data_path", *lines]) + "\n"


def _left_out(dataset: Dataset) -> tuple[str, ...]:
    """What the data set has and atomic files do not hold."""
    parts = list(dataset.splits.values())
    left = {
        "fixed negatives": any(part.negatives for part in parts),
        "questions": any(part.questions is not None for part in parts),
        "retrieval questions": any(part.retrieval for part in parts),
        "labelled outfits": any(part.labelled is not None for part in parts),
        "pictures": dataset.content.pictures is not None,
        "text vectors": dataset.content.text_vectors is not None,
        "features": bool(dataset.content.features),
        "hidden users": dataset.cold is not None,
    }
    return tuple(what for what, there in left.items() if there)
