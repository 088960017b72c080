"""The lines of a text file, plain or gzipped, in UTF-8 or whatever its byte order mark says."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fashion_hash.errors import DataError

MOST_CHARACTERS = 16 * 2**20  # of a cell or a JSON object
_BLOCK = 2**20  # bytes
_LONGEST_LINE = 4 * MOST_CHARACTERS  # bytes
_MARKS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_file(path: Path) -> Path | None:
    """The file at a path, or the same gzipped, with .gz after its name; None where there is neither.

    Raises:
        DataError: a folder has the name.
    """
    for candidate in (path, path.with_name(f"{path.name}.gz")):
        if candidate.is_dir():
            raise DataError(f"{candidate} is a folder: expected a file; move or rename the folder")
        if candidate.is_file():
            return candidate
    return None


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a text file, unzipped where it is gzipped, whatever its name.

    Raises:
        DataError: on entry, if the file cannot be read, or is UTF-16 or UTF-32; while reading, if it is a broken gzip.
    """
    try:
        with open(path, "rb") as plain:
            start = plain.read(4)
        encoding = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
        if encoding != "utf-8":
            raise DataError(f"{path} is {encoding.upper()} text: save the file as UTF-8")
        zipped = start.startswith(b"\x1f\x8b")
        with cast(BinaryIO, gzip.open(path, "rb")) if zipped else open(path, "rb") as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: broken gzip file: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


class TextLines:
    """Iterates over the lines of a file, line ends included; at most one line is in memory.

    Attributes:
        line: the number of the last line that was read, from 1.

    Raises:
        DataError: on entry, if the file cannot be read; while iterating, if it is not text, with file and line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0

    def __enter__(self) -> TextLines:
        try:
            with open(self.path, "rb") as plain:
                zipped = plain.read(2) == b"\x1f\x8b"
            stream = gzip.open(self.path, "rb") if zipped else open(self.path, "rb")
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}") from None
        self._stream = stream
        self._lines = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def blocks(self) -> Iterator[str]:
        """The text in blocks of about a million characters; instead of the lines, not beside them."""
        with self._located():
            encoding = self._start()
            decoder = codecs.getincrementaldecoder(encoding)()
            while raw := self._stream.read(_BLOCK):
                try:
                    text = decoder.decode(raw)
                except UnicodeDecodeError as error:
                    self.line += raw.count(b"\n", 0, error.start) + 1
                    rest = raw[max(raw.rfind(b"\n", 0, error.start), 0) :]
                    problem = _not_utf8(rest) if encoding == "utf-8" else f"not whole {encoding.upper()} text"
                    raise DataError.at(self.path, self.line, problem) from None
                self.line += text.count("\n")
                yield text

    def _read(self) -> Iterator[str]:
        with self._located():
            encoding = self._start()
            yield from self._utf8() if encoding == "utf-8" else self._wide(encoding)

    def _start(self) -> str:
        """The encoding that the byte order mark says; the stream then stands behind the mark of UTF-8."""
        start = self._stream.read(4)
        mark, encoding = next(((mark, name) for mark, name in _MARKS if start.startswith(mark)), (b"", "utf-8"))
        self._stream.seek(0 if encoding != "utf-8" else len(mark))
        return encoding

    @contextmanager
    def _located(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError.at(self.path, self.line + 1, f"broken gzip file: {error}; fetch it again") from None
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror or error}") from None

    def _utf8(self) -> Iterator[str]:
        while raw := self._stream.readline(_LONGEST_LINE):
            self.line += 1
            if len(raw) == _LONGEST_LINE:
                raise DataError.at(self.path, self.line, f"a line of more than {_LONGEST_LINE:,} bytes: not a table")
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                raise DataError.at(self.path, self.line, _not_utf8(raw)) from None
            if "\0" in text:
                what = "NUL characters: this is UTF-16 without a byte order mark, or not text; save the file as UTF-8"
                raise DataError.at(self.path, self.line, what)
            yield text

    def _wide(self, encoding: str) -> Iterator[str]:
        text = io.TextIOWrapper(self._stream, encoding, newline="\n")
        try:
            while line := text.readline(_LONGEST_LINE):
                self.line += 1
                if len(line) == _LONGEST_LINE:
                    raise DataError.at(self.path, self.line, f"a line of more than {_LONGEST_LINE:,} characters")
                yield line
        except UnicodeError:
            raise DataError.at(self.path, self.line + 1, f"not whole {encoding.upper()} text (soon after)") from None


def _not_utf8(raw: bytes) -> str:
    """What to say of a line that is not UTF-8: nearly always it is Latin-1 or its sister Windows-1252."""
    sample = raw.strip()[:60].decode("cp1252", errors="replace")
    return f"not UTF-8 text; in Latin-1 (Windows-1252) the line would begin {sample!r}: save the file as UTF-8"
