"""One atomic file of RecBole (Zhao et al., CIKM 2021): a table with tabs whose header says the type of each column.

user_id:token	item_id:token	timestamp:float
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from fashion_hash.data.columns import ColumnType, Value
from fashion_hash.data.parsing.fields import short, wrong_size
from fashion_hash.data.parsing.table_text import MOST_CHARACTERS, TextLines
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError

KINDS = ("token", "token_seq", "float", "float_seq")
KIND_OF: dict[ColumnType, str] = {
    "boolean": "token",
    "number": "float",
    "date": "token",
    "numbers": "float_seq",
    "texts": "token_seq",
    "text": "token",
}
_SPACES = re.compile(r"[%\s]")


def write_atomic(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Writes a file; a cell that is None is empty. Returns the number of rows."""
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def read_header(path: Path) -> dict[str, str]:
    """The columns of a file with their types, in order. Raises DataError when the header is not one of RecBole."""
    with TextLines(path) as lines:
        return _columns(path, next(iter(lines), ""))


def read_atomic(path: Path, report: Reporter = stop) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a file with the line on which each begins; an empty cell is "".

    Args:
        path: the file.
        report: called with each row that is too short or too long; the default raises the first.

    Raises:
        DataError: the file cannot be read, or its header is not one of RecBole.
    """
    if csv.field_size_limit() < MOST_CHARACTERS:
        csv.field_size_limit(MOST_CHARACTERS)
    with TextLines(path) as lines:
        names = list(_columns(path, next(iter(lines), "")))
        reader, line = csv.reader(lines, delimiter="\t", strict=True), 2
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                problem = f"a cell begins with a quotation mark, but does not end with it ({error}): remove the mark"
                raise DataError.at(path, line, problem) from None
            if cells is None:
                return
            if len(cells) == len(names):
                yield line, dict(zip(names, cells))
            elif cells:
                report(DataError.at(path, line, wrong_size(len(cells), len(names))))
            line = lines.line + 1


def sequence(elements: Iterable[object]) -> str:
    """A sequence of tokens; blanks within a token are written as %20."""
    return " ".join(_SPACES.sub(lambda match: quote(match[0], safe=""), str(element)) for element in elements)


def elements_of(cell: str, escaped: bool) -> list[str]:
    """The tokens of a sequence; `escaped` says whether %20 in them is a blank."""
    return [unquote(token) if escaped else token for token in cell.split(" ") if token]


def number(cell: str, name: str) -> int | float:
    """A float of RecBole, as a whole number where it is written as one.

    Raises:
        DataError: it is no number, or not finite.
    """
    with suppress(ValueError):
        return int(cell)
    with suppress(ValueError):
        value = float(cell)
        if math.isfinite(value):
            return value
    raise DataError(f"{name} is {short(cell)}: expected a finite number")


def cell_of(value: Value | None, column_type: ColumnType) -> object:
    """A value of a column as a file holds it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return sequence(value)
    return repr(value) if column_type == "number" else value


def value_of(cell: str, name: str, column_type: ColumnType) -> Value | None:
    """The value that `cell_of` wrote. Raises DataError when it is none of the type."""
    if not cell:
        return None
    if column_type == "boolean":
        if cell not in ("true", "false"):
            raise DataError(f"{name} is {short(cell)}: expected true or false")
        return cell == "true"
    if column_type == "number":
        return number(cell, name)
    if column_type == "numbers":
        return [number(element, name) for element in elements_of(cell, True)]
    return elements_of(cell, True) if column_type == "texts" else cell


def _columns(path: Path, header: str) -> dict[str, str]:
    columns: dict[str, str] = {}
    if not header.strip():
        raise DataError(f"{path} is empty: expected a header of columns such as user_id:token, with tabs between them")
    if "\t" not in header and "," in header:
        raise DataError.at(path, 1, f"no tabs between the columns {short(header.strip())}: save the file with tabs")
    for cell in header.rstrip("\r\n").split("\t"):
        name, colon, kind = cell.rpartition(":")
        if not colon or not name or kind not in KINDS:
            raise DataError.at(path, 1, f"column {short(cell)}: expected NAME:TYPE with a type of {', '.join(KINDS)}")
        if name in columns:
            raise DataError.at(path, 1, f"the column {name!r} occurs twice")
        columns[name] = kind
    return columns
