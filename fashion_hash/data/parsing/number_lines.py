"""Lines of whole numbers, any number of them on each: parsed by numpy, a block of the file at a time.

Shapes: L lines, V numbers of all lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_hash.data.parsing.fields import wrong_size
from fashion_hash.data.parsing.table_text import open_bytes
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.errors import DataError

BLOCK = 1 << 23  # bytes
MOST_DIGITS = 18  # of a number that an int64 holds
MOST_BYTES = 1 << 26  # of a line

_SEPARATORS = np.zeros(256, dtype=bool)
_SEPARATORS[list(b" \t\r\n")] = True
_NEWLINE = ord("\n")


@dataclass(frozen=True)
class NumberLines:
    """The numbers of a file, line by line; empty lines and bad ones are left out.

    Attributes:
        path: the file.
        values: (V,) int64, at least 0.
        starts: (L + 1,) int64: line i holds values[starts[i] : starts[i + 1]], one number at least.
        lines: (L,) int64, line numbers from 1.
    """

    path: Path
    values: np.ndarray
    starts: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def counts(self) -> np.ndarray:
        """(L,) how many numbers each line holds."""
        return np.diff(self.starts)

    def table(self, names: tuple[str, ...], report: Reporter) -> tuple[np.ndarray, np.ndarray]:
        """The lines that hold one number for each name: (N, len(names)) int64, and their line numbers.

        Every other line is reported.
        """
        fits = self.counts == len(names)
        for row in np.flatnonzero(~fits).tolist():
            problem = f"{wrong_size(int(self.counts[row]), len(names), 'number')} ({' '.join(names)})"
            report(DataError.at(self.path, int(self.lines[row]), problem))
        return self.values[self.starts[:-1][fits][:, None] + np.arange(len(names))], self.lines[fits]

    def first_and_rest(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each line as its first number and those after it.

        Returns:
            (L,) the first numbers; (V - L,) the others; (V - L,) the first number of the line of each; and the
            line number of each.
        """
        keys = self.values[self.starts[:-1]]
        is_rest = np.ones(len(self.values), dtype=bool)
        is_rest[self.starts[:-1]] = False
        rest = self.counts - 1
        return keys, self.values[is_rest], np.repeat(keys, rest), np.repeat(self.lines, rest)


def read_number_lines(path: Path, report: Reporter) -> NumberLines:
    """Reads a text file of numbers with blanks between them; it may be gzipped, begin with a mark, and have CRLF.

    Args:
        path: the file.
        report: called with each line that holds anything else: a sign, a letter, a NUL byte, too long a number.

    Raises:
        DataError: the file cannot be read.
    """
    values, counts, lines = [], [], []
    before = 0
    for block in _blocks(path):
        data = np.frombuffer(block, dtype=np.uint8)
        parsed = _parse(path, data, before, report)
        values.append(parsed[0])
        counts.append(parsed[1])
        lines.append(parsed[2])
        before += int((data == _NEWLINE).sum())
    empty = np.zeros(0, dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), *counts]).cumsum()
    return NumberLines(path, np.concatenate([empty, *values]), starts, np.concatenate([empty, *lines]))


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in pieces that end with a line."""
    with open_bytes(path) as stream:
        rest = stream.read(3)
        rest = b"" if rest == b"\xef\xbb\xbf" else rest
        while piece := stream.read(BLOCK):
            cut = piece.rfind(b"\n") + 1
            if cut:
                yield rest + piece[:cut]
                rest = piece[cut:]
            else:
                rest += piece
                if len(rest) > MOST_BYTES:
                    raise DataError(f"{path}: a line of more than {MOST_BYTES:,} bytes: this is no text of numbers")
        if rest:
            yield rest


def _parse(path: Path, data: np.ndarray, before: int, report: Reporter) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of a block, how many each line holds, and the line numbers; lines without numbers are left out."""
    digit = (data >= ord("0")) & (data <= ord("9"))
    ends_line = data == _NEWLINE
    edges = np.diff(np.concatenate([[False], digit, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    line_of = np.searchsorted(np.flatnonzero(ends_line), starts)  # of each number, counted from 0
    lengths = ends - starts
    wrong = np.union1d(np.flatnonzero(~digit & ~_SEPARATORS[data]), starts[lengths > MOST_DIGITS])
    if wrong.size:
        bad_lines, first = np.unique(np.searchsorted(np.flatnonzero(ends_line), wrong), return_index=True)
        for line, at in zip(bad_lines.tolist(), wrong[first].tolist()):
            report(DataError.at(path, before + line + 1, _problem(data, at)))
        good = ~np.isin(line_of, bad_lines)
        starts, lengths, line_of = starts[good], lengths[good], line_of[good]
    values = np.zeros(len(starts), dtype=np.int64)
    for place in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        values[longer] = values[longer] * 10 + (data[starts[longer] + place] - ord("0"))
    lines, counts = np.unique(line_of, return_counts=True)
    return values, counts, before + lines + 1


def _problem(data: np.ndarray, at: int) -> str:
    """What is wrong with a byte that is no digit and no blank, or with the number that starts there."""
    byte = int(data[at])
    start = data[max(0, at - 16) : at].tobytes().rpartition(b"\n")[2]
    word = (start + data[at : at + 24].tobytes().partition(b"\n")[0]).decode("utf-8", errors="replace").strip()
    if byte == 0:
        return "a NUL byte: the file is damaged"
    if byte == ord("-"):
        return f"a negative number, near {word!r}: numbers must be at least 0"
    if ord("0") <= byte <= ord("9"):
        return f"a number of more than {MOST_DIGITS} digits, near {word!r}"
    return f"{word!r} is not a row of whole numbers: expected digits with blanks between them"
