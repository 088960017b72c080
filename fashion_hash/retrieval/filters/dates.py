"""Dates in filters: a text that is compared with a column of dates becomes the moment that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fashion_hash.data.columns import DESCRIBED, date_of
from fashion_hash.errors import QueryError, shown
from fashion_hash.retrieval.filters.columns import DATE, ItemColumns
from fashion_hash.retrieval.filters.language import AllOf, AnyOf, Compare, Condition, Not, Value, Where


def with_dates(where: Where, columns: Mapping[str, ItemColumns]) -> Where:
    """A filter in which the values for columns of dates are moments in UTC.

    Args:
        where: the filter as it was read.
        columns: by item type.

    Raises:
        QueryError: a text for a column of dates is not a date.
    """
    dated = {name for table in columns.values() for name in table.names if DATE in table.held(name)}
    if not dated:
        return where
    by_type = {item_type: _all(condition, dated) for item_type, condition in where.by_type.items()}
    return replace(where, everywhere=_all(where.everywhere, dated), by_type=by_type)


def _all(condition: AllOf, dated: set[str]) -> AllOf:
    return AllOf(tuple(_dated(part, dated) for part in condition.parts))


def _dated(condition: Condition, dated: set[str]) -> Condition:
    if isinstance(condition, AllOf):
        return _all(condition, dated)
    if isinstance(condition, AnyOf):
        return AnyOf(tuple(_dated(part, dated) for part in condition.parts))
    if isinstance(condition, Not):
        return Not(_dated(condition.part, dated))
    if condition.column not in dated or condition.op in ("contains", "overlaps", "exists"):
        return condition
    return replace(condition, values=tuple(_moment(condition, value) for value in condition.values))


def _moment(test: Compare, value: Value) -> Value:
    if not isinstance(value, str):
        return value
    try:
        return date_of(value.strip())
    except (ValueError, OverflowError):
        raise QueryError(
            f"{test.path}: {shown(value)} is not a date, but column {shown(test.column)} holds {DESCRIBED['date']}"
        ) from None
