"""Numbers and ids in text files: read in bulk, and every bad line named.

All readers take `report`, which is called with each fault found. The default raises the first
one; `check` collects them instead and goes on with what is good.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.parsing.fields import id_text, separator_hint, wrong_size
from fashion_hash.data.parsing.table_text import open_bytes
from fashion_hash.errors import DataError

Reporter = Callable[[DataError], None]

_ODD_FIRST_CELL = re.compile(rb"(?m)^(?!(?:0|[1-9][0-9]*),)(?!\Z)")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def stop(error: DataError) -> None:
    """The default `report`: the first fault ends the reading."""
    raise error


@contextmanager
def located(path: object, line: int) -> Iterator[None]:
    """A DataError of the block gets file and line in front."""
    try:
        yield
    except DataError as error:
        raise DataError.at(path, line, str(error)) from None


def read_rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV text, without blanks around the cells, each with the line on which it begins.

    Quotation marks around cells are removed; empty lines are skipped. Raises DataError, with file and line, where
    the text is not CSV.
    """
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, [cell.strip() for cell in row]
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError.at(path, line, f"not CSV: {error}") from None


def read_text(path: Path) -> str:
    """A whole text file, plain or gzipped; a byte order mark is dropped. Raises DataError when it is not UTF-8."""
    with open_bytes(path) as stream:
        raw = stream.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError.at(path, line, "not UTF-8 text: save the file as UTF-8") from None


def in_order(ids: Iterable[str]) -> list[str]:
    """Distinct ids in numeric order when all are integers, else in alphabetical order."""
    distinct = set(ids)
    if all(_INTEGER.fullmatch(item) for item in distinct):
        return sorted(distinct, key=lambda item: (int(item), item))
    return sorted(distinct)


def read_header(path: Path) -> tuple[str, ...] | None:
    """The first line of a file of tuples; None when it is data: a cell after the first is a number."""
    with open(path, "rb") as stream:
        line = stream.readline(65536).decode("utf-8-sig", errors="replace")
    first = next((row for _, row in read_rows(path, line)), [""])
    if first == [""] or any(_INTEGER.fullmatch(cell) for cell in first[1:]):
        return None
    return tuple(first)


@dataclass(frozen=True)
class Tuples:
    """One file of outfits: N lines, G outfits side by side on each, S slots.

    Attributes:
        path: the file.
        names: the distinct user ids of the file.
        users: (N, G) int32, positions in `names`.
        items: (N, G, S) int64, as in the file; EMPTY (-1) where the slot holds nothing.
        good: (N,) bool, False for lines that were reported; they hold EMPTY and user 0.
        lines: (N,) int64, line numbers, from 1.
    """

    path: Path
    names: tuple[str, ...]
    users: np.ndarray
    items: np.ndarray
    good: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def reject(self, bad: np.ndarray, problem: Callable[[int], str], report: Reporter) -> None:
        """Reports the rows of the mask `bad`, each with `problem(row)`, and marks them."""
        for row in np.flatnonzero(bad & self.good):
            report(DataError.at(self.path, int(self.lines[row]), problem(int(row))))
        self.good[bad] = False


def read_tuples(
    path: Path, names: Sequence[str], header: bool, group: int | None = 1, report: Reporter = stop
) -> Tuples:
    """Reads lines of `user,item,item,...`, `group` times side by side.

    Args:
        path: the file.
        names: the names of the slots, for messages.
        header: whether to skip the first line.
        group: outfits on a line; None takes it from the first line (two at least).
        report: called with each fault: row too short or too long, not a number.
    """
    data = read_text(path)
    width = len(names) + 1
    if group is None:
        first = data.partition("\n")[0]
        group = max(2, (first.count(",") + 1) // width)
    if group == 1 and (fast := _read_in_bulk(path, data, width, header)) is not None:
        return fast
    return _read_by_line(path, data, names, header, group, report)


def _read_in_bulk(path: Path, data: str, width: int, header: bool) -> Tuples | None:
    """A file of plain numbers, without a fault; None when it is anything else."""
    raw = data.encode()
    start = raw.find(b"\n") + 1 if header else 0
    if not raw[start:].strip() or _ODD_FIRST_CELL.search(raw, start):
        return None
    try:
        table = np.loadtxt(path, np.int64, comments=None, delimiter=",", skiprows=int(header), ndmin=2)
    except (ValueError, DeprecationWarning):
        return None
    if table.shape[1] != width:
        return None
    users, rows = np.unique(table[:, 0], return_inverse=True)
    return Tuples(
        path,
        tuple(map(str, users.tolist())),
        rows.reshape(-1, 1).astype(np.int32),
        table[:, None, 1:],
        np.ones(len(table), dtype=bool),
        np.arange(len(table), dtype=np.int64) + 1 + int(header),
    )


def _read_by_line(path: Path, data: str, names: Sequence[str], header: bool, group: int, report: Reporter) -> Tuples:
    width = len(names) + 1
    known: dict[str, int] = {}
    users, items, good, lines = [], [], [], []
    for number, row in read_rows(path, data):
        if header and number == 1:
            continue
        problem = _fault(row, width, names, group)
        if problem:
            report(DataError.at(path, number, problem))
            users.append([0] * group)
            items.append([EMPTY] * (group * len(names)))
        else:
            users.append([known.setdefault(user, len(known)) for user in row[::width]])
            items.append([int(cell) for at, cell in enumerate(row) if at % width])
        good.append(not problem)
        lines.append(number)
    return Tuples(
        path,
        tuple(known),
        np.array(users, dtype=np.int32).reshape(-1, group),
        np.array(items, dtype=np.int64).reshape(-1, group, len(names)),
        np.array(good, dtype=bool),
        np.array(lines, dtype=np.int64),
    )


def _fault(row: list[str], width: int, names: Sequence[str], group: int) -> str:
    """What is wrong with one line, or nothing."""
    if len(row) != width * group:
        expected = ",".join(["user", *names]) + (f", {group} times side by side" if group > 1 else "")
        return f"{wrong_size(len(row), width * group)} ({expected}){separator_hint(row)}"

    try:
        id_text(row[0], "user")
    except DataError as error:
        return str(error)
    if not all(row[::width]):
        return "the user is empty: every outfit needs a user id"
    if len(set(row[::width])) > 1:
        return f"the outfits of one line belong to different users: {sorted(set(row[::width]))}"
    for at, cell in enumerate(row):
        if at % width and not _INTEGER.fullmatch(cell):
            where = f"column {at + 1} ({names[at % width - 1]})"
            return f"{cell!r} in {where} is not a number: expected an index, or -1"
    return ""
