"""Lines of a large text file, one at a time: checked for what no text holds, whatever its line ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fashion_hash.data.parsing.table_text import open_bytes
from fashion_hash.data.parsing.text_tables import Reporter
from fashion_hash.errors import DataError

MOST_BYTES = 1 << 26  # of a line


def read_lines(path: Path, report: Reporter) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, each with its number from 1; a byte order mark and CRLF are passed over.

    The file may be gzipped.

    Args:
        path: the file.
        report: called with each line that is not UTF-8 or holds a NUL byte; it is left out.

    Raises:
        DataError: the file cannot be read, or a line is longer than 64 MiB.
    """
    number = 0
    with open_bytes(path) as stream:
        while raw := stream.readline(MOST_BYTES):
            number += 1
            if len(raw) == MOST_BYTES:
                raise DataError.at(path, number, f"a line of more than {MOST_BYTES:,} bytes: this is no table")
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                report(DataError.at(path, number, "not UTF-8 text: save the file as UTF-8"))
                continue
            if "\0" in line:
                report(DataError.at(path, number, "a NUL byte: the file is damaged"))
            elif line.strip():
                yield number, line
