"""Every array of a bundle and of the folders in it: one table of dtypes and shapes, checked whenever a file is opened.

Compiled kernels do not look where they read, so an array of another shape must never reach them. Letters in shapes:

    U  users            N  items of a type, or outfits of a pool     S  slots          M  modalities
    D  num_bits         W  D / 8, bytes of a packed code             L  any length     T  length of a taste
    E  floats of an encoded item                                     B  blocks of 64   G  bytes of a block's outfit
    V  words of a catalogue                                          F  floats of a text encoder
    K  outfits with codes of their own
"""

from __future__ import annotations

import math
import mmap
import os
import re
import threading
import tokenize
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_hash.core.files import read_bytes
from fashion_hash.errors import BundleError, unreadable


class ArrayType(NamedTuple):
    """What a file holds: a dtype ("S" for ids of any length), and for each axis its length or its letter."""

    dtype: str
    shape: tuple[str | int, ...]


# by file, within its folder; * stands for an item type, its number, or for the table that ids belong to
ARRAYS = {
    # bundle, and generations of the live catalogue
    "ids/*.ids.npy": ArrayType("S", ("N",)),
    "ids/*.order.npy": ArrayType("i4", ("L",)),
    "codes/users.npy of bits": ArrayType("u1", ("U", "W")),
    "codes/users.npy of bytes": ArrayType("i1", ("U", "D")),
    "codes/users.npy of floats": ArrayType("f4", ("U", "D")),
    "codes/users.known.npy": ArrayType("?", ("U",)),
    "codes/items.*.npy": ArrayType("u1", ("N", "M", "W")),
    "codes/bias.*.npy": ArrayType("i4", ("N",)),
    "codes/preference_weights.npy": ArrayType("i4", ("D",)),
    "codes/compatibility_weights.npy": ArrayType("i4", ("D",)),
    "codes/own.items.npy": ArrayType("i4", ("K", "S")),
    "codes/own.codes.npy": ArrayType("u1", ("K", "W")),
    "codes/own.bias.npy": ArrayType("i4", ("K",)),
    "codes/own.weights.npy": ArrayType("i4", ("D",)),
    "history/users.npy": ArrayType("i4", ("L",)),
    "history/items.npy": ArrayType("i4", ("L", "S")),
    "history/times.npy": ArrayType("i8", ("L",)),
    "encoder/users.npy": ArrayType("f4", ("U", "D")),
    "encoder/items.*.npy": ArrayType("f4", ("N", "E")),
    "requests/items.*.codes.npy": ArrayType("u1", ("N", "W")),
    "requests/items.*.vectors.npy": ArrayType("f2", ("N", "D")),
    "requests/items.*.tastes.npy": ArrayType("f4", ("N", "T")),
    "requests/users.tastes.npy": ArrayType("f4", ("U", "D")),
    "requests/users.known.npy": ArrayType("?", ("U",)),
    "requests/sum/*.vectors.npy": ArrayType("i1", ("N", "F")),
    "requests/sum/*.popular.npy": ArrayType("f4", ("N",)),
    # text encoders, of titles and of words
    "titles/components.npy": ArrayType("f4", ("F", "L")),
    "titles/*.npy": ArrayType("f8", ("L",)),
    # what requests say
    "facts/idf.npy": ArrayType("f8", ("V",)),
    "facts/*.starts.npy": ArrayType("i8", ("V + 1",)),
    "facts/*.rows.npy": ArrayType("i4", ("L",)),
    "facts/*.weights.npy": ArrayType("f4", ("L",)),
    # texts by place, in any folder, and the tables of a catalogue
    "texts/*.bytes.npy": ArrayType("u1", ("L",)),
    "texts/*.starts.npy": ArrayType("i8", ("L",)),
    "texts/*.buckets.npy": ArrayType("i8", ("L",)),
    "texts/*.places.npy": ArrayType("i4", ("V",)),
    "tables/*.kinds.npy": ArrayType("i1", ("N",)),
    "tables/*.values.npy": ArrayType("f8", ("N",)),
    "tables/*.counts.npy": ArrayType("i8", ("V",)),
    "tables/spelled.ranks.npy": ArrayType("i8", ("V", 3)),
    # index of a pool
    "index/outfits.npy": ArrayType("i4", ("N", "S")),
    "index/compatibility.npy": ArrayType("i8", ("N",)),
    "index/bias.npy": ArrayType("i8", ("N",)),
    "index/own.npy": ArrayType("i4", ("N",)),
    "index/num_items.npy": ArrayType("u1", ("N",)),
    "index/num_pairs.npy": ArrayType("u1", ("N",)),
    "index/liked.offsets.npy": ArrayType("i8", ("U + 1",)),
    "index/liked.rows.npy": ArrayType("i4", ("L",)),
    "index/vectors.npy of floats": ArrayType("f4", ("N", "D")),
    "index/vectors.npy of bits": ArrayType("u1", ("N", "W")),
    "index/scan/codes.npy": ArrayType("u1", ("B", "G", 64)),
    "index/scan/constants.npy": ArrayType("u2", ("B", 64)),
    "index/scan/rows.npy": ArrayType("i4", ("64 B",)),
    # partner lists
    "partners/*.rows.npy": ArrayType("i4", ("N", "L")),
    "partners/*.values.npy": ArrayType("f4", ("N", "L")),
}

# what numpy.load raises for a file that is damaged, its header too
NOT_AN_ARRAY = (OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError, tokenize.TokenError)


SMALL = 1 << 20  # bytes; arrays of at most as many are read into memory

# a file as numpy.save writes it: format 1.0, in C order, padded so that the values start at a multiple of 64
_HEADER = re.compile(
    rb"\{'descr': '([<|][a-zA-Z]\d+)', 'fortran_order': False, 'shape': \((|\d+,|\d+(?:, \d+)+)\), \} *\n"
)
_MAGIC = b"\x93NUMPY\x01\x00"


class _Mapped(NamedTuple):
    """A mapped file: its path, the map, and the bytes of the file that it needs."""

    path: str
    map: weakref.ref[mmap.mmap]
    needed: int


_lock = threading.Lock()
_mapped: list[_Mapped] = []  # replaced as a whole when another file is mapped


class MappedFiles:
    """The mapped array files of a folder, looked at before an answer reads them.

    Reading a mapped file that another program has shortened ends the process by SIGBUS. `check` finds that, unless it
    happens while the answer is being made.

    Args:
        folder: absolute; files in its folders belong to it.
    """

    def __init__(self, folder: Path) -> None:
        self._prefix = f"{folder}{os.sep}"
        self._seen: list[_Mapped] = []
        self._files: list[_Mapped] = []

    def check(self) -> None:
        """Compares the sizes of the files with those that the maps need: some microseconds a file.

        Raises:
            BundleError: a file was shortened.
        """
        if self._seen is not (seen := _mapped):
            self._seen, self._files = seen, [file for file in seen if file.path.startswith(self._prefix)]
        for path, reference, needed in self._files:
            mapped = reference()
            if mapped is not None and mapped.size() < needed:
                raise BundleError(
                    f"{path} has {mapped.size():,} bytes instead of {needed:,}: another program shortened it while it "
                    "was open; restore it from a copy, or export it again, and open the bundle again"
                )


def _watch(path: Path, mapped: mmap.mmap) -> None:
    global _mapped
    with _lock:
        alive = [file for file in _mapped if file.map() is not None]
        _mapped = [*alive, _Mapped(str(path), weakref.ref(mapped), len(mapped))]


def _load_small(path: Path) -> np.ndarray | None:
    """An array of at most SMALL bytes, read as a whole; None for one of more, and for a file that is odd in any way.

    numpy.load takes ten times as long: it opens the file twice, and parses the header as a piece of Python.
    """
    data = read_bytes(path, SMALL + 129)
    start = 10 + int.from_bytes(data[8:10], "little")
    header = _HEADER.fullmatch(data, 10, start)
    if header is None or not data.startswith(_MAGIC) or start > 128 or len(data) - start > SMALL:
        return None
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(length) for length in re.findall(rb"\d+", header[2]))
    if dtype.hasobject or len(data) - start != dtype.itemsize * math.prod(shape):
        return None
    return np.frombuffer(data, dtype, offset=start).reshape(shape)


def _load(path: Path) -> np.ndarray:
    """An array as a plain array: np.memmap takes ten times as long to hand out an element."""
    if (small := _load_small(path)) is not None:
        return small
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.nbytes <= SMALL:
        copy = np.array(array, order="K", subok=False)
        copy.flags.writeable = False
        return copy
    _watch(path, array._mmap)
    return np.asarray(array)


def open_array(path: Path, name: str, **sizes: int) -> np.ndarray:
    """Opens an array file, read-only; a large one is memory-mapped, and `MappedFiles` looks after it.

    Args:
        path: the file.
        name: what it is, a key of ARRAYS.
        sizes: by letter of its shape how long that axis must be; letters that are left out may be of any length.

    Raises:
        BundleError: the file cannot be read, or holds an array of another dtype or shape.
    """
    try:
        array = _load(path)
    except NOT_AN_ARRAY as error:
        raise unreadable(path, error, f"{path} is not a readable array ({error}): export it again") from None
    dtype, letters = ARRAYS[name]
    shape = tuple(_size(letter, sizes) for letter in letters)
    same_shape = len(array.shape) == len(shape) and all(
        expected in (-1, length) for expected, length in zip(shape, array.shape)
    )
    same_dtype = array.dtype.kind == "S" if dtype == "S" else array.dtype == np.dtype(dtype)
    if not (same_shape and same_dtype and array.flags.c_contiguous):
        order = "" if array.flags.c_contiguous else " in Fortran order"
        listed = ", ".join(
            str(letter) if size < 0 or isinstance(letter, int) else f"{letter} = {size}"
            for letter, size in zip(letters, shape)
        )
        expected_dtype = "ids" if dtype == "S" else str(np.dtype(dtype))
        raise BundleError(
            f"{path} holds {array.dtype} of shape {array.shape}{order}, expected {expected_dtype} of shape "
            f"({listed}): export it or build the index again"
        )
    return array


@contextmanager
def array_writer(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Iterator[Callable[[np.ndarray], None]]:
    """Writes an array file, as numpy.save does, a piece after another: no more than a piece is in memory.

    Args:
        path: a new file.
        dtype: of the array.
        shape: of the whole.

    Yields:
        What takes the next piece, (n, ...) of the shape; it is converted to the dtype.

    Raises:
        ValueError: pieces of another shape, or fewer or more of them than the shape says.
    """
    left, kind = shape[0], np.dtype(dtype)
    with open(path, "wb") as stream:
        described = np.lib.format.dtype_to_descr(kind)
        header = {"descr": described, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)

        def write(piece: np.ndarray) -> None:
            nonlocal left
            left -= len(piece)
            if piece.shape[1:] != shape[1:] or left < 0:
                raise ValueError(f"{path}: {piece.shape} does not fit what is left of {shape}")
            stream.write(np.ascontiguousarray(piece, dtype=kind).reshape(-1).view(np.uint8).data)

        yield write
    if left:
        raise ValueError(f"{path}: {left} of {shape[0]} lines were not written")


def let_go(*arrays: np.ndarray) -> None:
    """Gives back the memory of the pages of mapped files; who reads them again gets them from the system's cache.

    A map of a file that was read from one end to the other counts as memory of the process, however large it is. Arrays
    that are not mapped, or may be written, are left alone.
    """
    for array in arrays:
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap) and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
            base.madvise(mmap.MADV_DONTNEED)


def check_rows(path: Path, rows: np.ndarray, low: int, high: int) -> None:
    """Checks that an array holds row numbers from `low` to below `high`: kernels read what they point at.

    Raises:
        BundleError: a number is outside.
    """
    if rows.size and not (low <= int(rows.min()) and int(rows.max()) < high):
        raise BundleError(
            f"{path} holds rows {rows.min()} to {rows.max()}, expected {low} to {high - 1}: export it or build the "
            "index again"
        )
    let_go(rows)


def _size(letter: str | int, sizes: dict[str, int]) -> int:
    """The expected length of an axis; -1 for any."""
    if isinstance(letter, int):
        return letter
    if letter in ("U + 1", "V + 1"):
        return sizes[letter[0]] + 1
    if letter == "64 B":
        return 64 * sizes["B"]
    return sizes.get(letter, -1)
