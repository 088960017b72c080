"""The types of a catalogue's columns, and the values they hold.

A column has one type, for the items of all types: numbers, true and false, dates, texts, lists of texts or
lists of numbers. It is found once, from the cells of a file, and kept by the bundle; what is added later is
read as that type or refused. A cell is read as something else than text only where nothing of it is lost:
"007", "12E4" and ids of 20 digits stay texts.

Dates are ISO dates, "2026-01-31", or dates with a time, "2026-01-31T18:00:00+01:00". A time is stored in UTC, as
"2026-01-31T17:00:00Z"; one without a zone is taken as UTC.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np

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
MOST_WHOLE = 2**53  # whole numbers up to it keep their digits as float64, which filters compare

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
# an exponent has a sign where a program wrote a number; without it, "12E4" is the code of an article
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-][0-9]+)?")
# "59,90", "1.259,90" and "1,259.90", as shops export prices; "1,259" may be either and stays a text
_COMMA = re.compile(r"-?((0|[1-9][0-9]*)|[1-9][0-9]{0,2}(\.[0-9]{3})+),[0-9]{1,2}")
_GROUPED = re.compile(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]{1,2}")
_NOT_FINITE = re.compile(r"(?i)[+-]?(nan|inf|infinity)")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT_ONLY: frozenset[ColumnType] = frozenset({"text"})
_NUMBER_ONLY: frozenset[ColumnType] = frozenset({"number"})
_LISTS: frozenset[ColumnType] = frozenset({"numbers", "texts"})


class ColumnTypes:
    """The types of the columns of a table, found from one row after another.

    Args:
        from_file: whether texts may stand for numbers, true and false and lists, as the cells of a file do; a
            column of several kinds is text then. Otherwise only dates are looked for among texts, and a column
            of several kinds has no type.
    """

    def __init__(self, from_file: bool = True) -> None:
        """No columns yet."""
        self._from_file = from_file
        self._possible: dict[str, frozenset[ColumnType]] = {}

    def see(self, row: Mapping[str, object]) -> None:
        """Takes in the cells of a row; None and "" are no values and say nothing."""
        for name, cell in row.items():
            possible = self._possible.get(name)
            if _is_blank(cell) or (possible == _TEXT_ONLY and isinstance(cell, str)):
                continue
            readings = _TEXT_ONLY if name in ALWAYS_TEXT else self._readings(cell)
            if readings is not None:
                self._possible[name] = readings if possible is None else possible & readings

    def _readings(self, cell: object) -> frozenset[ColumnType] | None:
        """What a cell may be; None for one that cannot be used, which `typed` will refuse."""
        cell = unboxed(cell)
        if self._from_file:
            if isinstance(cell, str):
                return _readings_of_text(cell)
            readings = _readings_of_value(cell)
            return readings if readings is None or readings & _LISTS else readings | {"text"}
        if isinstance(cell, str):
            return frozenset({"date", "text"}) if is_date(cell) else _TEXT_ONLY
        readings = _readings_of_value(cell)
        return frozenset() if readings is None else readings

    def found(self) -> dict[str, ColumnType]:
        """The type of each column that has one."""
        found = {name: _first(possible) for name, possible in self._possible.items() if possible}
        if self._from_file:  # lists beside single values: these will be refused
            found |= {name: "texts" for name, possible in self._possible.items() if not possible}
        return found

    def mixed(self) -> list[str]:
        """The columns of several kinds, which have no type."""
        return [name for name, possible in self._possible.items() if not possible and not self._from_file]


def types_of(rows: Iterable[Mapping[str, object]]) -> dict[str, ColumnType | None]:
    """The types of columns whose values have types already; None for a column of several kinds."""
    types = ColumnTypes(from_file=False)
    for row in rows:
        types.see(row)
    return {**types.found(), **dict.fromkeys(types.mixed())}


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
        return _PARSERS[_first(_usable(value)) if column_type is None else column_type](value)
    except (ValueError, OverflowError, RecursionError):
        written = shown(value, 60) if isinstance(value, str) else f"{shown(value, 60)} ({type(value).__name__})"
        if column_type is None or not (isinstance(value, str) or _readings_of_value(value)):
            raise DataError(f"column {shown(name)} cannot hold {written}: {USABLE}") from None
        raise DataError(f"column {shown(name)} holds {DESCRIBED[column_type]}, got {written}") from None


def typed_row(row: Mapping[str, object], types: Mapping[str, ColumnType]) -> dict[str, Value]:
    """The values of a row, each as the type of its column; without the columns that have none.

    Raises:
        DataError: as for `typed`.
    """
    cells = {name: cell for name, cell in row.items() if not _is_blank(cell)}
    values = {name: typed(name, cell, types.get(name, "text")) for name, cell in cells.items()}
    return {name: value for name, value in values.items() if value is not None}


def type_of(name: str, value: object) -> ColumnType:
    """The type that a new column gets from its first value; a text stays a text.

    Raises:
        DataError: the value cannot be used, such as a mapping or NaN.
    """
    if name in ALWAYS_TEXT:
        return "text"
    value = unboxed(value)
    try:
        return _first(_usable(value))
    except ValueError:
        written = f"{shown(value, 60)} ({type(value).__name__})"
        raise DataError(f"column {shown(name)} cannot hold {written}: {USABLE}") from None


def words_of(value: object) -> str:
    """The words of a value; those of a list one after the other."""
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def is_date(text: str) -> bool:
    """Whether a text is an ISO date that exists."""
    if not _DATE.fullmatch(text):
        return False
    try:
        date_of(text)
    except (ValueError, OverflowError):
        return False
    return True


def date_of(value: str | date) -> datetime:
    """The moment of a date, in UTC: its midnight, or its time.

    Raises:
        ValueError: the text is not an ISO date.
        OverflowError: its year in UTC is not from 1 to 9999.
    """
    if isinstance(value, str):
        if not _DATE.fullmatch(value):
            raise ValueError(f"{shown(value)} is not an ISO date")
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


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


def _first(possible: Collection[ColumnType]) -> ColumnType:
    return next(column_type for column_type in DESCRIBED if column_type in possible)


def _usable(value: object) -> frozenset[ColumnType]:
    """What a value may be; a text is only a text. Raises ValueError when it is nothing that a column holds."""
    readings = _TEXT_ONLY if isinstance(value, str) else _readings_of_value(value)
    if readings is None:
        raise ValueError
    return readings


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell)


def _readings_of_text(cell: str) -> frozenset[ColumnType] | None:
    if cell.lower() in ("true", "false"):
        return frozenset({"boolean", "text"})
    if _NOT_FINITE.fullmatch(cell):
        return None
    cell = _with_point(cell)
    if _REAL.fullmatch(cell):
        if not math.isfinite(float(cell)):
            return None
        return frozenset({"number", "text"}) if _keeps_digits(cell) else _TEXT_ONLY
    if _DATE.fullmatch(cell):
        return frozenset({"date", "text"}) if is_date(cell) else None
    if cell.startswith("[") and cell.endswith("]"):
        try:
            readings = _readings_of_value(json.loads(cell))
        except (ValueError, RecursionError):
            return _TEXT_ONLY
        return None if readings is None else readings | {"text"}
    return _TEXT_ONLY


def _readings_of_value(value: object) -> frozenset[ColumnType] | None:
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, int | float):
        if not isinstance(value, int):
            return _NUMBER_ONLY if math.isfinite(value) else None
        return _NUMBER_ONLY if abs(value) <= MOST_WHOLE else _TEXT_ONLY
    if isinstance(value, date):
        return frozenset({"date"})
    if not isinstance(value, list):
        return None
    if all(isinstance(element, str) for element in value):
        return frozenset({"texts"}) if value else _LISTS
    numbers = all(_readings_of_value(element) == _NUMBER_ONLY for element in value)
    return _LISTS if numbers else None


def _with_point(cell: str) -> str:
    """A number with a decimal comma or with groups of thousands as Python writes it; other texts as they are."""
    if _COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell.replace(",", "") if _GROUPED.fullmatch(cell) else cell


def _keeps_digits(cell: str) -> bool:
    """Whether a float64 holds a number with all its digits."""
    if _WHOLE.fullmatch(cell):
        return len(cell) <= 17 and abs(int(cell)) <= MOST_WHOLE
    return Decimal(cell) == Decimal(repr(float(cell)))


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    raise ValueError


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        cell = _with_point(value.strip())
        if _REAL.fullmatch(cell) and math.isfinite(float(cell)) and _keeps_digits(cell):
            return int(cell) if _WHOLE.fullmatch(cell) else float(cell)
    elif isinstance(value, int | float) and _readings_of_value(value) == _NUMBER_ONLY:
        return value
    raise ValueError


def _date(value: Any) -> str:
    if isinstance(value, str):
        value = value.strip()
        if _DATE.fullmatch(value) and len(value) == 10:
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
        value = json.loads(value)
    if not isinstance(value, list) or any(isinstance(element, bool | list | dict | None) for element in value):
        raise ValueError
    return value


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
