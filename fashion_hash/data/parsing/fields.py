"""Fields that logs and reviews have in common: ids and times, whatever way they are written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fashion_hash.errors import DataError

_MILLISECONDS = 10**11  # seconds would be the year 5138


def required_id(row: Mapping[str, Any], name: str) -> str:
    """An id of a row: a string or a whole number. Raises DataError when it is empty or something else."""
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise DataError(f"{name} is {value!r}: every review needs an id there")
    return str(value).strip()


def seconds(value: Any, name: str) -> int:
    """Unix seconds from a number of seconds or milliseconds. Raises DataError when it is none."""
    try:
        number = int(float(value)) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise DataError(f"{name} is {value!r}: expected a time in seconds or milliseconds")
    return number // 1000 if abs(number) >= _MILLISECONDS else number


def date_seconds(value: object, name: str) -> int:
    """Unix seconds of an ISO date such as "2018-07-07 22:09:11" (UTC unless it says otherwise)."""
    try:
        when = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise DataError(f"{name} is {value!r}: expected a date as 2018-07-07 22:09:11") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
