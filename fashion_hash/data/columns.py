"""The types of a catalogue's columns, and the values they hold.

A column has one type, for the items of all types: numbers, true and false, dates, texts, lists of texts or
lists of numbers. It is found once, from the cells of a file, and kept by the bundle; what is added later is
read as that type or refused. A cell is read as something else than text only where nothing of it is lost:
"007", "12E4" and ids of 20 digits stay texts.

Dates are kept as ISO dates, "2026-01-31", or with a time in UTC, "2026-01-31T17:00:00Z"; one without a zone is taken
as UTC. Whoever adds or asks for something later may write values as files do (data/parsing/cells.py): "59,90", "ja",
"31.01.2026", "S|M". Only what a whole file decides, such as the order in 02/03/2026, must be written out by then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from fashion_hash.data.parsing.cells import (
    MARKS,
    NUMBER_ONLY,
    TEXT_ONLY,
    date_of,
    elements_of,
    forms_of_value,
    is_date,
    is_element,
    is_number,
    iso_date,
    mark_of,
    number_of,
    truth_of,
)
from fashion_hash.errors import DataError, shown

ColumnType = Literal["boolean", "number", "date", "numbers", "texts", "text"]
Value = str | int | float | bool | list[str] | list[int | float]

ALWAYS_TEXT = ("title", "description", "image")  # also where a title is "501"
# in this order: an empty list may be either, "true" is both a text and a truth value
DESCRIBED: dict[ColumnType, str] = {
    "boolean": "true and false",
    "number": "numbers such as 59.90",
    "date": "dates such as 2026-01-31 or 2026-01-31T18:00:00+01:00",
    "numbers": "lists of numbers such as [38, 39.5]",
    "texts": 'lists of texts such as ["S", "M"]',
    "text": "texts such as 'navy'",
}
USABLE = "give a text, a finite number, true or false, a date, or a list of texts or of numbers"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def types_of(rows: Iterable[Mapping[str, object]]) -> dict[str, ColumnType | None]:
    """The types of columns whose values have types already; None for a column of several kinds."""
    possible: dict[str, frozenset[ColumnType]] = {}
    for row in rows:
        for name, value in row.items():
            if is_blank(value) or (name in ALWAYS_TEXT and possible.get(name)):
                continue
            readings = frozenset[ColumnType]({"text"}) if name in ALWAYS_TEXT else _readings(unboxed(value))
            possible[name] = possible[name] & readings if name in possible else readings
    return {name: first(types) if types else None for name, types in possible.items()}


def typed(name: str, value: object, column_type: ColumnType | None) -> Value | None:
    """A value as a column holds it; None where there is none (None, and "" in a column that holds no texts).

    Args:
        name: of the column, for messages.
        value: a text, a number, true or false, a date or a list.
        column_type: the type of the column; None for a column of several kinds.

    Raises:
        DataError: the value is of another type, not finite, or would lose digits.
    """
    value = unboxed(value)
    if value is None or (isinstance(value, str) and column_type not in ("text", None) and not value.strip()):
        return None
    try:
        return _PARSERS[first(_usable(value)) if column_type is None else column_type](value)
    except (ValueError, OverflowError, RecursionError):
        written = shown(value, 60) if isinstance(value, str) else f"{shown(value, 60)} ({type(value).__name__})"
        if column_type is None or not (isinstance(value, str) or forms_of_value(value)):
            raise DataError(f"column {shown(name)} cannot hold {written}: {USABLE}") from None
        either = column_type == "date" and isinstance(value, str) and _may_be_two(value)
        why = ": nothing says which number is the day; write it as 2026-01-31" if either else ""
        raise DataError(f"column {shown(name)} holds {DESCRIBED[column_type]}, got {written}{why}") from None


def type_of(name: str, value: object) -> ColumnType:
    """The type that a new column gets from its first value; a text stays a text.

    Raises:
        DataError: the value cannot be used, such as a mapping or NaN.
    """
    if name in ALWAYS_TEXT:
        return "text"
    value = unboxed(value)
    try:
        return first(_usable(value))
    except ValueError:
        written = f"{shown(value, 60)} ({type(value).__name__})"
        raise DataError(f"column {shown(name)} cannot hold {written}: {USABLE}") from None


def words_of(value: object) -> str:
    """The words of a value; those of a list one after the other."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def microseconds(value: str | date) -> int:
    """The moment of a date as microseconds since 1970. Raises as `date_of` does."""
    return (date_of(value) - _EPOCH) // timedelta(microseconds=1)


def date_text(moment: datetime) -> str:
    """A moment in UTC as it is written: with its time, unless that is midnight."""
    text = moment.isoformat().removesuffix("+00:00")
    return text.removesuffix("T00:00:00") if text.endswith("T00:00:00") else f"{text}Z"


def unboxed(value: object) -> object:
    """The value itself of numpy's scalars, lists of its arrays and of tuples; decimal numbers as texts."""
    if isinstance(value, np.datetime64) and not isinstance(value.tolist(), date):  # nanoseconds come as integers
        return value.astype("datetime64[us]").tolist()
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def first(possible: Collection[ColumnType]) -> ColumnType:
    """The most telling of some types that all values of a column have."""
    return next(column_type for column_type in DESCRIBED if column_type in possible)


def is_blank(cell: object) -> bool:
    """Whether a cell holds no value."""
    return cell is None or (isinstance(cell, str) and not cell)


def type_of_form(form: str) -> ColumnType:
    """The type of a column whose cells have a form of data/parsing/cells.py, other than that of a list in text."""
    return first([column_type for column_type in DESCRIBED if column_type == form.split(" ")[0]])


def _readings(value: object) -> frozenset[ColumnType]:
    """The types that a value may have; none for one that no column holds."""
    if isinstance(value, str):
        return frozenset({"date", "text"}) if is_date(value) else frozenset({"text"})
    return frozenset(map(type_of_form, forms_of_value(value) or ()))


def _usable(value: object) -> frozenset[ColumnType]:
    """What a value may be; a text is only a text. Raises ValueError when it is nothing that a column holds."""
    forms = TEXT_ONLY if isinstance(value, str) else forms_of_value(value)
    if forms is None:
        raise ValueError
    return frozenset(map(type_of_form, forms))


def _may_be_two(text: str) -> bool:
    readings = []
    for day_first in (True, False):
        try:
            readings.append(iso_date(text.strip(), day_first))
        except ValueError:
            return False
    return readings[0] != readings[1]


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        return truth_of(value)
    if isinstance(value, bool):
        return value
    raise ValueError


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        return number_of(value)
    if isinstance(value, int | float) and forms_of_value(value) == NUMBER_ONLY:
        return value
    raise ValueError


def _date(value: Any) -> str:
    if isinstance(value, str):
        value = iso_date(value.strip())
        if len(value) == 10:
            return date_of(value).date().isoformat()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str | datetime):
        raise ValueError
    text = (_EPOCH + timedelta(microseconds=microseconds(value))).isoformat()
    return text.removesuffix("+00:00") + "Z"


def _text(value: Any) -> str:
    if isinstance(value, str):
        value.encode()  # a lone surrogate cannot be stored
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, date):
        return _date(value)
    raise ValueError


def _elements(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = json.loads(value) if value.strip().startswith("[") else _list_in(value.strip())
    if not isinstance(value, list) or any(isinstance(element, bool | list | dict | None) for element in value):
        raise ValueError
    return value


def _list_in(text: str) -> list[str]:
    """The elements of "S|M", "S; M" or "S, M"; one alone is a list as well."""
    mark = mark_of(text)
    elements = [text] if is_number(text) else elements_of(text, mark)
    if not elements or not all(map(is_element, elements)) or (mark is None and any(m in text for m in MARKS)):
        raise ValueError
    return elements


def _numbers(value: Any) -> list[int | float]:
    return [_number(element) for element in _elements(value)]


def _texts(value: Any) -> list[str]:
    return [_text(element) for element in _elements(value)]


_PARSERS: dict[ColumnType, Callable[[Any], Value]] = {
    "boolean": _boolean,
    "number": _number,
    "date": _date,
    "numbers": _numbers,
    "texts": _texts,
    "text": _text,
}
