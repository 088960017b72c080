"""The items of a shop's tables: their ids, types and whatever else is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.data.column_types import ColumnTypes
from fashion_hash.data.events import UNTYPED
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.tables import Row, read_table
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.data.progress import progress
from fashion_hash.data.shop.notes import Notes
from fashion_hash.data.shop.tables.forms import FORMS
from fashion_hash.data.shop.tables.names import Source
from fashion_hash.errors import DataError

Cell = tuple[int, str]
"""The number of an item, and a column."""


@dataclass
class Items:
    """The items of a shop, numbered in the order of the tables.

    Attributes:
        numbers: the number of each item id.
        types: the names of the item types, in the order in which they were met.
        type_of: for each item, a position in `types`.
        details: for each item, {column: value}, without its id and type.
        variants: the number of the item of each variant id: sizes of one article, as feeds have them.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    types: list[str] = field(default_factory=list)
    type_of: list[int] = field(default_factory=list)
    details: list[dict[str, Any]] = field(default_factory=list)
    variants: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def find(self, item_id: str) -> int | None:
        """The number of an item, by its own id or that of one of its variants; None if it is not known."""
        number = self.numbers.get(item_id)
        return self.variants.get(item_id) if number is None else number

    @property
    def ids(self) -> list[str]:
        """The id of each item."""
        return list(self.numbers)

    def take_types(self, column: str, rename: Mapping[str, str]) -> None:
        """Takes the types from a column of the details, which then leaves them; items without a word keep theirs."""
        places: dict[str, int] = {}
        for number, row in enumerate(self.details):
            word = str(row.pop(column, self.types[self.type_of[number]]))
            self.type_of[number] = places.setdefault(rename.get(word, word), len(places))
        self.types = list(places)

    def by_type(self) -> dict[str, int]:
        """The number of items of each type, the most frequent first."""
        counts = np.bincount(np.array(self.type_of, dtype=np.int64), minlength=len(self.types))
        return {self.types[at]: int(counts[at]) for at in np.argsort(-counts, kind="stable")}


def read_items(sources: Sequence[Source], rename: Mapping[str, str], notes: Notes, report: Reporter) -> Items:
    """Reads the tables of items; their further columns are typed later, by `type_details`.

    Args:
        sources: tables with an item_id; without a type every item is of the type "item".
        rename: item types to other names.
        notes: what is odd is counted here: ids that occur twice, items without id or type.
        report: called with each row that cannot be read.

    Raises:
        DataError: there are no items.
    """
    items, type_at = Items(), dict[str, int]()
    for source in sources:
        for line, row in _rows(source, report):
            try:
                item_id = id_text(row.pop("item_id", None), "item_id")
                item_type = id_text(row.pop("type", None), "type") if "type" in row else UNTYPED
            except DataError as error:
                report(DataError.at(source.path, line, str(error)))
                continue
            item_type = rename.get(item_type, item_type)
            place = f"{source.path.name}:{line}"
            if not item_id or not item_type:
                notes.add(f"items without {'a type' if item_id else 'an id'}, left out", item_id or place)
            elif (number := items.numbers.get(item_id)) is not None:
                first = items.types[items.type_of[number]]
                if first == item_type:
                    notes.add("item ids that occur more than once: the first row counts", f"{item_id} ({place})")
                else:
                    what = f"{item_id} is {first}, and {item_type} in {place}"
                    notes.add("items of two types: the first type counts", what)
            else:
                items.numbers[item_id] = len(items.numbers)
                if item_type not in type_at:
                    type_at[item_type] = len(items.types)
                    items.types.append(item_type)
                items.type_of.append(type_at[item_type])
                items.details.append({name: cell for name, cell in row.items() if cell is not None})
                if source.form is not None and isinstance(variants := row.get("variants"), list):
                    items.variants.update(dict.fromkeys(map(str, variants), items.numbers[item_id]))
    if not items.numbers:
        named = ", ".join(source.path.name for source in sources)
        raise DataError(f"{named or 'the shop'} holds no items: expected rows with an item_id and a type")
    return items


def add_details(items: Items, sources: Sequence[Source], notes: Notes, report: Reporter) -> None:
    """Adds the columns of further tables to the items they name."""
    for source in sources:
        unknown = f"items of {source.path.name} that no table of items has, passed over"
        for line, row in _rows(source, report):
            try:
                item_id = id_text(row.pop("item_id", None), "item_id")
            except DataError as error:
                report(DataError.at(source.path, line, str(error)))
                continue
            number = items.find(item_id)
            if number is None:
                notes.add(unknown, item_id)
            else:
                items.details[number].update({name: cell for name, cell in row.items() if cell is not None})


def type_details(
    items: Items, tables: Sequence[Source], details: Sequence[Source], notes: Notes, report: Reporter
) -> None:
    """Types the columns of the items, in place: numbers, true and false, dates, lists, text.

    Args:
        items: as read.
        tables: the tables of items.
        details: the tables of further columns.
        notes: columns that stay text although most of their cells are something else are noted here.
        report: called with each item that has a value that cannot be kept, such as infinity.
    """
    types = ColumnTypes[int]()
    for number, row in enumerate(items.details):
        types.see(row, number)
    bad: dict[Cell, DataError] = {}
    for number, row in enumerate(items.details):
        for name in list(row):
            try:
                value = types.typed(name, row[name])
            except DataError as error:
                bad[number, name], value = error, None
            if value is None:
                del row[name]
            else:
                row[name] = value
    odd = types.odd()
    cells = [*bad, *((column.place, column.column) for column in odd if column.place is not None)]
    places = _find(items, tables, details, cells) if cells else {}
    for column in odd:
        at = places.get((column.place, column.column)) if column.place is not None else None
        notes.say(column.words(f"{at[0].name}:{at[1]}" if at else None))
    ids = items.ids if bad else []
    for (number, name), problem in bad.items():
        path, line = places[number, name]
        report(DataError.at(path, line, f"item {ids[number]!r}: {problem}"))


def _find(
    items: Items, tables: Sequence[Source], details: Sequence[Source], cells: Sequence[Cell]
) -> dict[Cell, tuple[Path, int]]:
    """The file and the line of some cells: tables are read again, so that lines need not be kept for all of them."""
    asked: dict[int, list[str]] = {}
    for number, name in cells:
        asked.setdefault(number, []).append(name)
    places: dict[Cell, tuple[Path, int]] = {}
    for source in (*tables, *details):
        for line, row in _rows(source, lambda error: None):
            try:
                known = items.find(id_text(row.get("item_id"), "item_id"))
            except DataError:
                continue
            if known is None or known not in asked:
                continue
            for name in asked[known]:
                if row.get(name) is not None and (source in details or (known, name) not in places):
                    places[known, name] = (source.path, line)
    return places


def _rows(source: Source, report: Reporter) -> Iterator[tuple[int, Row]]:
    """The rows of a table of items under our names; further columns keep theirs."""
    if source.form is not None:
        yield from FORMS[source.form].read(source.path, report)
        return
    ours = {theirs: name for name, names in source.mapped.items() for theirs in names}
    columns = None if not source.left_out else [name for name in source.columns if name not in source.left_out]
    for line, row in progress(read_table(source.path, columns, report), source.path.name, "rows"):
        renamed = {ours.get(name, name): cell for name, cell in row.items()}
        # a column that is called like one of ours but stands for something else gives way
        renamed.update({name: row.get(theirs) for theirs, name in ours.items()})
        yield line, renamed
