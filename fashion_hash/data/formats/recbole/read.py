"""RecBole's atomic files as a data set: those that were exported here, and others.

    ROOT/NAME.{train,valid,test}.inter, or ROOT/NAME.inter     user_id, item_id, timestamp, weight, kind
    ROOT/NAME.item                                             item_id, items, slots, and any further columns
    ROOT/NAME.user, ROOT/NAME.garment                          optional, see `export`

Where NAME.item has no column `items`, or there is no NAME.item, every item is an outfit of its own: a data set of one
slot, "item". Ratings are not looked at: every row is a positive.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, check_slots, item_types, slot_names
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.columns import ColumnType, Value
from fashion_hash.data.dataset import SPLITS, Content, Dataset, Pool, Split
from fashion_hash.data.events import UNTYPED
from fashion_hash.data.facts import NO_TIME, OutfitFacts
from fashion_hash.data.formats.recbole.atomic import elements_of, number, read_atomic, read_header, value_of
from fashion_hash.data.formats.recbole.export import FORMAT, RESERVED, VERSION
from fashion_hash.data.parsing.fields import id_text, short
from fashion_hash.data.parsing.table_text import find_file
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.data.progress import progress
from fashion_hash.errors import ConfigError, DataError, counted

PHASES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
TYPES: dict[str, ColumnType] = {"token": "text", "token_seq": "text", "float": "number", "float_seq": "numbers"}
_MILLISECONDS = 10**11  # as seconds it would be the year 5138


@dataclass
class Files:
    """The files of a data set.

    Attributes:
        root: their folder.
        name: what their names begin with.
        inter: the files of interactions by split.
        about: what the export here said of them; empty for others.
    """

    root: Path
    name: str
    inter: dict[str, Path]
    about: Mapping[str, Any] = field(default_factory=dict)

    def one(self, suffix: str) -> Path | None:
        """A further file, if there is one."""
        return find_file(self.root / f"{self.name}.{suffix}")


@dataclass
class _Outfits:
    """What NAME.item and NAME.garment say.

    Attributes:
        slots: the item type of each slot.
        items: the rows of items, by type and id.
        ids: the number of each outfit.
        rows: the items of each outfit.
        details: columns of the items, by type and id.
    """

    slots: tuple[str, ...]
    items: dict[str, dict[str, int]]
    ids: dict[str, int] = field(default_factory=dict)
    rows: list[list[int]] = field(default_factory=list)
    details: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)

    def row(self, item_type: str, item_id: str) -> int:
        """The row of an item, which is added when it is new."""
        rows = self.items[item_type]
        return rows.setdefault(item_id, len(rows))


def read_recbole(
    root: str | Path, subset: str | None = None, slots: Sequence[str] | None = None, report: Reporter = stop
) -> Dataset:
    """The data set in a folder of atomic files; without benchmark files, all of it is in "train".

    Args:
        root: the folder.
        subset: must be left out: there are no subsets.
        slots: the item type of each slot, for files of outfits that were not exported here.
        report: called with each fault in the files; the default raises the first.

    Raises:
        ConfigError: a subset was given, or slots that cannot be chosen.
        DataError: a file is missing or broken; the message names file and line.
    """
    if subset is not None:
        raise ConfigError(f"the format recbole has no subsets: leave out subset {subset!r}")
    files = find_files(Path(root))
    outfits = _read_outfits(files, slots, report)
    users = _read_users(files, report)
    single = outfits.slots == (UNTYPED,)
    parts = {split: _read_inter(path, users, outfits, single, report) for split, path in files.inter.items()}
    table = np.array(outfits.rows, dtype=np.int32).reshape(-1, len(outfits.slots))
    ids = np.array(list(outfits.ids), dtype=object)
    has_ids = files.about.get("ids", {})
    splits = {}
    for split, part in parts.items():
        rows = np.frombuffer(part.outfits, dtype=np.int32)
        facts = part.facts(list(ids[rows]) if has_ids.get(split, True) else None)
        splits[split] = Split(Outfits.of(outfits.slots, np.frombuffer(part.users, np.int32), table[rows]), facts=facts)
    pool = None
    if files.about.get("pool", True):
        pool = Pool(tuple(ids), Outfits.of(outfits.slots, np.zeros(len(ids)), table))
    vocabularies = {item_type: Vocabulary(rows, item_type) for item_type, rows in outfits.items.items()}
    content = Content(details=outfits.details, names=files.about.get("names", {}))
    name = str(files.about.get("data_set", f"recbole/{files.name}"))
    return Dataset(name, outfits.slots, Vocabulary(users, "user"), vocabularies, splits, content, pool=pool)


def find_files(root: Path, subset: str | None = None) -> Files:
    """The files of a folder (`subset` is not used).

    Raises:
        DataError: it holds none, or those of several data sets.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds NAME.inter")
    found: dict[str, dict[str, Path]] = {}
    # where a file is there both plain and gzipped, the plain one counts
    for path in [*sorted(root.glob("*.inter.gz")), *sorted(root.glob("*.inter"))]:
        name, _, phase = path.name.removesuffix(".gz").removesuffix(".inter").rpartition(".")
        if name and phase in PHASES:
            found.setdefault(name, {})[PHASES[phase]] = path
        else:
            found.setdefault(path.name.removesuffix(".gz").removesuffix(".inter"), {})["whole"] = path
    if not found:
        holds = ", ".join(sorted(path.name for path in root.iterdir())[:10]) or "nothing"
        raise DataError(f"{root} holds no NAME.inter or NAME.train.inter (it holds {holds})")
    names = [name for name in found if name == root.resolve().name] or list(found)
    if len(names) > 1:
        raise DataError(f"{root} holds several data sets: {', '.join(names)}; put each into a folder of its name")
    inter = found[names[0]]
    whole = inter.pop("whole", None)
    if not inter and whole is not None:
        inter = {"train": whole}
    return Files(root, names[0], {split: inter[split] for split in SPLITS if split in inter}, _about(root))


def _about(root: Path) -> dict[str, Any]:
    path = root / "about.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not JSON: {error}; export the data set again, or remove the file") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        return {}
    if about.get("format_version") != VERSION or not isinstance(about.get("slots"), list):
        raise DataError(f"{path}: of another version of fashion_hash: export the data set again")
    return about


def _read_outfits(files: Files, slots: Sequence[str] | None, report: Reporter) -> _Outfits:
    """The outfits of NAME.item, or none where every item is an outfit of its own."""
    path = files.one("item")
    header = {} if path is None else read_header(path)
    if path is not None and "item_id" not in header:
        raise DataError.at(path, 1, f"no column item_id; the columns are {', '.join(header)}")
    if path is None or "items" not in header:
        _check_slots((UNTYPED,), slots, f"each item of {files.root} is an outfit of its own")
        outfits = _Outfits((UNTYPED,), {UNTYPED: {}})
        if path is not None:
            _read_columns(path, outfits, UNTYPED, "item_id", files, report)
            for item_id, number_of in outfits.items[UNTYPED].items():
                outfits.ids[item_id] = number_of
                outfits.rows.append([number_of])
        return outfits
    if "slots" not in header:
        raise DataError.at(
            path, 1, "no column slots:token_seq: it says the slot of each of the items, such as 'top bottom'"
        )
    if told := files.about.get("slots"):
        _check_slots(told, slots, f"{files.root} says what its slots are")
    given = check_slots(told or slots or _slots_of(path, report))
    outfits = _Outfits(given, {item_type: {} for item_type in item_types(given)})
    garments = files.one("garment")
    if garments is not None:
        _read_columns(garments, outfits, None, "garment_id", files, report)
    names, escaped = list(slot_names(given)), bool(files.about)
    for line, row in progress(read_atomic(path, report), path.name, "outfits"):
        try:
            _add_outfit(outfits, row, names, escaped, garments is not None)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
    return outfits


def _check_slots(known: Sequence[str], asked: Sequence[str] | None, why: str) -> None:
    if asked is not None and tuple(asked) != tuple(known):
        raise ConfigError(f"data.slots: {why}: leave out {list(asked)}, or give {list(known)}")


def _slots_of(path: Path, report: Reporter) -> tuple[str, ...]:
    """The item types of the slots that a file names: "top_2" is another slot of the type top."""
    seen: dict[str, None] = {}
    for _, row in read_atomic(path, lambda error: None):
        seen.update(dict.fromkeys(elements_of(row["slots"], False)))
    bases = {name: name.rpartition("_") for name in seen}
    return tuple(base if number.isdecimal() and base in seen else name for name, (base, _, number) in bases.items())


def _add_outfit(outfits: _Outfits, row: dict[str, str], names: list[str], escaped: bool, listed: bool) -> None:
    outfit_id = id_text(row["item_id"], "item_id")
    items, slots = elements_of(row["items"], escaped), elements_of(row["slots"], escaped)
    if not outfit_id or not items:
        raise DataError(f"{'items' if outfit_id else 'item_id'} is empty")
    if outfit_id in outfits.ids:
        raise DataError(f"item_id {outfit_id!r} occurs twice")
    if len(items) != len(slots):
        raise DataError(f"{counted(len(items), 'item')} and {counted(len(slots), 'slot')}: each item needs its slot")
    placed = [EMPTY] * len(names)
    for item, slot in zip(items, slots):
        if slot not in names:
            raise DataError(f"no slot {short(slot)}; the slots are {', '.join(names)}")
        at = names.index(slot)
        if placed[at] != EMPTY:
            raise DataError(f"the slot {slot} is filled twice")
        if listed and item not in outfits.items[outfits.slots[at]]:
            raise DataError(f"{short(item)} is not among the garments of the type {outfits.slots[at]!r}")
        placed[at] = outfits.row(outfits.slots[at], item)
    outfits.ids[outfit_id] = len(outfits.ids)
    outfits.rows.append(placed)


def _read_columns(
    path: Path, outfits: _Outfits, item_type: str | None, key: str, files: Files, report: Reporter
) -> None:
    """The items of a file, with their columns; `item_type` is None where the file says the type of each."""
    header = read_header(path)
    for name in (key,) if item_type else RESERVED:
        if name not in header:
            raise DataError.at(path, 1, f"no column {name}; the columns are {', '.join(header)}")
    ours: dict[str, ColumnType] = files.about.get("columns", {})
    further = [name for name in header if name not in (key, *(RESERVED if item_type is None else ()))]
    known = dict(zip(further, ours.items())) if len(ours) == len(further) else {}
    columns = {name: known.get(name, (name, TYPES[header[name]])) for name in further}
    for line, row in progress(read_atomic(path, report), path.name, "items"):
        try:
            item_id, of_type = id_text(row[key], key), item_type or row["type"]
            if not item_id:
                raise DataError(f"{key} is empty")
            if of_type not in outfits.items:
                raise DataError(f"type {short(of_type)} has no slot; the slots are {', '.join(outfits.slots)}")
            if item_id in outfits.items[of_type]:
                raise DataError(f"{key} {item_id!r} occurs twice")
            values = {ours_: value_of(row[name], name, kind) for name, (ours_, kind) in columns.items()}
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        outfits.row(of_type, item_id)
        kept = {name: value for name, value in values.items() if value is not None}
        if kept:
            outfits.details.setdefault(of_type, {})[item_id] = kept


def _read_users(files: Files, report: Reporter) -> dict[str, int]:
    """The rows of the users, in the order of NAME.user."""
    users: dict[str, int] = {}
    path = files.one("user")
    if path is None:
        return users
    if "user_id" not in read_header(path):
        raise DataError.at(path, 1, "no column user_id")
    for line, row in read_atomic(path, report):
        if not row["user_id"] or row["user_id"] in users:
            problem = f"user_id {short(row['user_id'])} occurs twice" if row["user_id"] else "user_id is empty"
            report(DataError.at(path, line, problem))
        else:
            users[row["user_id"]] = len(users)
    return users


@dataclass
class _Part:
    """The interactions of one split; a list stays empty where the file has no such column."""

    users: array[int] = field(default_factory=lambda: array("i"))
    outfits: array[int] = field(default_factory=lambda: array("i"))
    times: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def facts(self, ids: list[str] | None) -> OutfitFacts | None:
        """What is known of the positives; None if nothing is."""
        if ids is None and not self.times and not self.weights and not self.kinds:
            return None
        return OutfitFacts.of(ids, self.times or None, self.weights or None, self.kinds or None)


def _read_inter(path: Path, users: dict[str, int], outfits: _Outfits, single: bool, report: Reporter) -> _Part:
    header, part = read_header(path), _Part()
    for name in ("user_id", "item_id"):
        if name not in header:
            raise DataError.at(path, 1, f"no column {name}; the columns are {', '.join(header)}")
    for line, row in progress(read_atomic(path, report), path.name, "rows"):
        try:
            user, outfit, time, weight = _interaction(row)
            at = outfits.ids.get(outfit)
            if at is None and not single:
                raise DataError(f"item_id {short(outfit)} is not in the file of items")
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        if at is None:
            at = outfits.ids[outfit] = len(outfits.ids)
            outfits.rows.append([outfits.row(UNTYPED, outfit)])
        part.users.append(users.setdefault(user, len(users)))
        part.outfits.append(at)
        if "timestamp" in header:
            part.times.append(time)
        if "weight" in header:
            part.weights.append(weight)
        if "kind" in header:
            part.kinds.append(row["kind"])
    return part


def _interaction(row: dict[str, str]) -> tuple[str, str, int, float]:
    """User, outfit, time and weight of a row; NO_TIME and NaN where it has none."""
    user, outfit = id_text(row["user_id"], "user_id"), id_text(row["item_id"], "item_id")
    if not user or not outfit:
        raise DataError(f"{'item_id' if user else 'user_id'} is empty")
    return user, outfit, _time(row.get("timestamp", "")), _weight(row.get("weight", ""))


def _time(cell: str) -> int:
    if not cell:
        return NO_TIME
    value = number(cell, "timestamp")
    seconds = value // 1000 if abs(value) >= _MILLISECONDS else value
    if abs(seconds) >= _MILLISECONDS:
        raise DataError(f"timestamp is {short(cell)}: expected seconds or milliseconds since 1970")
    return int(seconds)


def _weight(cell: str) -> float:
    weight = float(number(cell, "weight")) if cell else float("nan")
    if weight < 0:
        raise DataError(f"weight is {short(cell)}: expected a number of at least 0")
    return weight
