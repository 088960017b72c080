"""Times as files write them, as Unix seconds; times without a zone are UTC. The only place where times are read.

A cell alone is read when it can mean one thing only: ISO dates, seconds, milliseconds. A column as a whole also
decides whether 03/04/2024 is in March or in April, and is refused when it does not; 03.04.2024 is in April.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.parsing.cells import DATE_PARTS
from fashion_hash.data.parsing.fields import short
from fashion_hash.errors import DataError

_MILLISECONDS, _MICROSECONDS = 10**11, 10**14  # as seconds 10**11 would be the year 5138

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?\s*(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_COMPACT = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")

ACCEPTED = "2024-01-31, 2024-01-31T18:05:00+01:00, seconds or milliseconds since 1970, 31.01.2024 or 01/31/2024"
_WORDS = {
    "iso": "ISO dates",
    "seconds": "seconds since 1970",
    "milliseconds": "milliseconds since 1970",
    ".": "dates with full stops",
    "/": "dates with slashes",
    "-": "dates with hyphens",
}


class _Cell(NamedTuple):
    """A cell that was recognised: a key of _WORDS, and what it was recognised by."""

    form: str
    value: int | tuple[int, int, int, str]


def column_times(cells: Sequence[object], column: str, path: Path, lines: Sequence[int]) -> np.ndarray:
    """The times of a whole column: (N,) int64, Unix seconds; NO_TIME for an empty cell.

    All cells have one format: ISO dates with or without time and zone; seconds or milliseconds since 1970; or
    days, months and years with full stops, slashes or hyphens, in an order that a day above 12 in any line makes sure
    of. With full stops the day stands first, unless a line says otherwise.

    Args:
        cells: N texts, numbers or dates (as Parquet gives them); None, NaN and "" are empty.
        column: its name, for messages.
        path: the file, for messages.
        lines: of the N cells, for messages.

    Raises:
        DataError: a cell is no time, or the column mixes formats or leaves the order of day and month open.
    """
    recognised: list[_Cell | None] = []
    first: int | None = None  # the first cell that is not empty
    for row, cell in enumerate(cells):
        try:
            seen = _recognise(cell, column)
        except DataError as error:
            raise DataError.at(path, lines[row], str(error)) from None
        if seen is not None:
            first = row if first is None else first
            form = _form(recognised[first]) if first < row else seen.form
            if seen.form != form:
                raise DataError.at(
                    path,
                    lines[row],
                    f"{column} is {short(cell)}, but line {lines[first]} has {short(cells[first])}: "
                    f"{_WORDS[seen.form]} and {_WORDS[form]} in one column; write all of them as {ACCEPTED}",
                )
        recognised.append(seen)
    times = np.full(len(recognised), NO_TIME, dtype=np.int64)
    if first is None:
        return times
    _refuse_compact(cells, column, path, lines)
    day_first = _day_first(recognised, column, path, lines)
    for row, seen in enumerate(recognised):
        if seen is not None:
            try:
                times[row] = seen.value if isinstance(seen.value, int) else _parted(seen.value, day_first)
            except ValueError as error:
                raise DataError.at(path, lines[row], f"{column} is {short(cells[row])}: {error}") from None
    return times


def time_seconds(value: object, name: str) -> int:
    """Unix seconds of a cell by itself: a number as for `seconds`, or a date as for `date_seconds`."""
    try:
        return seconds(value, name)
    except DataError:
        return date_seconds(value, name)


def seconds(value: object, name: str) -> int:
    """Unix seconds from a number of seconds or milliseconds. Raises DataError when it is not one."""
    try:
        number = int(float(value)) if not isinstance(value, bool) else None  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise DataError(f"{name} is {short(value)}: expected a time in seconds or milliseconds")
    return number // 1000 if abs(number) >= _MILLISECONDS else number


def date_seconds(value: object, name: str) -> int:
    """Unix seconds of an ISO date such as "2018-07-07 22:09:11" (UTC unless it says otherwise)."""
    try:
        return _unix(datetime.fromisoformat(str(value).strip()))
    except ValueError:
        raise DataError(f"{name} is {short(value)}: expected a date such as 2018-07-07 22:09:11") from None


def _recognise(cell: object, column: str) -> _Cell | None:
    """What a cell is, or None when it is empty. Raises DataError when it is no time."""
    if cell is None or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, date):  # a datetime is a date as well
        whole = cell if isinstance(cell, datetime) else datetime.combine(cell, time())
        return _Cell("iso", _unix(whole))
    text = cell.strip() if isinstance(cell, str) else "" if isinstance(cell, bool) else str(cell)
    if _NUMBER.fullmatch(text):
        number = int(float(text)) if "." in text else int(text)
        if abs(number) >= _MICROSECONDS:
            raise DataError(f"{column} is {short(cell)}: too large for seconds or milliseconds since 1970")
        milliseconds = abs(number) >= _MILLISECONDS
        return _Cell("milliseconds" if milliseconds else "seconds", number // 1000 if milliseconds else number)
    if match := _ISO.fullmatch(text):
        zone = match[1] or ""
        moment = text.removesuffix(zone).strip().replace(",", ".") + zone.replace("UTC", "Z")
        try:
            return _Cell("iso", _unix(datetime.fromisoformat(moment)))
        except ValueError as error:
            raise DataError(f"{column} is {short(cell)}: {error}") from None
    if match := DATE_PARTS.fullmatch(text):
        parts = int(match["left"]), int(match["right"]), int(match["year"]), match["clock"] or "0:00"
        return _Cell(match["mark"], parts)
    raise DataError(f"{column} is {short(cell)}: expected a time such as {ACCEPTED}")


def _day_first(recognised: Sequence[_Cell | None], column: str, path: Path, lines: Sequence[int]) -> bool:
    """Whether the day stands before the month in all dates of a column, by the days above 12."""
    dates = [(row, seen.value[:2]) for row, seen in enumerate(recognised) if seen and not isinstance(seen.value, int)]
    day_first = next((row for row, (left, _) in dates if left > 12), None)
    month_first = next((row for row, (_, right) in dates if right > 12), None)
    if day_first is not None and month_first is not None:
        later = max(day_first, month_first)
        raise DataError.at(
            path,
            lines[later],
            f"{column}: the day and the month have another order than in line {lines[min(day_first, month_first)]}: "
            "write dates as 2024-01-31",
        )
    if day_first is None and month_first is None and any(seen and seen.form == "." for seen in recognised):
        return True  # wherever dates are written with full stops
    if day_first is None and month_first is None and any(left != right for _, (left, right) in dates):
        row = next(row for row, (left, right) in dates if left != right)
        raise DataError.at(
            path,
            lines[row],
            f"{column}: no line of the column says which number is the day and which the month (none is above 12): "
            "write dates as 2024-01-31",
        )
    return day_first is not None


def _refuse_compact(cells: Sequence[object], column: str, path: Path, lines: Sequence[int]) -> None:
    """Refuses a column of numbers such as 20240131, which are dates, not seconds."""
    filled = [row for row, cell in enumerate(cells) if cell is not None and cell == cell and str(cell).strip()]
    if all(_COMPACT.fullmatch(str(cells[row]).strip()) for row in filled):
        raise DataError.at(
            path,
            lines[filled[0]],
            f"{column} is {short(cells[filled[0]])}: seconds since 1970, or a date without hyphens? Write dates as "
            "2024-01-31",
        )


def _parted(parts: tuple[int, int, int, str], day_first: bool) -> int:
    left, right, year, clock = parts
    day, month = (left, right) if day_first else (right, left)
    hour, minute, second = (int(part) for part in f"{clock}:0".split(":")[:3])
    return _unix(datetime(year, month, day, hour, minute, second))


def _form(seen: _Cell | None) -> str:
    return "" if seen is None else seen.form


def _unix(when: datetime) -> int:
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
