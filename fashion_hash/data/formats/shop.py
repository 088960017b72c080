"""A shop's own files: what is known of the items, and outfits that users put together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, check_slots, slot_names
from fashion_hash.data.column_types import ColumnTypes
from fashion_hash.data.columns import Value
from fashion_hash.data.parsing.fields import id_text, separator_hint, wrong_size
from fashion_hash.data.parsing.text_tables import Reporter, located, read_text, stop
from fashion_hash.errors import DataError, suggest


class Lookup(Protocol):
    """Ids to rows; both `Vocabulary` and `IdTable` are one."""

    def find(self, one: str, /) -> int:
        """The row of an id, or -1."""
        ...

    def all(self) -> Sequence[str]:
        """Every id, in row order."""
        ...


def read_items_csv(path: str | Path, report: Reporter = stop) -> dict[str, dict[str, dict[str, Value]]]:
    """What is known of the items: {item type: {item id: {column: value}}}.

    The file has the columns item_id and type and any further ones, whose types are found from their cells
    (fashion_hash.data.columns): numbers, true and false, dates, lists, else text. Empty cells are left out.

    Raises:
        DataError: no such columns, a row of another length, an item twice, a value such as NaN; with file and line.
    """
    path = Path(path)
    rows = _csv_rows(path, ("item_id", "type"), report)
    types = ColumnTypes[int]()
    for line, row in rows:
        types.see(row, line)
    items: dict[str, dict[str, dict[str, Value]]] = {}
    for line, row in rows:
        try:
            item_id, item_type = id_text(row.pop("item_id"), "item_id"), id_text(row.pop("type"), "type")
            if not item_id or not item_type:
                raise DataError(f"the {'type' if item_id else 'item_id'} is empty")
            if item_id in items.get(item_type, {}):
                raise DataError(f"{item_type} {item_id!r} occurs twice")
            details = types.typed_row(row)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        items.setdefault(item_type, {})[item_id] = details
    return items


def read_outfits_file(path: str | Path, slots: Sequence[str], items: Mapping[str, Lookup]) -> tuple[list[str], Outfits]:
    """Outfits from a file, as ids and a table; all belong to user 0.

    CSV with a header: outfit_id and one column a slot (`slot_names`: top, top_2, bottom; an empty
    cell or -1 is an empty slot), or outfit_id[,user_id],item_ids (item ids separated by blanks).
    JSONL: {"outfit_id": ..., "items": {slot: item id}} or {"outfit_id": ..., "item_ids": [...]}, a
    list or one string as in CSV.

    Args:
        path: a .csv or .jsonl file.
        slots: the item type of each slot.
        items: for each item type, what finds the row of an id.

    Raises:
        DataError: an unknown or ambiguous item, an outfit twice, without items or with more items
            of a type than there are slots; with file and line.
    """
    path, slots = Path(path), check_slots(slots)
    if path.suffix not in (".csv", ".jsonl"):
        raise DataError(f"{path}: outfits are read from .csv or .jsonl files")
    lines = _csv_outfits(path, slots) if path.suffix == ".csv" else _jsonl_outfits(path)
    ids: dict[str, int] = {}
    table: list[list[int]] = []
    for line, outfit_id, content in lines:
        if not outfit_id:
            raise DataError.at(path, line, "the outfit_id is empty")
        if outfit_id in ids:
            raise DataError.at(path, line, f"outfit {outfit_id!r} occurs twice, first in line {ids[outfit_id]}")
        try:
            named = isinstance(content, dict)
            row = _named_slots(content, slots, items) if named else _free_items(content, slots, items)
        except DataError as error:
            raise DataError.at(path, line, f"outfit {outfit_id!r}: {error}") from None
        ids[outfit_id] = line
        table.append(row)
    if not table:
        raise DataError(f"{path} holds no outfits")
    return list(ids), Outfits.of(slots, np.zeros(len(table)), table)


def _named_slots(content: Mapping[str, str], slots: tuple[str, ...], items: Mapping[str, Lookup]) -> list[int]:
    names = slot_names(slots)
    row = [EMPTY] * len(slots)
    for name, item_id in content.items():
        if name not in names:
            raise DataError(f"no slot {name!r}{suggest(name, names)}; the slots are {', '.join(names)}")
        if item_id in ("", "-1"):
            continue
        position = names.index(name)
        row[position] = items[slots[position]].find(item_id)
        if row[position] < 0:
            raise DataError(f"unknown {slots[position]} {item_id!r}{suggest(item_id, items[slots[position]].all())}")
    return _not_empty(row)


def _free_items(content: Sequence[str], slots: tuple[str, ...], items: Mapping[str, Lookup]) -> list[int]:
    row = [EMPTY] * len(slots)
    types = tuple(dict.fromkeys(slots))
    for item_id in content:
        hits = [(item_type, at) for item_type in types if (at := items[item_type].find(item_id)) >= 0]
        if not hits:
            near = suggest(item_id, (known for item_type in types for known in items[item_type].all()))
            raise DataError(f"unknown item {item_id!r}{near}; the types are {', '.join(types)}")
        if len(hits) > 1:
            of_types = ", ".join(item_type for item_type, _ in hits)
            raise DataError(
                f"several item types have the id {item_id!r} ({of_types}): name the slots instead of item_ids"
            )
        item_type, at = hits[0]
        free = [position for position, slot in enumerate(slots) if slot == item_type and row[position] == EMPTY]
        if not free:
            allowed = slots.count(item_type)
            raise DataError(f"too many items of type {item_type}: {item_id!r} is one more than the {allowed} allowed")
        row[free[0]] = at
    return _not_empty(row)


def _not_empty(row: list[int]) -> list[int]:
    if all(at == EMPTY for at in row):
        raise DataError("no items: every slot is empty")
    return row


def _csv_outfits(path: Path, slots: tuple[str, ...]) -> Iterator[tuple[int, str, Any]]:
    for line, row in _csv_rows(path, ("outfit_id",), stop):
        with located(path, line):
            outfit_id = id_text(row.pop("outfit_id"), "outfit_id")
        row.pop("user_id", None)
        yield line, outfit_id, row["item_ids"].split() if "item_ids" in row else row


def _jsonl_outfits(path: Path) -> Iterator[tuple[int, str, Any]]:
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError.at(path, line, f"not JSON: {error.msg} (column {error.colno})") from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, deep nesting
            raise DataError.at(path, line, f"not JSON: {error}") from None
        if not isinstance(row, dict) or "outfit_id" not in row:
            raise DataError.at(path, line, 'expected an object with "outfit_id"')
        if isinstance(row.get("items"), dict):
            with located(path, line):
                content: Any = {name: id_text(cell, f"items.{name}") for name, cell in row["items"].items()}
        elif isinstance(row.get("item_ids"), list):
            with located(path, line):
                content = [id_text(cell, "item_ids") for cell in row["item_ids"]]
        elif isinstance(row.get("item_ids"), str):
            content = row["item_ids"].split()
        else:
            raise DataError.at(path, line, 'expected "items": {slot: item id} or "item_ids": [item id, ...]')
        with located(path, line):
            outfit_id = id_text(row["outfit_id"], "outfit_id")
        yield line, outfit_id, content


def _csv_rows(path: Path, needed: Sequence[str], report: Reporter) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with header, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    rows: list[tuple[int, dict[str, str]]] = []
    header: list[str] = []
    try:
        line = 1
        for cells in reader:
            if not header:
                header = [cell.strip() for cell in cells]
                absent = [name for name in needed if name not in header]
                if absent or len(set(header)) < len(header):
                    twice = [name for name in header if header.count(name) > 1]
                    problem = f"no column {absent[0]!r}" if absent else f"the column {twice[0]!r} occurs twice"
                    hint = separator_hint(header)
                    raise DataError.at(path, line, f"{problem}; the header is {','.join(header)[:300]}{hint}")
            elif cells and len(cells) != len(header):
                problem = f"{wrong_size(len(cells), len(header))} ({','.join(header)})"
                report(DataError.at(path, line, problem))
            elif cells:
                rows.append((line, dict(zip(header, (cell.strip() for cell in cells)))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError.at(path, reader.line_num, f"not CSV: {error}") from None
    if not header:
        raise DataError(f"{path} is empty: expected a header with {', '.join(needed)}")
    return rows
