"""What the text in a cell may stand for beside a text: a number, true or false, a date, a list.

A form is one way of writing such values, such as dates with full stops or lists with bars. A cell may have several
forms; a column has those that all its cells share (data/column_types.py).
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from fashion_hash.errors import shown

TEXT, NUMBER, ISO, NUMBERS, TEXTS = "text", "number", "date", "numbers", "texts"
TEXT_ONLY, NUMBER_ONLY = frozenset({TEXT}), frozenset({NUMBER})

TRUTH = (
    *(("true", "false"), ("yes", "no"), ("ja", "nein"), ("oui", "non"), ("sí", "no"), ("si", "no")),
    *(("wahr", "falsch"), ("vrai", "faux"), ("verdadero", "falso")),
)
"""Words for true and false: English, German, French, Spanish."""

MARKS = ("|", ";", ",")
"""What separates the elements of a list that is written as text."""

ISO_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<time>[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
DATE_PARTS = re.compile(
    r"(?P<left>[0-9]{1,2})(?P<mark>[./-])(?P<right>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})"
    r"(?:[T ]+(?P<clock>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?))?"
)
"""Dates with full stops, slashes or hyphens: which of the first two numbers is the day must be found out."""

MOST_WHOLE = 2**53  # whole numbers up to it keep their digits as float64, which filters compare
_LONGEST, _LONGEST_ELEMENT, _MOST_WORDS = 400, 20, 2  # characters of a list, of an element; words of an element

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
# an exponent has a sign where a program wrote a number; without it, "12E4" is the code of an article
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-][0-9]+)?")
# "59,90", "1.259,90" and "1,259.90", as shops export prices; "1,259" may be either and stays a text
_COMMA = re.compile(r"-?((0|[1-9][0-9]*)|[1-9][0-9]{0,2}(\.[0-9]{3})+),[0-9]{1,2}")
_GROUPED = re.compile(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+\.[0-9]{1,2}")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+")
_NOT_FINITE = re.compile(r"(?i)[+-]?(nan|inf|infinity)")
_YES = frozenset(yes for yes, _ in TRUTH)
_NO = frozenset(no for _, no in TRUTH)


def truth_form(yes: str, no: str) -> str:
    """The form of a column of two words."""
    return f"boolean {yes}/{no}"


def date_form(separator: str) -> str:
    """The form of dates such as 31.01.2026, by what stands between their numbers."""
    return f"date {separator}"


def list_form(mark: str) -> str:
    """The form of lists such as S|M|L."""
    return f"list {mark}"


@lru_cache(maxsize=8192)
def forms_of_text(cell: str) -> frozenset[str] | None:
    """The forms that a text may have; None for one that says what no column holds, such as NaN or 2026-02-30."""
    if cell.startswith("[") and cell.endswith("]"):
        return _forms_of_json(cell)
    if len(cell) > _LONGEST:
        return TEXT_ONLY
    word = cell.lower()
    if word in _YES or word in _NO:
        return frozenset({TEXT, *(truth_form(*pair) for pair in TRUTH if word in pair), *_single(cell)})
    if _NOT_FINITE.fullmatch(cell):
        return None
    number = with_point(cell)
    if _REAL.fullmatch(number):
        if not math.isfinite(float(number)):
            return None
        return frozenset({TEXT, *_list_forms(cell), *([NUMBER] if keeps_digits(number) else ())})
    if ISO_DATE.fullmatch(cell):
        return frozenset({ISO, TEXT}) if is_date(cell) else None
    if (parts := DATE_PARTS.fullmatch(cell)) and any(_day_of(cell, day_first) for day_first in (True, False)):
        return frozenset({date_form(parts["mark"]), TEXT})
    return frozenset({TEXT, *_list_forms(cell)})


def forms_of_value(value: object) -> frozenset[str] | None:
    """The forms of a value that is no text, such as a number or a list; None for one that no column holds."""
    if isinstance(value, bool):
        return frozenset({truth_form(*TRUTH[0])})
    if isinstance(value, int | float):
        if not isinstance(value, int):
            return NUMBER_ONLY if math.isfinite(value) else None
        return NUMBER_ONLY if abs(value) <= MOST_WHOLE else TEXT_ONLY
    if isinstance(value, date):
        return frozenset({ISO})
    if not isinstance(value, list):
        return None
    if all(isinstance(element, str) for element in value):
        return frozenset({TEXTS}) if value else frozenset({NUMBERS, TEXTS})
    numbers = all(forms_of_value(element) == NUMBER_ONLY for element in value)
    return frozenset({NUMBERS, TEXTS}) if numbers else None


def truth_of(text: str) -> bool:
    """True or false, in any of the languages. Raises ValueError for other words."""
    word = text.strip().lower()
    if word not in _YES and word not in _NO:
        raise ValueError
    return word in _YES


def number_of(text: str) -> int | float:
    """The number in a text. Raises ValueError where it is not one, or would lose digits."""
    cell = with_point(text.strip())
    if not (_REAL.fullmatch(cell) and math.isfinite(float(cell)) and keeps_digits(cell)):
        raise ValueError
    return int(cell) if _WHOLE.fullmatch(cell) else float(cell)


def is_number(text: str) -> bool:
    """Whether `number_of` reads the text."""
    try:
        number_of(text)
    except ValueError:
        return False
    return True


def iso_date(text: str, day_first: bool | None = None) -> str:
    """A date in ISO form: one with full stops, slashes or hyphens is rewritten, others are left alone.

    Args:
        text: such as "31.01.2026", "01/31/2026 18:00" or "2026-01-31".
        day_first: whether the day stands before the month; None if nothing says so. Then it does in dates with
            full stops, and other dates must have only one meaning.

    Raises:
        ValueError: there is no such date, or it may be two.
    """
    if (parts := DATE_PARTS.fullmatch(text)) is None:
        return text
    if day_first is None and parts["mark"] == ".":
        day_first = True
    readings = [_day_of(text, order) for order in ((True, False) if day_first is None else (day_first,))]
    days = {day for day in readings if day is not None}
    if len(days) != 1:
        what = "not a date" if not days else "one of two dates: nothing says which number is the day"
        raise ValueError(f"{text!r} is {what}")
    clock = parts["clock"] or ""
    return days.pop().isoformat() + (f"T{clock.zfill(5 if clock.count(':') == 1 else 8)}" if clock else "")


def mark_of(text: str) -> str | None:
    """The only one of MARKS in a text, decimal commas aside; None if there is none, or several."""
    marks = [mark for mark in MARKS if mark in text]
    if len(marks) == 2 and marks[1] == "," and all(map(is_number, elements_of(text, marks[0]))):
        return marks[0]
    return marks[0] if len(marks) == 1 else None


def elements_of(text: str, mark: str | None) -> list[str]:
    """The elements of a list that is written as text; a text without the mark is one element."""
    parts = [part.strip() for part in (text.split(mark) if mark else [text])]
    return [part for part in parts if part]


def is_element(text: str) -> bool:
    """Whether a text is short enough for an element of a list, rather than a part of a sentence."""
    return len(text) <= _LONGEST_ELEMENT and len(text.split()) <= _MOST_WORDS and "%" not in text


def is_date(text: str) -> bool:
    """Whether a text is an ISO date that exists."""
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
        if not ISO_DATE.fullmatch(value):
            raise ValueError(f"{shown(value)} is not an ISO date")
        value = datetime.fromisoformat(value)
    elif not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def with_point(cell: str) -> str:
    """A number with a decimal comma or with groups of thousands as Python writes it; other texts as they are."""
    if _COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell.replace(",", "") if _GROUPED.fullmatch(cell) else cell


def keeps_digits(cell: str) -> bool:
    """Whether a float64 holds a number with all its digits."""
    if _WHOLE.fullmatch(cell):
        return len(cell) <= 17 and abs(int(cell)) <= MOST_WHOLE
    return Decimal(cell) == Decimal(repr(float(cell)))


def _forms_of_json(cell: str) -> frozenset[str] | None:
    try:
        forms = forms_of_value(json.loads(cell))
    except (ValueError, RecursionError):
        return TEXT_ONLY
    return None if forms is None else forms | TEXT_ONLY


def _list_forms(cell: str) -> frozenset[str] | tuple[str, ...]:
    mark = mark_of(cell)
    if mark is None:
        return _single(cell)
    elements = elements_of(cell, mark)
    if not elements or _THOUSANDS.fullmatch(cell) or not all(map(is_element, elements)):
        return ()
    return (list_form(mark),)


def _single(cell: str) -> tuple[str, ...]:
    """One element may stand in a list of any form."""
    single = not any(mark in cell for mark in MARKS) and is_element(cell)
    return tuple(map(list_form, MARKS)) if single else ()


def _day_of(text: str, day_first: bool) -> date | None:
    """The day of a date with full stops, slashes or hyphens; None if there is no such day."""
    parts = DATE_PARTS.fullmatch(text)
    assert parts is not None
    left, right = int(parts["left"]), int(parts["right"])
    day, month = (left, right) if day_first else (right, left)
    try:
        return date(int(parts["year"]), month, day)
    except ValueError:
        return None
