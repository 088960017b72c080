"""The language of filters: what items, and what outfits, may be answered.

    {"price": {"<": 50}, "in_stock": True, "colour": {"in": ["red", "blue"]}}

A filter is a mapping of columns of the catalogue to what their value must be; all of it must hold.

    column: value                 equal to a text, a number or true / false
    column: {op: value, ...}      one or more of
        =  !=                     a text, a number, true / false
        <  <=  >  >=              a number, or a text by code point (dates such as "2024-05-01" work)
        in   not in               a list of texts, numbers, true / false
        contains                  a text that is part of the value, whatever the case
        exists                    True or False: whether the item has the column at all
    "any": [filter, ...]          at least one of them holds
    "not": filter                 it does not hold
    "columns": filter             columns whose name is a word of this language or an item type
    item type: filter             for items of this type only, such as {"top": {"price": {"<": 50}}}
    "total": {column: {op: number}}   < <= > >= for the sum of a column over the items of an outfit

The last two stand at the top only. A key is read as a word of the language first, then as an item
type, then as a column. What is not under an item type holds for the items of every type.

An item without the column (or with null) matches no comparison, `!=` and `not in` included; "not" is
the plain complement, which holds for it. A value of another kind (the text "5" for the number 5)
is unequal. Numbers are compared as float64. Totals are exact to a millionth; an outfit with an item
that lacks the number has no total and is left out. An empty slot asks for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fashion_hash.errors import QueryError, suggest

Value = str | float | bool
ORDER = ("<", "<=", ">", ">=")
OPERATORS = ("=", "!=", *ORDER, "in", "not in", "contains", "exists")
WORDS = ("any", "not", "columns", "total")


@dataclass(frozen=True)
class Compare:
    """A column of an item compared with a value.

    Attributes:
        path: where in the filter it stands, for messages.
        column: the name.
        op: one of OPERATORS.
        values: what it is compared with; one value, but for "in" and "not in".
    """

    path: str
    column: str
    op: str
    values: tuple[Value, ...]

    @property
    def asked(self) -> str:
        """What is asked of the column, for people."""
        if self.op in ("in", "not in"):
            listed = ", ".join(map(plain, self.values[:5])) + ", ..." * (len(self.values) > 5)
            return f"{self.op} [{listed}]"
        if self.op == "exists":
            return "there" if self.values[0] else "absent"
        return f"{self.op} {plain(self.values[0])}"

    def __str__(self) -> str:
        return f"{self.column} {self.asked}"


@dataclass(frozen=True)
class AllOf:
    """All parts hold; nothing to ask when there are none."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(f"({part})" if isinstance(part, AllOf) else str(part) for part in self.parts)


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition

    def __str__(self) -> str:
        return f"not ({self.part})"


Condition = Compare | AllOf | AnyOf | Not


@dataclass(frozen=True)
class Total:
    """The sum of a column over an outfit's items compared with a number; see Compare."""

    path: str
    column: str
    op: str
    value: float

    @property
    def asked(self) -> str:
        """What is asked of the sum, for people."""
        return f"{self.op} {plain(self.value)}"

    def __str__(self) -> str:
        return f"total {self.column} {self.asked}"


@dataclass(frozen=True)
class Where:
    """A filter, read.

    Attributes:
        everywhere: what items of every type must match.
        by_type: what items of some types must match besides.
        totals: what whole outfits must match.
    """

    everywhere: AllOf
    by_type: Mapping[str, AllOf]
    totals: tuple[Total, ...]

    def of(self, kind: str) -> AllOf:
        """All that items of a type must match."""
        return AllOf(self.everywhere.parts + self.by_type.get(kind, AllOf(())).parts)

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.everywhere.parts or self.by_type or self.totals)


def parse(where: Mapping[str, Any] | None, types: Sequence[str]) -> Where:
    """Reads a filter; None and {} let everything through.

    Args:
        where: see the module's text.
        types: the item types of the bundle.

    Raises:
        QueryError: not such a mapping; the message names the place in it.
    """
    everywhere: list[Condition] = []
    by_type: dict[str, AllOf] = {}
    totals: list[Total] = []
    for key, value in _mapping("where", {} if where is None else where).items():
        if key == "total":
            totals += _totals(value)
        elif key in types and key not in WORDS:
            part = _filter(f"where.{key}", value)
            if not part.parts:
                raise QueryError(f"where.{key}: nothing is asked of it: name a column, or leave it out")
            by_type[key] = part
        else:
            if (
                isinstance(value, Mapping)
                and not set(value) & set(OPERATORS)
                and (near := suggest(key, types))
                and key not in WORDS
            ):
                raise QueryError(f"where.{key}: no item type {key!r}{near}, and no comparison of a column")
            everywhere += _entry("where", key, value)
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
    """A value as people write it."""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _filter(path: str, where: object) -> AllOf:
    parts = [part for key, value in _mapping(path, where).items() for part in _entry(path, key, value)]
    return AllOf(tuple(parts))


def _entry(path: str, key: str, value: object) -> list[Condition]:
    """What one key of a filter asks."""
    here = f"{path}.{key}"
    if key == "total":
        raise QueryError(f"{here}: totals are of whole outfits: write them at the top, where.total")
    if key == "not":
        return [Not(_some(here, _filter(here, value)))]
    if key == "any":
        if not _is_list(value) or not value:
            raise QueryError(f"{here}: a list of filters with one or more, not {_shown(value)}")
        assert isinstance(value, Sequence)
        parts = [(f"{here}[{number}]", part) for number, part in enumerate(value)]
        return [AnyOf(tuple(_some(place, _filter(place, part)) for place, part in parts))]
    if key == "columns":
        columns = _mapping(here, value)
        return [part for name, test in columns.items() for part in _column(f"{here}.{name}", name, test)]
    return list(_column(here, key, value))


def _some(path: str, part: AllOf) -> AllOf:
    if not part.parts:
        raise QueryError(f"{path}: an empty filter: name a column")
    return part


def _column(path: str, column: str, test: object) -> list[Compare]:
    if _is_list(test):
        raise QueryError(f'{path}: a list: write {{"in": [...]}} for one of several values')
    if not isinstance(test, Mapping):
        return [Compare(path, column, "=", (_value(path, test),))]
    if not test:
        raise QueryError(f"{path}: nothing to compare with: use {', '.join(OPERATORS)}")
    return [_compare(f"{path}.{op}", column, op, value) for op, value in test.items()]


def _compare(path: str, column: str, op: object, value: object) -> Compare:
    if op not in OPERATORS:
        raise QueryError(f"{path}: no operator {op!r}{suggest(str(op), OPERATORS)}: use {', '.join(OPERATORS)}")
    assert isinstance(op, str)
    if op in ("in", "not in"):
        if not _is_list(value):
            raise QueryError(f"{path}: a list of values, not {_shown(value)}")
        assert isinstance(value, Sequence | set | frozenset)
        values = tuple(_value(f"{path}[{number}]", one) for number, one in enumerate(value))
        return Compare(path, column, op, values)
    if isinstance(value, Mapping) or _is_list(value):
        raise QueryError(f"{path}: one value, not {_shown(value)}")
    one = _value(path, value)
    if op == "exists" and not isinstance(one, bool):
        raise QueryError(f"{path}: True or False, not {_shown(value)}")
    if op == "contains" and not (isinstance(one, str) and one):
        raise QueryError(f"{path}: a text that is not empty, not {_shown(value)}")
    if op in ORDER and isinstance(one, bool):
        raise QueryError(f"{path}: a number or a text, not {one}: true and false have no order")
    return Compare(path, column, op, (one,))


def _totals(value: object) -> Iterator[Total]:
    columns = _mapping("where.total", value)
    if not columns:
        raise QueryError("where.total: nothing is asked of it: name a column, or leave it out")
    for column, test in columns.items():
        path = f"where.total.{column}"
        if not isinstance(test, Mapping) or not test:
            raise QueryError(f'{path}: a comparison such as {{"<=": 200}}, not {_shown(test)}')
        for op, limit in test.items():
            if op not in ORDER:
                raise QueryError(f"{path}: no operator {op!r} for a total: use {', '.join(ORDER)}")
            number = _value(f"{path}.{op}", limit)
            if isinstance(number, bool | str):
                raise QueryError(f"{path}.{op}: a number, not {_shown(limit)}")
            yield Total(f"{path}.{op}", column, op, number)


def _mapping(path: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise QueryError(f'{path}: a mapping such as {{"price": {{"<": 50}}}}, not {_shown(value)}')
    for key in value:
        if not isinstance(key, str) or not key:
            raise QueryError(f"{path}: {key!r} is no name: columns and item types are texts that are not empty")
    return value


def _value(path: str, value: object) -> Value:
    """A value as text, float or bool; numpy's scalars are taken as Python's."""
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise QueryError(f"{path}: {value!r} is no text that UTF-8 can write") from None
        return value
    if isinstance(value, int | float):
        if not math.isfinite(value) or abs(value) > 2**53:
            raise QueryError(f"{path}: {value!r} is not finite or beyond 2^53: such numbers are not told apart")
        return float(value)
    if value is None:
        raise QueryError(f'{path}: None: write {{"exists": False}} for items without the column')
    raise QueryError(f"{path}: a text, a number or true / false, not {_shown(value)}")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"
