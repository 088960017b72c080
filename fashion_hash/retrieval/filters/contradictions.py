"""Filters that no item can match, found before any item is looked at.

The comparisons that must hold together are gathered by column: bounds, equal values, absence. What
stands below "not" is not examined: the complement of nothing is everything, and may be intended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fashion_hash.errors import QueryError
from fashion_hash.retrieval.filters.language import AllOf, AnyOf, Compare, Condition, Total, Value, Where


def check_contradictions(where: Where) -> None:
    """Checks that the comparisons of a filter do not exclude each other.

    Raises:
        QueryError: they do; the message names them.
    """
    _check(where.everywhere)
    for item_type in where.by_type:
        _check(where.of(item_type), f" for items of type {item_type}")
    for column in {total.column for total in where.totals}:
        totals = [total for total in where.totals if total.column == column]
        if _empty_range([_bound(total.op, total.value) for total in totals]):
            raise QueryError(_exclude_each_other(totals))


def kind_of(value: Value) -> str:
    """The kind of a value, as messages name it."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, datetime):
        return "a date"
    return "text" if isinstance(value, str) else "a number"


def _check(condition: Condition, scope: str = "") -> None:
    """Raises QueryError where a condition excludes itself; `scope` says for which items it is asked."""
    if isinstance(condition, AnyOf):
        for part in condition.parts:
            _check(part, scope)
        return
    if not isinstance(condition, AllOf):
        return
    comparisons = list(_together(condition))
    for test in comparisons:
        if test.op in ("in", "overlaps") and not test.values:
            raise QueryError(
                f"{test.path} is an empty list: nothing can {'be in' if test.op == 'in' else 'overlap'} it{scope}"
            )
    for column in dict.fromkeys(test.column for test in comparisons):
        tests = [test for test in comparisons if test.column == column]
        if _impossible(tests):
            raise QueryError(_exclude_each_other(tests) + scope)
    for part in condition.parts:
        if isinstance(part, AnyOf):
            _check(part, scope)


def _together(condition: AllOf) -> list[Compare]:
    """The comparisons that must all hold."""
    tests: list[Compare] = []
    for part in condition.parts:
        if isinstance(part, AllOf):
            tests += _together(part)
        elif isinstance(part, Compare):
            tests.append(part)
    return tests


def _impossible(tests: Sequence[Compare]) -> bool:
    """Whether no value passes all comparisons of a column."""
    absent = [test for test in tests if test.op == "exists" and test.values == (False,)]
    if absent:
        return len(absent) < len(tests)
    kinds = {kind_of(test.values[0]) for test in tests if test.op in ("=", "<", "<=", ">", ">=", "contains")}
    if len(kinds) > 1:
        return True
    bounds = [_bound(test.op, test.values[0]) for test in tests if test.op in ("<", "<=", ">", ">=")]
    equal = [set(map(_key, test.values)) for test in tests if test.op in ("=", "in")]
    if not equal:
        return _empty_range(bounds)
    possible = set.intersection(*equal)
    possible -= {_key(value) for test in tests if test.op in ("!=", "not in") for value in test.values}
    ordered = [test for test in tests if test.op in ("<", "<=", ">", ">=", "contains")]
    return not any(_passes(kind, value, ordered) for kind, value in possible)


def _passes(kind: str, value: Value, tests: Sequence[Compare]) -> bool:
    return all(kind == kind_of(test.values[0]) and _holds(test.op, value, test.values[0]) for test in tests)


def _holds(op: str, value: Value, other: Value) -> bool:
    if op == "contains":
        return str(other).casefold() in str(value).casefold()
    if op in ("<", "<="):
        return value < other or (op == "<=" and value == other)  # type: ignore[operator]
    return value > other or (op == ">=" and value == other)  # type: ignore[operator]


def _bound(op: str, value: Value) -> tuple[bool, bool, Value]:
    """Whether it bounds from above, whether the value itself is excluded, and the value."""
    return op in ("<", "<="), op in ("<", ">"), value


def _empty_range(bounds: Sequence[tuple[bool, bool, Value]]) -> bool:
    uppers = [(value, strict) for above, strict, value in bounds if above]
    lowers = [(value, strict) for above, strict, value in bounds if not above]
    return any(
        low > high or (low == high and (strict_low or strict_high))  # type: ignore[operator]
        for high, strict_high in uppers
        for low, strict_low in lowers
    )


def _key(value: Value) -> tuple[str, Value]:
    return kind_of(value), value


def _exclude_each_other(tests: Sequence[Compare | Total]) -> str:
    places = ", ".join(dict.fromkeys(test.path for test in tests))
    return f"{places}: {' and '.join(map(str, tests))} exclude each other"
