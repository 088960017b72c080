"""JSON a record at a time, so that files may be larger than memory: lines, arrays, and mappings; each also gzipped."""

from __future__ import annotations

import ast
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fashion_hash.data.parsing.table_text import MOST_CHARACTERS, TextLines
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_TOO_EARLY = 64  # characters before the end of what was read: a fault there is not for lack of the rest
_BETWEEN = re.compile(r"[\s,]*")
_COLON = re.compile(r"\s*:\s*")

Row = dict[str, Any]


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


_DECODER = json.JSONDecoder(parse_constant=constant)


def _literal(raw: bytes) -> Any:
    try:
        return ast.literal_eval(raw.decode("utf-8"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)


def json_rows(
    path: Path, report: Reporter = stop, decoder: json.JSONDecoder | None = None
) -> Iterator[tuple[int, Row]]:
    """The objects of JSON lines, or of one JSON array, each with the line on which it begins; empty texts are None.

    Args:
        path: the file.
        report: called with each value that is not an object; the default raises the first.
        decoder: reads the values; by default NaN is an empty cell.

    Raises:
        DataError: the file is missing or empty, or what stands there is not JSON, or the array is cut off.
    """
    decoder = decoder or _DECODER
    if _first_mark(path, "one JSON object a line, or an array of objects") == "[":
        for line, _, row in _members(path, "[", decoder):
            if isinstance(row, dict):
                yield line, _cleaned(row)
            else:
                report(DataError.at(path, line, f"expected an array of objects, got {kind_of(row)} in it"))
        return
    with TextLines(path) as lines:
        yield from _line_objects(lines, report, decoder)


def json_entries(
    path: Path, report: Reporter = stop, decoder: json.JSONDecoder | None = None
) -> Iterator[tuple[int, str, Row]]:
    """The entries of one JSON object whose values are objects: line, key and value. Else as `json_rows`."""
    if _first_mark(path, "a JSON object") != "{":
        raise DataError.at(path, 1, "expected one JSON object, {key: {...}, ...}")
    for line, key, row in _members(path, "{", decoder or _DECODER):
        if isinstance(row, dict):
            yield line, key, _cleaned(row)
        else:
            report(DataError.at(path, line, f"entry {key!r}: expected an object, got {kind_of(row)}"))


def kind_of(value: object) -> str:
    """What JSON calls a value, with its article."""
    names = {dict: "an object", list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _first_mark(path: Path, expected: str) -> str:
    with TextLines(path) as lines:
        first = next((mark[0] for block in lines.blocks() if (mark := block.lstrip())), "")
    if not first:
        raise DataError(f"{path} is empty: expected {expected}")
    return first


def _cleaned(row: Row) -> Row:
    """A row whose empty texts are None, as in CSV."""
    return {name: None if value == "" else value for name, value in row.items()}


def _line_objects(lines: TextLines, report: Reporter, decoder: json.JSONDecoder) -> Iterator[tuple[int, Row]]:
    for line in lines:
        if not (text := line.strip()):
            continue
        try:
            row = decoder.decode(text)
        except (ValueError, RecursionError) as error:
            report(DataError.at(lines.path, lines.line, f"not JSON: {_reason(error)}"))
            continue
        if isinstance(row, dict):
            yield lines.line, _cleaned(row)
        else:
            report(DataError.at(lines.path, lines.line, f"expected a JSON object on each line, got {kind_of(row)}"))


def _members(path: Path, opening: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, str, Any]]:
    """The members of an array ("[") or an object ("{"): line, key ("" in an array) and value.

    As much of the file is in memory as one member needs, and a block more.
    """
    closing, kind = ("]", "array") if opening == "[" else ("}", "object")
    with TextLines(path) as lines:
        blocks = lines.blocks()
        text, line, at, opened = "", 1, 0, False
        while True:
            start = at
            at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
            line += text.count("\n", start, at)
            if not opened and text.startswith(opening, at):
                opened, at = True, at + 1
                continue
            if opened and text.startswith(closing, at):
                return
            problem: Exception | None = None
            if at < len(text):
                try:
                    key, value, end = _member(text, at, opening, decoder)
                except (ValueError, RecursionError) as error:
                    problem = error
                else:
                    yield line, key, value
                    line += text.count("\n", at, end)
                    at = end
                    continue
            block = "" if problem and _is_final(problem, text, at) else next(blocks, "")
            if not block:
                cut_off = f"the {kind} is not closed: the file is cut off"
                if problem and not _is_at_end(problem, text):
                    raise DataError.at(path, line, f"not JSON: {_reason(problem)}")
                within = "not JSON: the file ends within a value: it is cut off" if problem else cut_off
                raise DataError.at(path, line, f"{within}; fetch it again")
            text, at = text[at:] + block, 0


def _member(text: str, at: int, opening: str, decoder: json.JSONDecoder) -> tuple[str, Any, int]:
    """Key, value and end of the member at a place. Raises ValueError where there is none, or not a whole one."""
    key = ""
    if opening == "{":
        name, end = decoder.raw_decode(text, at)
        colon = _COLON.match(text, end)
        if not isinstance(name, str) or colon is None:
            raise json.JSONDecodeError("Expecting a key in quotation marks and a colon", text, end)
        key, at = name, colon.end()
    value, end = decoder.raw_decode(text, at)
    return key, value, end


def _is_final(error: Exception, text: str, start: int) -> bool:
    """Whether JSON from `start` that cannot be read would remain so, whatever follows it."""
    if not isinstance(error, json.JSONDecodeError) or len(text) - start > MOST_CHARACTERS:
        return True
    return error.pos < len(text) - _TOO_EARLY and not error.msg.startswith("Unterminated string")


def _is_at_end(error: Exception, text: str) -> bool:
    """Whether JSON cannot be read because the text ends too early."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip())
