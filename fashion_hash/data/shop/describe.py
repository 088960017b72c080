"""What was recognised in a shop's tables, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from fashion_hash.core.outfits import slot_names
from fashion_hash.data.columns import types_of
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.shop.item_sets import SlotChoice
from fashion_hash.data.shop.read import EVERYBODY, ShopData
from fashion_hash.data.shop.tables.names import WITH_FURTHER
from fashion_hash.data.shop.tables.recognise import ShopTables, Table
from fashion_hash.errors import counted

_MOST = 12  # names in a line
_WORDS = {"boolean": "true or false", "number": "number", "date": "date", "numbers": "numbers", "texts": "texts"}


def describe(data: ShopData, choice: SlotChoice, dataset: Dataset) -> Iterator[str]:
    """The lines that `fashion-hash init` prints: what was recognised, what is missing, what is odd."""
    yield from describe_tables(data.tables)
    if data.tables.of("interactions") and not data.from_interactions:
        files = _listed(table.path.name for table in data.tables.of("interactions"))
        yield f"          {files}: not used, because users have outfits"
    counts = data.items.by_type()
    yield f"items     {len(data.items):,}: {_listed(f'{number:,} {name}' for name, number in counts.items())}"
    if data.type_column is not None:
        yield f"          types from the column {data.type_column}: the items of an outfit differ in it"
    yield from _columns(data)
    yield from _outfits(data, dataset)
    yield from _times(data)
    yield f"slots     {', '.join(slot_names(choice.slots))}"
    for item_type, why in list(choice.left_out.items())[:_MOST]:
        yield f"          {item_type} has no slot: {why}"
    yield from _pictures(data, dataset)
    for missing in _missing(data):
        yield f"missing   {missing}"
    for note in dataset.notes:
        yield f"note      {note}"


def describe_tables(tables: ShopTables) -> Iterator[str]:
    """A line for each table: its kind, and what its columns stand for."""
    for table in tables.tables:
        yield f"table     {table.path.name}: {_kind(table)}"


def _kind(table: Table) -> str:
    if table.form is not None:
        return f"items, as {table.form}"
    if table.kind == "users":
        return "users (nothing of it is used)"
    if not table.kind:
        return f"not recognised, not used (columns {_listed(table.columns)})"
    names = {ours: " + ".join(theirs) for ours, theirs in table.mapped.items()}
    mapped = ", ".join(ours if ours == theirs else f"{ours} = {theirs}" for ours, theirs in names.items())
    read = {theirs for names in table.mapped.values() for theirs in names}
    left = [column for column in table.columns if column not in read and table.kind not in WITH_FURTHER]
    return f"{table.kind} ({mapped})" + (f"; not used: {_listed(left)}" if left else "")


def _columns(data: ShopData) -> Iterator[str]:
    """The further columns of the items with their types."""
    rows = data.items.details
    types = types_of(rows[:: max(1, len(rows) // 5000)])
    words = [f"{name} ({_WORDS.get(kind or '', 'text')})" for name, kind in types.items() if name != "image"]
    if words:
        yield f"columns   {_listed(words)}"


def _outfits(data: ShopData, dataset: Dataset) -> Iterator[str]:
    likes = sum(len(split.positives) for split in dataset.splits.values())
    assert dataset.pool is not None
    sizes = dataset.pool.outfits.mask.sum(axis=1)
    where = "formed from interactions" if data.formed else "with ids of their own"
    span = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    yield f"outfits   {len(dataset.pool.ids):,}, {where}, of {span} item{'' if span == '1' else 's'}"
    if data.users == [EVERYBODY]:
        yield "users     none: everybody gets the same answers"
    else:
        yield f"users     {len(dataset.users):,}, who like {counted(likes, 'outfit')}"


def _times(data: ShopData) -> Iterator[str]:
    times = data.likes.times[data.likes.times != NO_TIME]
    if len(times):
        first, last = (datetime.fromtimestamp(int(moment), UTC).date() for moment in (times.min(), times.max()))
        share = "" if len(times) == len(data.likes) else f", for {len(times):,} of {len(data.likes):,}"
        yield f"times     {first} to {last}{share}"
    if data.likes.strengths.any():
        kinds, counts = np.unique(data.likes.kinds.astype(str), return_counts=True)
        yield f"kinds     {_listed(f'{number:,} {kind or chr(63)}' for kind, number in zip(kinds, counts))}"


def _pictures(data: ShopData, dataset: Dataset) -> Iterator[str]:
    addresses = sum("image" in row for row in data.items.details)
    if data.tables.pictures is not None:
        yield f"pictures  {len(dataset.content.picture_keys):,} in {data.tables.pictures}"
    if addresses:
        items = counted(addresses, "item names", "items name")
        what = f"{items} the address of a picture; none is fetched: put the files into a folder"
        yield f"pictures  {what}"


def _missing(data: ShopData) -> Iterator[str]:
    """What the tables lack, and what that means."""
    rows = data.items.details
    titled = sum("title" in row for row in rows)
    if titled < len(rows):
        yield f"titles of {len(rows) - titled:,} of {counted(len(rows), 'item')}: nothing is known of their words"
    if data.tables.pictures is None:
        yield "pictures: the model learns from words and ids alone"
    if (data.likes.times == NO_TIME).all():
        yield "times: old and new outfits count the same, and no split by time is possible"
    if data.type_column is None and not any("type" in table.mapped or table.form for table in data.tables.of("items")):
        yield "types of the items: all are of one type; map a column to it (data.shop.columns)"


def _listed(names: object) -> str:
    every = list(names)  # type: ignore[call-overload]
    more = f", and {len(every) - _MOST} more" if len(every) > _MOST else ""
    return ", ".join(every[:_MOST]) + more
