"""The language of filters: which items, and which outfits, may be answered.

    {"price": {"<": 50}, "in_stock": True, "colour": {"in": ["red", "blue"]}}

A filter is a mapping from columns of the catalogue to the values they must have; all of it must hold.

    column: value                 equals a text, a number, a date or true / false
    column: {op: value, ...}      one or more of
        =  !=                     a text, a number, a date, true / false
        <  <=  >  >=              a number, a date, or a text by code point
        in   not in               a list of texts, numbers, dates, true / false
        contains                  a text that is part of the value; in a column of lists, an element
        overlaps                  a list of texts or numbers, one of which is an element of the column's list
        exists                    True or False: whether the item has the column at all
    "any": [filter, ...]          at least one of them holds
    "not": filter                 it does not hold
    "columns": filter             columns named like a word of this language or an item type
    item type: filter             for items of this type only, such as {"top": {"price": {"<": 50}}}
    "total": {column: {op: number}}   < <= > >= for the sum of a column over the items of an outfit

Item types and "total" are allowed at the top level only. A key is read as a word of the language
first, then as an item type, then as a column. Whatever is not under an item type holds for the items
of every type. Filters may be nested 50 deep.

A column of dates is compared with dates, "2026-01-31", "31.01.2026" or "2026-01-31T18:00:00+01:00" (without a
zone, UTC); a date without a time is its midnight. A text that is compared with a column of numbers, or of true
and false, is read as one if it can be: "59,90", "ja". `contains` and `overlaps` take upper and lower case as the same.

An item without the column (or with null) matches no comparison, not even `!=` or `not in`; "not" is
the plain complement, which holds for such an item. A value of another type (the number 5 for the
text "5") is unequal. Numbers are compared as float64. Totals are exact to a millionth; an outfit with
an item that lacks the number has no total and is left out. An empty slot always passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeGuard

import numpy as np

from fashion_hash.data.columns import date_text, unboxed
from fashion_hash.data.parsing.cells import date_of
from fashion_hash.errors import QueryError, shown, suggest

Value = str | float | bool | datetime
ORDER = ("<", "<=", ">", ">=")
OPERATORS = ("=", "!=", *ORDER, "in", "not in", "contains", "overlaps", "exists")
LISTED = ("in", "not in", "overlaps")  # compare with a list
WORDS = ("any", "not", "columns", "total")
DEEPEST = 50  # levels of "any" and "not": evaluating them is recursive


@dataclass(frozen=True)
class Compare:
    """A column of an item compared with a value.

    Attributes:
        path: where it stands in the filter, for messages.
        column: the name of the column.
        op: one of OPERATORS.
        values: what it is compared with: one value, or any number for LISTED. A date is a text until it is known
            that the column holds dates, then a moment in UTC.
    """

    path: str
    column: str
    op: str
    values: tuple[Value, ...]

    @property
    def asked(self) -> str:
        """The comparison without its column, as messages show it."""
        if self.op in LISTED:
            listed = ", ".join(map(plain, self.values[:5])) + ", ..." * (len(self.values) > 5)
            return f"{self.op} [{listed}]"
        if self.op == "exists":
            return "exists" if self.values[0] else "does not exist"
        return f"{self.op} {plain(self.values[0])}"

    def __str__(self) -> str:
        """The condition, as messages show it."""
        return f"{self.column} {self.asked}"


@dataclass(frozen=True)
class AllOf:
    """All parts hold; without parts everything passes."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """The condition, as messages show it."""
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """The condition, as messages show it."""
        return " or ".join(f"({part})" if isinstance(part, AllOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition

    def __str__(self) -> str:
        """The condition, as messages show it."""
        return f"not ({self.part})"


Condition = Compare | AllOf | AnyOf | Not


@dataclass(frozen=True)
class Total:
    """The sum of a column over an outfit's items compared with a number; attributes as of Compare."""

    path: str
    column: str
    op: str
    value: float

    @property
    def asked(self) -> str:
        """The comparison without its column, as messages show it."""
        return f"{self.op} {plain(self.value)}"

    def __str__(self) -> str:
        """The condition, as messages show it."""
        return f"total {self.column} {self.asked}"


@dataclass(frozen=True)
class Where:
    """A filter that has been read.

    Attributes:
        everywhere: what items of every type must match.
        by_type: what items of single types must match as well.
        totals: what whole outfits must match.
    """

    everywhere: AllOf
    by_type: Mapping[str, AllOf]
    totals: tuple[Total, ...]

    def of(self, item_type: str) -> AllOf:
        """Everything that items of a type must match."""
        return AllOf(self.everywhere.parts + self.by_type.get(item_type, AllOf(())).parts)

    def __bool__(self) -> bool:
        """Whether the filter asks for anything."""
        return bool(self.everywhere.parts or self.by_type or self.totals)


def parse(where: Mapping[str, Any] | None, types: Sequence[str]) -> Where:
    """Reads a filter; None and {} let everything through.

    Args:
        where: the filter, in the language that the module describes.
        types: the item types of the bundle.

    Raises:
        QueryError: the filter is malformed; the message names the place in it.
    """
    everywhere: list[Condition] = []
    by_type: dict[str, AllOf] = {}
    totals: list[Total] = []
    for key, value in _mapping("where", {} if where is None else where).items():
        if key == "total":
            totals += _totals(value)
        elif key in types and key not in WORDS:
            condition = _filter(_inside("where", key), value, depth=1)
            if not condition.parts:
                raise QueryError(f"where.{key} is empty: name a column, or leave it out")
            by_type[key] = condition
        else:
            _check_item_type(key, value, types)
            everywhere += _entry("where", key, value, depth=0)
    return Where(AllOf(tuple(everywhere)), by_type, tuple(totals))


def comparisons(condition: Condition) -> Iterator[Compare]:
    """Every comparison of a condition, in order."""
    if isinstance(condition, Compare):
        yield condition
    elif isinstance(condition, Not):
        yield from comparisons(condition.part)
    else:
        for part in condition.parts:
            yield from comparisons(part)


def plain(value: Value) -> str:
    """A value as messages show it: 3, true, 'red', 2026-01-31; long texts are shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return date_text(value)
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return shown(value)


def _check_item_type(key: str, value: object, types: Sequence[str]) -> None:
    """Raises QueryError for a filter under a key that looks like a misspelt item type."""
    if key in WORDS or not isinstance(value, Mapping) or set(value) & set(OPERATORS):
        return
    if near := suggest(key, types):
        raise QueryError(
            f"{_inside('where', key)}: {shown(key)} is not an item type{near}, and its value does not compare a column"
        )


def _filter(path: str, where: object, depth: int) -> AllOf:
    if depth > DEEPEST:
        raise QueryError(f"where: a filter may be nested at most {DEEPEST} deep: use fewer any and not")
    parts = [part for key, value in _mapping(path, where).items() for part in _entry(path, key, value, depth)]
    return AllOf(tuple(parts))


def _entry(path: str, key: str, value: object, depth: int) -> list[Condition]:
    """What one key of a filter asks for."""
    path = _inside(path, key)
    if key == "total":
        raise QueryError(f"{path}: totals apply to whole outfits: write them at the top level, as where.total")
    if key == "not":
        return [Not(_not_empty(path, _filter(path, value, depth + 1)))]
    if key == "any":
        if not _is_list(value) or not value:
            raise QueryError(f"{path} must be a list of one or more filters, got {_typed(value)}")
        parts = [(f"{path}[{number}]", part) for number, part in enumerate(value)]
        return [AnyOf(tuple(_not_empty(place, _filter(place, part, depth + 1)) for place, part in parts))]
    if key == "columns":
        columns = _mapping(path, value)
        return [part for name, test in columns.items() for part in _column(_inside(path, name), name, test)]
    return list(_column(path, key, value))


def _not_empty(path: str, condition: AllOf) -> AllOf:
    if not condition.parts:
        raise QueryError(f"{path} is an empty filter: name a column")
    return condition


def _column(path: str, column: str, test: object) -> list[Compare]:
    if _is_list(test) or _is_set(test):
        raise QueryError(f'{path} is a list: write {{"in": [...]}} to allow several values, or {{"overlaps": [...]}}')
    if not isinstance(test, Mapping):
        return [Compare(path, column, "=", (_value(path, test),))]
    if not test:
        raise QueryError(f"{path} compares with nothing: use {', '.join(OPERATORS)}")
    return [_compare(path, column, op, value) for op, value in test.items()]


def _compare(path: str, column: str, op: object, value: object) -> Compare:
    path = _inside(path, op if isinstance(op, str) else shown(op))
    if not isinstance(op, str) or op not in OPERATORS:
        raise QueryError(f"{path}: no operator {shown(op)}{suggest(str(op), OPERATORS)}: use {', '.join(OPERATORS)}")
    if op in LISTED:
        values = _values(path, value)
        if op == "overlaps" and (flags := [flag for flag in values if isinstance(flag, bool)]):
            raise QueryError(f"{path} must be a list of texts or numbers, got {plain(flags[0])} in it")
        return Compare(path, column, op, values)
    if isinstance(value, Mapping) or _is_list(value) or _is_set(value):
        raise QueryError(f"{path} must be one value, got {_typed(value)}")
    plain_value = _value(path, value)
    if op == "exists" and not isinstance(plain_value, bool):
        raise QueryError(f"{path} must be True or False, got {_typed(value)}")
    if op == "contains" and (plain_value == "" or isinstance(plain_value, bool)):
        raise QueryError(f"{path} must be a number or a text that is not empty, got {_typed(value)}")
    if op in ORDER and isinstance(plain_value, bool):
        raise QueryError(f"{path} must be a number or a text, got {plain_value}: true and false have no order")
    return Compare(path, column, op, (plain_value,))


def _totals(value: object) -> Iterator[Total]:
    columns = _mapping("where.total", value)
    if not columns:
        raise QueryError("where.total is empty: name a column, or leave it out")
    for column, test in columns.items():
        path = _inside("where.total", column)
        if not isinstance(test, Mapping) or not test:
            raise QueryError(f'{path} must be a comparison such as {{"<=": 200}}, got {_typed(test)}')
        for op, limit in test.items():
            if op not in ORDER:
                raise QueryError(f"{path}: no operator {shown(op)} for a total: use {', '.join(ORDER)}")
            number = _value(f"{path}.{op}", limit)
            if not isinstance(number, float):
                raise QueryError(f"{path}.{op} must be a number, got {_typed(limit)}")
            yield Total(f"{path}.{op}", column, op, number)


def _mapping(path: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise QueryError(f'{path} must be a mapping such as {{"price": {{"<": 50}}}}, got {_typed(value)}')
    for key in value:
        if not isinstance(key, str) or not key:
            raise QueryError(f"{path}: {shown(key)} is not a name: columns and item types are texts that are not empty")
    return value


def _values(path: str, values: object) -> tuple[Value, ...]:
    if not (_is_list(values) or _is_set(values)):
        raise QueryError(f"{path} must be a list of values, got {_typed(values)}")
    return tuple(_value(f"{path}[{number}]", value) for number, value in enumerate(values))


def _value(path: str, value: object) -> Value:
    """A value as text, float or bool; numpy's scalars are taken as Python's, a date as its text."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = unboxed(value)
    if isinstance(value, date):
        return date_text(date_of(value))
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise QueryError(f"{path}: {shown(value)} cannot be written in UTF-8") from None
        return value
    if isinstance(value, int | float):
        if not abs(value) <= 2**53:  # nan is not, either
            raise QueryError(f"{path} must be a number from -2^53 to 2^53, got {shown(value)}")
        return float(value)
    if value is None:
        raise QueryError(f'{path} is None: write {{"exists": False}} to ask for items without the column')
    raise QueryError(f"{path} must be a text, a number or true / false, got {_typed(value)}")


def _inside(path: str, key: str) -> str:
    """The place of a key; an enormous key is shortened."""
    return f"{path}.{key if len(key) <= 80 else key[:60] + '...'}"


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def _is_set(value: object) -> TypeGuard[Set[Any]]:
    return isinstance(value, set | frozenset)


def _typed(value: object) -> str:
    return f"{shown(value, 40)} ({type(value).__name__})"
