"""A shop's own log of requests as a table (CSV, TSV, JSON lines, Parquet), with its items beside it if there are any.

requests  user, item, text, and where known time (unix seconds, milliseconds or an ISO date) and split
items     item_id, and where known type, title, description and any further columns

Without times and splits, which of a user's requests is the last is drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fashion_hash.data.column_types import ColumnTypes
from fashion_hash.data.descriptions import clean
from fashion_hash.data.events import UNTYPED, Catalogue, Event, ReadLog, RequestOptions, collect, reviewed_items
from fashion_hash.data.parsing.fields import check_columns, id_text
from fashion_hash.data.parsing.tables import FORMS, read_table, table_columns, table_form
from fashion_hash.data.parsing.text_tables import Reporter, located, stop
from fashion_hash.data.parsing.times import time_seconds
from fashion_hash.errors import DataError

SUFFIXES = tuple(suffix + zipped for suffix in FORMS for zipped in ("", ".gz"))
NAMES = {  # of a column, and what else it may be called
    "user": ("user", "user_id"),
    "item": ("item", "item_id"),
    "text": ("text", "request", "query"),
    "time": ("time", "timestamp"),
    "split": ("split",),
}


def read_requests(root: str | Path, options: RequestOptions, report: Reporter = stop) -> ReadLog:
    """A table of requests and, where there is one, the table of items beside it.

    Args:
        root: the table of requests, or the folder that holds it.
        options: `metadata` and `min_events` are used.
        report: called with each fault in the files; the default raises the first.

    Raises:
        DataError: a file is missing or broken; the message names file and line.
    """
    table, items = find_tables_of_requests(root, options.metadata)
    catalogue = read_item_table(items, report) if items else None
    log = collect(read_request_table(table, catalogue, report), options.min_events)
    return ReadLog(table.name, log, reviewed_items(log, {}) if catalogue is None else catalogue)


def find_tables_of_requests(root: str | Path, metadata: str | Path | None = None) -> tuple[Path, Path | None]:
    """The table of requests and that of items (or None): requests.* and items.* of a folder, or the file itself."""
    root = Path(root)
    if not root.exists():
        raise DataError(f"no file or folder {root}: give a table of requests, or the folder of requests.csv")
    folder = root if root.is_dir() else root.parent
    table = _one_of(folder, "requests") if root.is_dir() else root
    if table is None:
        raise DataError(f"{root} holds no requests.csv (or .tsv, .jsonl, .parquet)")
    if metadata is not None and not Path(metadata).is_file():
        raise DataError(f"metadata: no file {metadata}")
    return table, Path(metadata) if metadata is not None else _one_of(folder, "items")


def _one_of(folder: Path, stem: str) -> Path | None:
    found = [folder / f"{stem}{suffix}" for suffix in SUFFIXES if (folder / f"{stem}{suffix}").is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: several tables of {stem} ({', '.join(path.name for path in found)}); keep one")
    return found[0] if found else None


def read_request_table(path: str | Path, catalogue: Catalogue | None, report: Reporter = stop) -> Iterator[Event]:
    """The requests of a table, one after the other; an empty user makes an anonymous request.

    Args:
        path: the table.
        catalogue: the known items, or None when any item may be named.
        report: called with each bad line: no item, an unknown one, no time where others have one.
    """
    known = None if catalogue is None else {item_id for items in catalogue.values() for item_id in items}
    for line, row in _rows(Path(path), ("item", "text"), report):
        try:
            item = id_text(row.get("item"), "item")
            if not item:
                raise DataError("the item is empty: every request needs the item that was taken")
            if known is not None and item not in known:
                raise DataError(f"item {item!r} is not in the table of items")
            time = _time(row["time"]) if "time" in row else 0
            split = clean(row.get("split"))
            yield Event(id_text(row.get("user"), "user"), item, clean(row.get("text")), time, "", split)
        except DataError as error:
            report(DataError.at(path, line, str(error)))


def read_item_table(path: str | Path, report: Reporter = stop) -> Catalogue:
    """The items of a table in its order; those without a type are of the type "item"; empty cells are left out.

    The types of the columns are found from their cells (fashion_hash.data.columns).
    """
    rows: list[tuple[int, str, str, dict[str, Any]]] = []
    seen: dict[str, int] = {}
    types = ColumnTypes[int]()
    for line, row in _rows(Path(path), ("item",), report):
        try:
            item_id, item_type = id_text(row.pop("item"), "item_id"), id_text(row.pop("type", ""), "type") or UNTYPED
            if not item_id:
                raise DataError("the item_id is empty")
            if item_id in seen:
                raise DataError(f"item {item_id!r} occurs twice, first in line {seen[item_id]}")
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        seen[item_id] = line
        types.see(row, line)
        rows.append((line, item_type, item_id, row))
    catalogue: dict[str, dict[str, dict[str, Any]]] = {}
    for line, item_type, item_id, row in rows:
        try:
            catalogue.setdefault(item_type, {})[item_id] = types.typed_row(row)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
    if not catalogue:
        raise DataError(f"{path} holds no items")
    return catalogue


def _rows(path: Path, needed: tuple[str, ...], report: Reporter) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a table with their lines, the columns by our names."""
    if table_form(path) is None:
        raise DataError(f"{path}: tables of requests and items end with {', '.join(SUFFIXES)}")
    if table_form(path) != "json":  # rows of JSON may differ in their keys
        with located(path, 1):
            check_columns(table_columns(path), NAMES)
    ours = {other: name for name, others in NAMES.items() for other in others}
    for line, row in read_table(path, report=report):
        named = {ours.get(column, column): value for column, value in row.items()}
        if len(named) < len(row):
            with located(path, line):
                check_columns(list(row), NAMES)
        if absent := [name for name in needed if name not in named]:
            spelt = " or ".join(NAMES[absent[0]])
            raise DataError.at(path, line, f"no column {spelt}; there are {', '.join(map(str, row))[:300]}")
        yield line, named


def _time(value: Any) -> int:
    if value is None or str(value).strip() == "":
        raise DataError("the time is empty: give it in every line, or leave out the column")
    return time_seconds(value, "time")
