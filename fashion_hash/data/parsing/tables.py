"""Tables of any form, a row at a time: CSV, TSV, JSON lines, a JSON array, Parquet, and each of them gzipped.

Files may be larger than memory, and so may be columns that nobody asked for. A row is {column: cell}; an empty cell is
None. Cells of CSV and TSV are text, those of JSON and Parquet keep their types (dates become ISO text).
"""

from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import itertools
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fashion_hash.core.extras import require_extra
from fashion_hash.data.parsing.fields import wrong_size
from fashion_hash.data.parsing.json_lines import Row as Row
from fashion_hash.data.parsing.json_lines import json_rows
from fashion_hash.data.parsing.table_text import MOST_CHARACTERS, TextLines
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError, suggest

FORMS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
}
"""The form of a table by the end of its name; .gz may follow."""

SEPARATORS = (",", ";", "\t", "|")
_LOOK_AT = 1000  # objects of a JSON file whose keys are its columns
_BATCH = 4096  # rows of Parquet in memory


def table_form(path: str | Path) -> str | None:
    """The form of a table by its file name: "csv", "tsv", "json" or "parquet"; None if it is not a table."""
    name = Path(path).name.lower().removesuffix(".gz")
    return next((form for suffix, form in FORMS.items() if name.endswith(suffix)), None)


def table_columns(path: str | Path) -> tuple[str, ...]:
    """The names of the columns of a table, in order; of JSON, the keys of its first 1,000 objects.

    Raises:
        DataError: the file is not a table, cannot be read, is empty, or has a column twice.
    """
    path = Path(path)
    form = _form(path)
    if form == "parquet":
        with _Parquet(path) as parquet:
            return _checked(path, 1, list(parquet.columns))
    if form == "json":
        rows = itertools.islice(json_rows(path, lambda error: None), _LOOK_AT)
        return tuple(dict.fromkeys(str(name) for _, row in rows for name in row))
    with TextLines(path) as lines:
        return _header(path, lines, form)[1]


def read_table(
    path: str | Path, columns: Sequence[str] | None = None, report: Reporter = stop
) -> Iterator[tuple[int, Row]]:
    """The rows of a table with the line on which each begins (Parquet: the number of the row), counted from 1.

    Args:
        path: the file; its name says its form (`FORMS`).
        columns: the columns to read; by default all. Every row has each of them.
        report: called with each row that cannot be read; the default raises the first.

    Raises:
        DataError: the file is not a table, cannot be read, is empty or lacks a column; with the nearest names.
    """
    path = Path(path)
    if columns is not None:
        check_has(path, columns, table_columns(path))
    form = _form(path)
    if form == "parquet":
        return _parquet_rows(path, columns)
    if form == "json":
        return _picked(json_rows(path, report), columns)
    return _delimited_rows(path, form, columns, report)


def check_has(path: Path, columns: Sequence[str], known: Sequence[str]) -> None:
    """Raises DataError, with the nearest names, if a table lacks one of the columns."""
    for name in columns:
        if name not in known:
            listed = ", ".join(known)
            listed = listed if len(listed) <= 300 else f"{listed[:300]}..."
            raise DataError(f"{path}: no column {name!r}{suggest(name, known)}; the columns are {listed}")


def _form(path: Path) -> str:
    form = table_form(path)
    if form is None:
        raise DataError(f"{path}: not the name of a table; it must end with {', '.join(FORMS)}, each also with .gz")
    return form


def _checked(path: Path, line: int, header: list[str]) -> tuple[str, ...]:
    """A header; only columns without a name may occur twice, and they are never read."""
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise DataError.at(path, line, f"the column {twice[0]!r} occurs twice: rename or remove one of them")
    if not any(header):
        raise DataError(f"{path} is empty: expected a header with the names of the columns")
    return tuple(header)


def _header(path: Path, lines: TextLines, form: str) -> tuple[str, tuple[str, ...]]:
    """The separator of a delimited table and its header; `lines` then stands on the first row."""
    if csv.field_size_limit() < MOST_CHARACTERS:
        csv.field_size_limit(MOST_CHARACTERS)  # descriptions in HTML exceed Python's 128 KiB
    first = next((line for line in lines if line.strip()), "")
    if re.fullmatch(r"\s*\"?sep=.\"?\s*", first):
        raise DataError.at(path, lines.line, f"{first.strip()!r} is a line for Excel alone: remove it")
    separator = "\t" if form == "tsv" else next((mark for mark in SEPARATORS if mark in first), ",")
    try:
        cells = next(csv.reader(itertools.chain([first], lines), delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise DataError.at(path, lines.line, _csv_problem(error)) from None
    return separator, _checked(path, lines.line, [cell.strip() for cell in cells])


def _delimited_rows(
    path: Path, form: str, columns: Sequence[str] | None, report: Reporter
) -> Iterator[tuple[int, Row]]:
    with TextLines(path) as lines:
        separator, header = _header(path, lines, form)
        asked = set(header if columns is None else columns)
        at = [(position, name) for position, name in enumerate(header) if name in asked and name]
        reader = csv.reader(lines, delimiter=separator, strict=True)
        line = lines.line + 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise DataError.at(path, line, _csv_problem(error)) from None
            if cells is None:
                return
            if len(cells) == len(header):
                yield line, {name: cells[position].strip() or None for position, name in at}
            elif any(cell.strip() for cell in cells):
                problem = f"{wrong_size(len(cells), len(header))} ({separator.join(header)[:300]})"
                report(DataError.at(path, line, problem))
            line = lines.line + 1


def _csv_problem(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "not CSV: a quotation mark is opened in this row and never closed"
    if "field larger" in text:
        return f"a cell of more than {MOST_CHARACTERS:,} characters: a quotation mark may be missing"
    if "new-line character" in text:
        return "not CSV: lines end with carriage returns alone; save the file with ordinary line ends"
    return f"not CSV: {text}"


def _picked(rows: Iterator[tuple[int, Row]], columns: Sequence[str] | None) -> Iterator[tuple[int, Row]]:
    for line, row in rows:
        yield line, row if columns is None else {name: row.get(name) for name in columns}


class _Parquet:
    """An open Parquet file; every failure of pyarrow becomes a DataError that names the file."""

    def __init__(self, path: Path) -> None:
        require_extra("parquet", f"{path}: reading Parquet", "pyarrow")
        self._path = path

    def __enter__(self) -> _Parquet:
        import pyarrow.parquet

        try:
            self._stream = gzip.open(self._path) if self._path.suffix.lower() == ".gz" else open(self._path, "rb")
        except OSError as error:
            raise DataError(f"cannot read {self._path}: {error.strerror}") from None
        try:
            self._file = pyarrow.parquet.ParquetFile(self._stream)
        except (OSError, EOFError, ValueError, zlib.error, pyarrow.ArrowException) as error:
            self._stream.close()
            raise DataError(f"{self._path}: not a readable Parquet file: {error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._stream.close()

    @property
    def columns(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    def batches(self, columns: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
        import pyarrow

        try:
            for batch in self._file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                yield {name: self._cells(name, batch.column(name)) for name in columns}
        except (OSError, EOFError, ValueError, zlib.error, pyarrow.ArrowException) as error:
            raise DataError(f"{self._path}: not a readable Parquet file: {error}") from None

    def _cells(self, name: str, column: Any) -> list[Any]:
        try:
            return list(column.to_pylist())
        except OverflowError as error:
            raise DataError(
                f"{self._path}: column {name!r} holds a date beyond the years 1 to 9999 ({error}): mend the cell, or "
                "leave the column out"
            ) from None


def _parquet_rows(path: Path, columns: Sequence[str] | None) -> Iterator[tuple[int, Row]]:
    row = 0
    with _Parquet(path) as parquet:
        names = [name for name in (parquet.columns if columns is None else columns) if name]
        for batch in parquet.batches(names):
            for cells in zip(*batch.values()):
                row += 1
                yield row, {name: _plain(cell) for name, cell in zip(names, cells)}


def _plain(cell: Any) -> Any:
    """A cell of Parquet as JSON could hold it: numbers, text, true and false, lists, None."""
    if isinstance(cell, (datetime.datetime, datetime.date)):
        return cell.isoformat()
    if isinstance(cell, decimal.Decimal) and cell.is_finite():
        return int(cell) if cell == cell.to_integral_value() else _without_loss(cell)
    if cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return cell


def _without_loss(cell: decimal.Decimal) -> float | str:
    """A decimal number as float, or as text if a float would lose digits."""
    number = float(cell)
    return number if decimal.Decimal(repr(number)) == cell else str(cell)
