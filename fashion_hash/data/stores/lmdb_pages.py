"""Whether the file of an LMDB environment is sound: read as plain bytes, never through LMDB.

LMDB maps its file into memory and trusts what it finds there: a damaged page makes it read or write outside of the
map, or stop the whole process (SIGSEGV, SIGBUS, SIGABRT), which no Python code can catch. So the trees of a file are
compared with the format (structs MDB_page, MDB_node and MDB_meta of LMDB 0.9, data version 1) before LMDB opens it.
Values are not read, only where they lie: 1 GB of pictures is checked in a moment.

Shapes: P pages, K nodes (entries of pages), Z bytes of a page.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from fashion_hash.errors import DataError

_HEADER = 16  # bytes of the header of a page
_META = struct.Struct("<IIQQ 48s 48s QQ")  # magic, version, address, map size, two databases, last page, transaction
_DATABASE = struct.Struct("<IHHQQQQQ")
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8  # flags of pages
_BIG, _SUB_DATABASE = 1, 2  # flags of nodes: the value lies on pages of its own; it describes a named database
_INTEGER_KEYS = 8
_NO_PAGE = (1 << 64) - 1
_LONGEST_KEY, _DEEPEST = 511, 30
_PAGES_AT_ONCE = 512
_CUT_OFF = "is truncated"


class Layout(NamedTuple):
    """What a sound file says of itself.

    Attributes:
        page_size: Z.
        last_page: the number of the last page in use so far.
        transaction: the number of the last transaction.
    """

    page_size: int
    last_page: int
    transaction: int


class _Database(NamedTuple):
    page_size: int  # only in the first of the two databases
    flags: int
    depth: int
    branches: int
    leaves: int
    overflows: int
    entries: int
    root: int


class _Bounds(NamedTuple):
    """The pages of one level of a tree in the order of their keys, and the least key that each may hold."""

    pages: np.ndarray  # (P,) int64
    keys: np.ndarray  # (P,) bytes
    lengths: np.ndarray  # (P,) int64


class _Nodes(NamedTuple):
    """The nodes of some pages, in order."""

    page: np.ndarray  # (K,) the place of their page among those pages
    first: np.ndarray  # (K,) bool, the first of its page
    keys: np.ndarray  # (K,) bytes, padded by NULs
    lengths: np.ndarray  # (K,) of the keys
    flags: np.ndarray  # (K,)
    number: np.ndarray  # (K,) branch: the page below; leaf: bytes of the value
    places: np.ndarray  # (K,) where the value begins within its page


def check_pages(path: Path, *, for_writing: bool = False) -> Layout:
    """Compares the pages of a file with the format of LMDB.

    Args:
        path: data.mdb.
        for_writing: also check the pages that only a writer looks at: unused ones, and the headers of large values.

    Raises:
        DataError: the file is not what LMDB may be trusted with.
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as stream:
        try:
            return _File(stream, path.stat().st_size).check(for_writing)
        except DataError as error:
            if str(error).startswith(_CUT_OFF):
                raise DataError(f"{path} {error}; copy it again") from None
            raise DataError(
                f"{path} is not a readable LMDB ({error}): damaged or something else; make or copy it again"
            ) from None


class _File:
    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._databases, self._layout = self._read_meta(size)
        self._size = size
        # the last pages in use may be unused, and then are perhaps not in the file
        self._used = np.zeros(min(self._layout.last_page + 1, -(-size // self._layout.page_size)), dtype=bool)
        self._used[:2] = True

    def check(self, for_writing: bool) -> Layout:
        free, main = self._databases
        self._check_tree(main, False, for_writing)
        if for_writing:
            for value in self._check_tree(free, True, True):
                self._check_unused(value)
        return self._layout

    def _bytes(self, start: int, size: int) -> bytes:
        self._stream.seek(start)
        data = self._stream.read(size)
        if len(data) < size:
            raise DataError(f"{_CUT_OFF}: it ends before byte {start + size}")
        return data

    def _read_meta(self, size: int) -> tuple[tuple[_Database, _Database], Layout]:
        """The newer of the two descriptions at the beginning of the file."""
        if size < _HEADER + _META.size:
            raise DataError(f"{_CUT_OFF}: {size} bytes")
        page_size = _DATABASE.unpack(_META.unpack(self._bytes(_HEADER, _META.size))[4])[0]
        if page_size not in (512 << shift for shift in range(8)):
            raise DataError("it does not begin like an LMDB")
        newest: tuple[tuple[_Database, _Database], Layout] | None = None
        for number in (0, 1):
            page = self._bytes(number * page_size, _HEADER + _META.size)
            magic, version, address, _, *databases, last_page, transaction = _META.unpack(page[_HEADER:])
            flags = struct.unpack_from("<H", page, 10)[0]
            if (magic, version, flags, address) != (_MAGIC, _VERSION, _META_PAGE, 0):
                raise DataError("it does not begin like an LMDB")
            free, main = (_Database(*_DATABASE.unpack(d)) for d in databases)
            if (free.page_size, free.flags) != (page_size, _INTEGER_KEYS) or not 1 <= last_page < 1 << 40:
                raise DataError(f"the description on page {number} is damaged")
            if main.flags:
                raise DataError("it holds several values a key, or keys in an order of their own")
            layout = Layout(page_size, last_page, transaction)
            if newest is None or transaction > newest[1].transaction:
                newest = (free, main), layout
        assert newest is not None
        return newest

    def _check_tree(self, database: _Database, integers: bool, for_writing: bool) -> list[bytes]:
        """Checks a tree level by level. Returns the values of one with integer keys."""
        values: list[bytes] = []
        if database.root == _NO_PAGE:
            if any(database[2:7]):
                raise DataError("an empty tree has pages")
            return values
        if not 1 <= database.depth <= _DEEPEST or database.root > self._layout.last_page:
            raise DataError(f"a tree of {database.depth} levels begins on page {database.root}")
        level = _Bounds(np.array([database.root]), np.array([b""]), np.zeros(1, dtype=np.int64))
        counts = {"branches": 0, "leaves": 0, "overflows": 0, "entries": 0}
        for height in range(database.depth, 0, -1):
            self._use(level.pages, np.ones_like(level.pages))
            counts["branches" if height > 1 else "leaves"] += len(level.pages)
            below = []
            for start in range(0, len(level.pages), _PAGES_AT_ONCE):
                raw, nodes = self._nodes(level, start, height > 1, integers)
                if height > 1:
                    lowest = _Bounds(*(column[start : start + _PAGES_AT_ONCE][nodes.page] for column in level))
                    keys = np.where(nodes.first, lowest.keys, nodes.keys)
                    below.append(_Bounds(nodes.number, keys, np.where(nodes.first, lowest.lengths, nodes.lengths)))
                else:
                    counts["entries"] += len(nodes.page)
                    counts["overflows"] += self._check_large(raw, nodes, for_writing)
                    if integers:
                        values += [self._value(raw, nodes, node) for node in range(len(nodes.page))]
            if below:
                level = _Bounds(*map(np.concatenate, zip(*below)))
        counted = tuple(counts.values())
        # without the headers of large values, it is only known how many pages these need at least
        exact = counted == database[3:7]
        least = counted[:2] + counted[3:] == database[3:5] + database[6:7] and counted[2] <= database.overflows
        if not (exact if for_writing else least):
            raise DataError(f"a tree has {counted} pages and entries, and should have {tuple(database[3:7])}")
        return values

    def _nodes(self, level: _Bounds, start: int, branches: bool, integers: bool) -> tuple[np.ndarray, _Nodes]:
        """Pages of a level, (P, Z) uint8, and their nodes; the keys are in order and between those around them."""
        pages, size = level.pages[start : start + _PAGES_AT_ONCE], self._layout.page_size
        ends = np.append(np.flatnonzero(np.diff(pages) != 1) + 1, len(pages))  # pages in a row are read at once
        rows = zip(pages[np.append(0, ends[:-1])].tolist(), np.diff(ends, prepend=0).tolist())
        joined = b"".join(self._bytes(page * size, count * size) for page, count in rows)
        raw = np.frombuffer(joined, dtype=np.uint8).reshape(-1, size)
        words = raw.view("<u2")
        lower, upper = words[:, 6].astype(np.int64), words[:, 7].astype(np.int64)
        counts = (lower - _HEADER) // 2
        kind = _BRANCH if branches else _LEAF
        wrong = (raw[:, :8].copy().view("<i8")[:, 0] != pages) | (words[:, 5] != kind) | (counts < 1 + branches)
        _refuse(wrong | (lower > upper) | (upper > size) | (lower % 2 > 0), pages, "has a damaged header")
        page = np.repeat(np.arange(len(pages)), counts)
        slot = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = words[page, _HEADER // 2 + slot].astype(np.int64)
        _refuse((places < upper[page]) | (places > size - 8) | (places % 2 > 0), pages[page], "has an entry outside")
        low, high, flags, lengths = (words[page, places // 2 + at].astype(np.int64) for at in range(4))
        number = low | high << 16
        ends = places + 8 + lengths
        if branches:
            number, flags = number | flags << 32, np.zeros_like(flags)
            _refuse((number < 2) | (number > self._layout.last_page), pages[page], "leads to a page that is not there")
        else:
            ends = ends + np.where(flags == _BIG, 8, number)
            _refuse(flags > _SUB_DATABASE, pages[page], "has an entry of an unknown kind")
        first = slot == 0
        keyless = first if branches else np.zeros_like(first)
        _refuse((lengths > _LONGEST_KEY) | ((lengths < 1) & ~keyless), pages[page], "has a key of a wrong length")
        _refuse(ends > size, pages[page], "has an entry that does not end")
        _check_gapless(pages, page, places, ends + ends % 2, upper, size)
        width = int(lengths.max(initial=1)) or 1
        columns = np.minimum(places[:, None] + 8 + np.arange(width), size - 1)
        keys = np.where(np.arange(width) < lengths[:, None], raw[page[:, None], columns], 0).astype(np.uint8)
        if integers:
            _refuse((lengths != 8) & ~keyless, pages[page], "has a key of a wrong length")
            keys = keys[:, ::-1]  # little-endian: the last byte counts most
        texts = np.ascontiguousarray(keys).view(f"S{width}")[:, 0]
        nodes = _Nodes(page, first, texts, lengths, flags, number, places + 8 + lengths)
        _check_order(level, start, nodes, branches)
        return raw, nodes

    def _check_large(self, raw: np.ndarray, nodes: _Nodes, for_writing: bool) -> int:
        """Checks the values of leaves that have pages of their own. Returns how many pages they take."""
        size = self._layout.page_size
        if ((nodes.flags == _SUB_DATABASE) & (nodes.number != _DATABASE.size)).any():
            raise DataError("the description of a named database is damaged")
        big = np.flatnonzero(nodes.flags == _BIG)
        if not big.size:
            return 0
        columns = nodes.places[big, None] + np.arange(8)
        numbers = np.ascontiguousarray(raw[nodes.page[big, None], columns]).view("<i8")[:, 0]
        counts = (nodes.number[big] + _HEADER + size - 1) // size
        last = self._layout.last_page
        if ((numbers < 2) | (numbers > last)).any():
            raise DataError("a large value lies on pages that are not there")
        if for_writing:
            for at, (number, needed) in enumerate(zip(numbers.tolist(), counts.tolist())):
                own, _, flags, count = struct.unpack("<QHHI", self._bytes(number * size, _HEADER))
                if own != number or flags != _OVERFLOW or not needed <= count <= last + 1 - number:
                    raise DataError(f"page {number}, where a large value begins, has a damaged header")
                counts[at] = count
        self._use(numbers, counts)
        return int(counts.sum())

    def _use(self, pages: np.ndarray, counts: np.ndarray) -> None:
        """Notes that pages, and as many behind each as `counts` says, are in use: each only once."""
        last = self._layout.last_page
        if ((pages < 2) | (pages + counts - 1 > last)).any():
            raise DataError("the trees lead to pages that are not there")
        needed = int((pages + counts).max(initial=0)) * self._layout.page_size
        if needed > self._size:
            raise DataError(f"{_CUT_OFF}: {self._size} bytes of at least {needed}")
        if counts.sum() > len(self._used):
            raise DataError("a page is used twice")
        every = np.repeat(pages - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        if self._used[every].any() or len(np.unique(every)) < len(every):
            raise DataError("a page is used twice")
        self._used[every] = True

    def _value(self, raw: np.ndarray, nodes: _Nodes, node: int) -> bytes:
        place, size = int(nodes.places[node]), int(nodes.number[node])
        page = raw[nodes.page[node]]
        if nodes.flags[node] == _BIG:
            return self._bytes(int(page[place : place + 8].view("<i8")[0]) * self._layout.page_size + _HEADER, size)
        return bytes(page[place : place + size])

    def _check_unused(self, value: bytes) -> None:
        """A list of unused pages: their number, then the pages, the greatest first."""
        numbers = np.frombuffer(value[: len(value) // 8 * 8], dtype="<u8")
        if not len(numbers) or numbers[0] > len(numbers) - 1:
            raise DataError("a list of unused pages is damaged")
        pages = numbers[1 : 1 + int(numbers[0])]
        if (pages[1:] >= pages[:-1]).any() or (pages > self._layout.last_page).any():
            raise DataError("a list of unused pages is damaged")
        if len(pages) and (int(pages[-1]) < 2 or self._used[pages[pages < len(self._used)].astype(np.int64)].any()):
            raise DataError("a page is both used and unused")
        self._used[pages[pages < len(self._used)].astype(np.int64)] = True


def _refuse(wrong: np.ndarray, pages: np.ndarray, what: str) -> None:
    if wrong.any():
        raise DataError(f"page {pages[int(np.argmax(wrong))]} {what}")


def _check_gapless(
    pages: np.ndarray, page: np.ndarray, starts: np.ndarray, ends: np.ndarray, upper: np.ndarray, size: int
) -> None:
    """The entries of a page lie side by side, from `upper` to its end."""
    order = np.lexsort((starts, page))
    page, starts, ends = page[order], starts[order], ends[order]
    begins = np.append(True, page[1:] != page[:-1])
    expected = np.where(begins, upper[page], np.append(0, ends[:-1]))
    stops = np.append(begins[1:], True)
    _refuse((starts != expected) | (stops & (ends != size)), pages[page], "has entries that overlap")


def _check_order(level: _Bounds, start: int, nodes: _Nodes, branches: bool) -> None:
    """Keys ascend within each page, from the least key of the page to before that of the next page."""
    counted = ~nodes.first if branches else np.ones_like(nodes.first)
    keys, lengths, place = nodes.keys[counted], nodes.lengths[counted], start + nodes.page[counted]
    same = place[1:] == place[:-1]
    ascending = _less(keys[:-1], lengths[:-1], keys[1:], lengths[1:])
    _refuse(same & ~ascending, level.pages[place[1:]], "has keys out of order")
    below = _less(keys, lengths, level.keys[place], level.lengths[place])
    _refuse(below, level.pages[place], "has keys out of order")
    inner = place < len(level.pages) - 1
    place, keys, lengths = place[inner] + 1, keys[inner], lengths[inner]
    _refuse(~_less(keys, lengths, level.keys[place], level.lengths[place]), level.pages[place], "has keys out of order")


def _less(keys: np.ndarray, lengths: np.ndarray, others: np.ndarray, other_lengths: np.ndarray) -> np.ndarray:
    """Whether keys come before others, as LMDB compares them; numpy takes no notice of NULs at their end."""
    return np.asarray((keys < others) | ((keys == others) & (lengths < other_lengths)))
