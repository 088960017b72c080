"""Filters in plain Python, one item at a time: what the columns in memory are held to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def passes(where: Mapping[str, Any], item: Mapping[str, Any], dates: tuple[str, ...] = ()) -> bool:
    """Whether an item matches a filter without item types and totals.

    Args:
        where: the filter, as callers write it.
        item: the values of its columns.
        dates: the columns of dates.
    """
    return all(_entry(key, value, item, dates) for key, value in where.items())


def _entry(key: str, value: Any, item: Mapping[str, Any], dates: tuple[str, ...]) -> bool:
    if key == "not":
        return not passes(value, item, dates)
    if key == "any":
        return any(passes(part, item, dates) for part in value)
    tests = value if isinstance(value, Mapping) else {"=": value}
    return all(_holds(op, item.get(key), other, key in dates) for op, other in tests.items())


def _holds(op: str, value: Any, other: Any, is_date: bool) -> bool:
    if op == "exists":
        return (value is not None) == other
    if value is None:
        return False
    if is_date:
        value, other = _moment(value), [_moment(one) for one in other] if isinstance(other, list) else _moment(other)
    if op == "contains":
        return other.casefold() in value.casefold() if isinstance(value, str) else _folded(other) in map(_folded, value)
    if op == "overlaps":
        return bool(set(map(_folded, value)) & set(map(_folded, other)))
    if op in ("=", "!="):
        return (value == other) == (op == "=")
    if op in ("in", "not in"):
        return (value in other) == (op == "in")
    if op in ("<", "<="):
        return value < other or (op == "<=" and value == other)
    return value > other or (op == ">=" and value == other)


def _folded(element: Any) -> Any:
    return element.casefold() if isinstance(element, str) else element


def _moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
