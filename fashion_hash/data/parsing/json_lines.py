"""JSON lines, plain or gzipped, a line at a time: files may be larger than memory."""

from __future__ import annotations

import ast
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(
    path: str | Path, report: Reporter = stop, literals: bool = False
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a .json, .jsonl or .gz file with their line numbers; empty lines are passed over.

    Args:
        path: the file.
        report: called with each line that is not a JSON object; the default raises the first.
        literals: also accept Python literals, as the oldest Amazon metadata have them.

    Raises:
        DataError: the file is missing, empty or a broken gzip file.
    """
    empty = True
    for line, ended in read_raw_lines(path):
        raw = ended.strip()
        if not raw:
            continue
        empty = False
        try:
            row = json.loads(raw, parse_constant=constant)
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
            row = _literal(raw) if literals else None
            if row is None:
                report(DataError.at(path, line, f"not JSON: {_reason(error)}"))
                continue
        if isinstance(row, dict):
            yield line, row
        else:
            hint = ": one object a line is expected, not an array" if isinstance(row, list) or raw[:1] == b"[" else ""
            report(DataError.at(path, line, f"no JSON object but {type(row).__name__}{hint}"))
    if empty:
        raise DataError(f"{path} is empty: expected a JSON object on each line")


def read_raw_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a plain or gzipped file, counted from 1, without a byte order mark."""
    path, line = Path(path), 0
    try:
        with open(path, "rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else open(path, "rb") as stream:
            for line, raw in enumerate(stream, start=1):
                yield line, raw.removeprefix(BYTE_ORDER_MARK) if line == 1 else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError.at(path, line + 1, f"broken gzip file: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def constant(name: str) -> float | None:
    """What the words mean that Python writes for numbers that JSON lacks: NaN is an empty cell."""
    return None if name == "NaN" else float(name)


def _literal(raw: bytes) -> Any:
    try:
        return ast.literal_eval(raw.decode("utf-8"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
