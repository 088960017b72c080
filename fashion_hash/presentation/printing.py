"""Text that is safe to print: no id or title can steer a terminal, break a line or stop a program."""

from __future__ import annotations

import json
from typing import Protocol

from fashion_hash.errors import is_safe, visible


class Writable(Protocol):
    """The part of a text stream that `SafeStream` needs."""

    def write(self, text: str, /) -> object:
        """Writes a text."""

    def flush(self) -> object:
        """Writes what is buffered."""


class SafeStream:
    """A text stream that shows what could steer a terminal instead of sending it there.

    Line ends and tabs pass. Letters that the encoding of the stream lacks are escaped, too.

    Args:
        stream: where the text goes.
    """

    def __init__(self, stream: Writable) -> None:
        """A stream in front of another one."""
        self._stream = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Writes a text, made visible."""
        self._stream.write(encodable("\n".join(map(_visible_but_tabs, text.split("\n"))), self.encoding))
        return len(text)

    def flush(self) -> None:
        """Writes what is buffered."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Whether a terminal shows the stream."""
        return bool(getattr(self._stream, "isatty", bool)())


def encodable(text: str, encoding: str) -> str:
    r"""A text that an encoding can write: letters that it lacks become escapes such as \U0001f457."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def json_text(value: object, encoding: str = "utf-8") -> str:
    """JSON of several lines that is safe to print and reads back as the same value.

    Args:
        value: what json.dumps takes.
        encoding: of the stream that it is printed to.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    text = "".join(letter if letter == "\n" or is_safe(letter) else json.dumps(letter)[1:-1] for letter in text)
    return text if encodable(text, encoding) == text else json.dumps(value, indent=2)


def _visible_but_tabs(text: str) -> str:
    return "\t".join(map(visible, text.split("\t")))
