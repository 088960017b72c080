"""Fields that all formats have in common: ids and the names of columns, however they are written."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fashion_hash.errors import DataError, counted

_EXACT = 2**53  # whole numbers below it survive as floating-point numbers
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def id_text(value: object, name: str) -> str:
    """The id that a cell holds, "" for an empty cell: the one place where a cell becomes an id.

    Text loses the blanks around it; whole numbers keep their digits. A floating-point number such as 1.0, which
    tables write for the whole numbers of a column with empty cells, is the id "1".

    Args:
        value: text, a number, or None (NaN) for an empty cell.
        name: of the column, for messages.

    Raises:
        DataError: the cell holds something else (true, a list, an object, 1.5), or a control character.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        text = value.strip()
        if bad := _CONTROL.search(text):
            raise DataError(f"{name} {short(text)} contains the control character {bad[0]!r}: ids are plain text")
        return text
    if not isinstance(value, bool):
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
            return str(int(value))
    raise DataError(f"{name} is {short(value)}, of type {type(value).__name__}: an id is text or a whole number")


def required_id(row: Mapping[str, Any], name: str) -> str:
    """The id in a column of a row (`id_text`). Raises DataError when it is empty or no id."""
    text = id_text(row[name], name)
    if not text:
        raise DataError(f"{name} is empty: every review needs an id there")
    return text


def check_columns(columns: Sequence[str], names: Mapping[str, Sequence[str]]) -> None:
    """Refuses columns that occur twice or mean the same, and a header that was not split into columns.

    Args:
        columns: the names in the header.
        names: by the name we use, what a column may be called.

    Raises:
        DataError: naming the columns.
    """
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(f"the column {twice[0]!r} occurs twice: keep one of them")
    for others in names.values():
        rivals = [column for column in columns if column in others]
        if len(rivals) > 1:
            raise DataError(f"the columns {' and '.join(map(repr, rivals))} mean the same: keep one of them")


def separator_hint(cells: Sequence[str]) -> str:
    """What to say of a line of too few cells that seems to use another separator; "" when it does not."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(cells) <= 1 and separator in "".join(cells):
            return f"; the cells seem to be separated by {name}: save the file with commas"
    return ""


def without_trailing_zero(cells: Iterable[str]) -> list[str]:
    """Cells such as "12.0", which tables write for whole numbers of a column with empty cells, as "12"."""
    return [cell[:-2] if cell.endswith(".0") and cell[:-2].isdecimal() else cell for cell in cells]


def short(value: object) -> str:
    """A value as Python writes it, cut to 60 characters, for messages."""
    try:
        words = repr(value)
    except ValueError:  # a number of thousands of digits
        words = "a very large number"
    return words if len(words) <= 60 else f"{words[:60]}..."


def wrong_size(found: int, expected: int, what: str = "cell") -> str:
    """What is wrong with a row that has more or fewer cells than it should: "row too short: 1 cell, expected 3"."""
    return f"row too {'short' if found < expected else 'long'}: {counted(found, what)}, expected {expected}"
