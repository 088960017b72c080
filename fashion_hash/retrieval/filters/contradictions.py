"""Filters that no item can match, found before anything is looked at.

The comparisons that must hold together are gathered by column: bounds, equal values, absence. What
stands below "not" is left alone: the complement of nothing is everything, and may be meant.
"""

from __future__ import annotations

from collections.abc import Sequence

from fashion_hash.errors import QueryError
from fashion_hash.retrieval.filters.language import AllOf, AnyOf, Compare, Condition, Total, Value, Where


def check_contradictions(where: Where) -> None:
    """Raises QueryError, naming the comparisons, where they exclude each other."""
    _check(where.everywhere)
    for kind in where.by_type:
        _check(where.of(kind), f" for items of type {kind}")
    for column in {total.column for total in where.totals}:
        here = [total for total in where.totals if total.column == column]
        if _empty_range([_bound(total.op, total.value) for total in here]):
            raise QueryError(f"{_places(here)}: no total can be {_together(here)}")


def _check(condition: Condition, whose: str = "") -> None:
    if isinstance(condition, AnyOf):
        for part in condition.parts:
            _check(part, whose)
        return
    if not isinstance(condition, AllOf):
        return
    flat = list(_flat(condition))
    for column in dict.fromkeys(one.column for one in flat):
        here = [one for one in flat if one.column == column]
        for one in here:
            if one.op == "in" and not one.values:
                raise QueryError(f"{one.path}: an empty list: nothing can be in it{whose}")
        if _impossible(here):
            raise QueryError(f"{_places(here)}: no value can be {_together(here)}{whose}")
    for part in condition.parts:
        if isinstance(part, AnyOf):
            _check(part, whose)


def _flat(condition: AllOf) -> list[Compare]:
    """The comparisons that must all hold."""
    flat: list[Compare] = []
    for part in condition.parts:
        if isinstance(part, AllOf):
            flat += _flat(part)
        elif isinstance(part, Compare):
            flat.append(part)
    return flat


def _impossible(tests: Sequence[Compare]) -> bool:
    absent = [one for one in tests if one.op == "exists" and one.values == (False,)]
    if absent:
        return len(absent) < len(tests)
    kinds = {kind_of(one.values[0]) for one in tests if one.op in ("=", "<", "<=", ">", ">=", "contains")}
    if len(kinds) > 1:
        return True
    bounds = [_bound(one.op, one.values[0]) for one in tests if one.op in ("<", "<=", ">", ">=")]
    equal = [set(map(_key, one.values)) for one in tests if one.op in ("=", "in")]
    if equal:
        possible = set.intersection(*equal)
        possible -= {_key(value) for one in tests if one.op in ("!=", "not in") for value in one.values}
        ordered = [one for one in tests if one.op in ("<", "<=", ">", ">=", "contains")]
        return not any(_passes(name, value, ordered) for name, value in possible)
    return _empty_range(bounds)


def _passes(name: str, value: Value, tests: Sequence[Compare]) -> bool:
    return all(name == kind_of(one.values[0]) and _holds(one.op, value, one.values[0]) for one in tests)


def _holds(op: str, value: Value, other: Value) -> bool:
    if op == "contains":
        return str(other).casefold() in str(value).casefold()
    if op in ("<", "<="):
        return value < other or (op == "<=" and value == other)  # type: ignore[operator]
    return value > other or (op == ">=" and value == other)  # type: ignore[operator]


def _bound(op: str, value: Value) -> tuple[bool, bool, Value]:
    """From above or from below, whether the value itself is out, and the value."""
    return op in ("<", "<="), op in ("<", ">"), value


def _empty_range(bounds: Sequence[tuple[bool, bool, Value]]) -> bool:
    uppers = [(value, strict) for above, strict, value in bounds if above]
    lowers = [(value, strict) for above, strict, value in bounds if not above]
    return any(
        low > high or (low == high and (strict_low or strict_high))  # type: ignore[operator]
        for high, strict_high in uppers
        for low, strict_low in lowers
    )


def kind_of(value: Value) -> str:
    """The kind of a value, for people."""
    return "true or false" if isinstance(value, bool) else "text" if isinstance(value, str) else "a number"


def _key(value: Value) -> tuple[str, Value]:
    return kind_of(value), value


def _places(tests: Sequence[Compare | Total]) -> str:
    return ", ".join(dict.fromkeys(one.path for one in tests))


def _together(tests: Sequence[Compare | Total]) -> str:
    return " and ".join(one.asked for one in tests) + " at once"
