"""Filters as the catalogue has it: its names of columns, and texts read as what the columns hold.

Texts become dates, numbers, or true and false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fashion_hash.data.columns import DESCRIBED
from fashion_hash.data.parsing.cells import date_of, iso_date, number_of, truth_of
from fashion_hash.errors import QueryError, shown
from fashion_hash.retrieval.filters.columns import DATE, FLAG, NUMBER, TEXT, ItemColumns
from fashion_hash.retrieval.filters.language import AllOf, AnyOf, Compare, Condition, Not, Value, Where

Read = Callable[[Compare, str], Value]
Change = Callable[[Compare], Compare]


def with_typed_values(where: Where, columns: Mapping[str, ItemColumns]) -> Where:
    """A filter in which texts are values of the columns that they are compared with.

    A text stays one for columns that hold texts, and where it cannot be read as what the column holds, which is refused
    later. Dates become moments in UTC.

    Args:
        where: the filter as it was read.
        columns: by item type.

    Raises:
        QueryError: a text for a column of dates is not a date.
    """
    readers: dict[str, Read] = {}
    for name in {name for table in columns.values() for name in table.names}:
        held = {kind for table in columns.values() for kind in table.held(name)}
        if DATE in held:
            readers[name] = _moment
        elif TEXT not in held and len(held & {NUMBER, FLAG}) == 1:
            readers[name] = _number if NUMBER in held else _truth
    if not readers:
        return where

    def typed(test: Compare) -> Compare:
        return _typed(test, readers)

    by_type = {item_type: _all(condition, typed) for item_type, condition in where.by_type.items()}
    return replace(where, everywhere=_all(where.everywhere, typed), by_type=by_type)


def with_our_names(where: Where, columns: Mapping[str, ItemColumns], shop_names: Mapping[str, str]) -> Where:
    """A filter in which columns have the names of the catalogue.

    Args:
        where: the filter as it was read.
        columns: by item type; a column that exists is meant by its name.
        shop_names: what a shop calls columns that have another name here.
    """
    names = {name: ours for name, ours in shop_names.items() if not any(table.held(name) for table in columns.values())}
    if not names:
        return where

    def renamed(test: Compare) -> Compare:
        return replace(test, column=names.get(test.column, test.column))

    by_type = {item_type: _all(condition, renamed) for item_type, condition in where.by_type.items()}
    totals = tuple(replace(total, column=names.get(total.column, total.column)) for total in where.totals)
    return Where(_all(where.everywhere, renamed), by_type, totals)


def _all(condition: AllOf, change: Change) -> AllOf:
    return AllOf(tuple(_part(part, change) for part in condition.parts))


def _part(condition: Condition, change: Change) -> Condition:
    if isinstance(condition, AllOf):
        return _all(condition, change)
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(_part(part, change) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(_part(condition.part, change))
    return change(condition)


def _typed(condition: Compare, readers: Mapping[str, Read]) -> Compare:
    read = readers.get(condition.column)
    if read is None or condition.op in ("contains", "overlaps", "exists"):
        return condition
    values = (read(condition, value) if isinstance(value, str) else value for value in condition.values)
    return replace(condition, values=tuple(values))


def _moment(test: Compare, text: str) -> Value:
    try:
        return date_of(iso_date(text.strip()))
    except (ValueError, OverflowError):
        raise QueryError(
            f"{test.path}: {shown(text)} is not a date, but column {shown(test.column)} holds {DESCRIBED['date']}"
        ) from None


def _number(test: Compare, text: str) -> Value:
    try:
        return float(number_of(text))
    except ValueError:
        return text


def _truth(test: Compare, text: str) -> Value:
    try:
        return truth_of(text)
    except ValueError:
        return text
