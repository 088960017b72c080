"""Product feeds in XML, an item at a time: RSS (item) or Atom (entry), with fields of Google's namespace g.

XML comes from strangers: defusedxml parses it and refuses document types, and with them every trick of entities.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces

from fashion_hash.core.extras import require_extra
from fashion_hash.data.parsing.table_text import MOST_CHARACTERS
from fashion_hash.data.parsing.tables import Row
from fashion_hash.errors import DataError

GOOGLE = "http://base.google.com/ns/1.0"
_BLOCK = 2**16
_BEGINNING = 2**16
_DEEPEST = 100
_ITEMS = ("item", "entry")
_PLAIN = {"summary": "description", "content": "description"}  # what Atom calls it


def looks_like_xml(path: Path) -> bool:
    """Whether a file is named .xml or .xml.gz and speaks of Google's namespace at its beginning."""
    if not path.name.lower().removesuffix(".gz").endswith(".xml"):
        return False
    try:
        with _opened(path) as stream:
            return GOOGLE.encode() in stream.read(_BEGINNING)
    except (OSError, EOFError, zlib.error):
        return False


def read_xml(path: Path) -> Iterator[tuple[int, Row]]:
    """The items of a feed with the lines on which they begin; of a field that occurs several times, the first.

    Fields of the namespace g come before plain ones of the same name; fields within fields, such as the price of a
    shipping, are left out. No more than one item is in memory.

    Raises:
        DataError: the file cannot be read, is not well-formed, or declares a document type.
    """
    require_extra("feeds", f"{path}: reading XML", "defusedxml")
    from defusedxml.common import DefusedXmlException
    from defusedxml.sax import make_parser

    parser = make_parser()
    handler = _Items(parser)
    parser.forbid_dtd = True
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    try:
        with _opened(path) as stream:
            while block := stream.read(_BLOCK):
                parser.feed(block)
                yield from handler.taken()
            parser.close()
        yield from handler.taken()
    except SAXParseException as error:
        line, column = error.getLineNumber() or 1, error.getColumnNumber() or 0
        raise DataError.at(path, line, f"not well-formed XML: {error.getMessage()} (column {column + 1})") from None
    except DefusedXmlException as error:
        what = f"{type(error).__name__}: feeds need no document type and no entities, and these can exhaust memory"
        raise DataError.at(path, handler.line(), what) from None
    except DataError as error:
        raise DataError.at(path, handler.line(), str(error)) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: broken gzip file: {error}; fetch it again") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def _opened(path: Path) -> Any:
    with open(path, "rb") as plain:
        zipped = plain.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


class _Items(ContentHandler):
    """Collects the fields of items while a file is parsed."""

    def __init__(self, parser: Any) -> None:
        super().__init__()
        self._parser = parser
        self.finished: list[tuple[int, Row]] = []
        self._depth = 0
        self._item: tuple[int, int] | None = None  # depth and line
        self._google: Row = {}
        self._plain: Row = {}
        self._text: list[str] | None = None
        self._size = 0

    def taken(self) -> list[tuple[int, Row]]:
        """The items that are complete, once."""
        finished, self.finished = self.finished, []
        return finished

    def line(self) -> int:
        """Where the parser stands."""
        return int(self._parser.getLineNumber() or 1)

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: Any) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise DataError(f"elements are nested more than {_DEEPEST} deep: this is not a product feed")
        if self._item is None:
            if name[1] in _ITEMS and name[0] != GOOGLE:
                self._item, self._google, self._plain, self._size = (self._depth, self.line()), {}, {}, 0
        elif self._depth == self._item[0] + 1:
            self._text = []
            if name[1] == "link" and (address := attrs.get((None, "href"))):
                self._plain.setdefault("link", address)

    def characters(self, content: str) -> None:
        if self._item is not None and self._text is not None and self._depth == self._item[0] + 1:
            self._size += len(content)
            if self._size > MOST_CHARACTERS:
                raise DataError(f"an item of more than {MOST_CHARACTERS:,} characters: this is not a product feed")
            self._text.append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:
        if self._item is not None and self._depth == self._item[0] + 1 and self._text is not None:
            if text := "".join(self._text).strip():
                fields = self._google if name[0] == GOOGLE else self._plain
                fields.setdefault(name[1] if name[0] == GOOGLE else _PLAIN.get(name[1], name[1]), text)
            self._text = None
        elif self._item is not None and self._depth == self._item[0]:
            self.finished.append((self._item[1], {**self._plain, **self._google}))
            self._item = None
        self._depth -= 1
