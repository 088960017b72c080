"""Many texts as a few arrays, memory-mapped: a text by its place, and the place of a text by a hash table of places.

Processes that open the same files share their memory, and nothing is read until it is asked for. Files of NAME:

    NAME.bytes.npy      (L,) uint8            the texts, UTF-8, one after the other
    NAME.starts.npy     (V + 1,) int64        where each begins
    NAME.buckets.npy    (H + 1,) int64        where the places of each bucket begin; H is a power of two
    NAME.places.npy     (V,) int32            places, bucket after bucket; the bucket of a text is its CRC-32 modulo H

The last two are missing where only texts by their places are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload
from zlib import crc32

import numpy as np

from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.errors import BundleError

NOTHING = -1


def write_texts(folder: Path, name: str, texts: Sequence[str], *, find: bool = True) -> None:
    """Writes the files of distinct texts.

    Args:
        folder: where to.
        name: of the files.
        texts: by place.
        find: whether the place of a text will be asked for.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(texts)), out=starts[1:])
    np.save(folder / f"{name}.bytes.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8))
    np.save(folder / f"{name}.starts.npy", starts)
    if find:
        size = 1 << max(0, len(texts) - 1).bit_length()
        bucket = np.fromiter(map(crc32, encoded), dtype=np.int64, count=len(texts)) & (size - 1)
        buckets = np.zeros(size + 1, dtype=np.int64)
        np.cumsum(np.bincount(bucket, minlength=size), out=buckets[1:])
        np.save(folder / f"{name}.buckets.npy", buckets)
        np.save(folder / f"{name}.places.npy", np.argsort(bucket, kind="stable").astype(np.int32))


class MappedTexts(Sequence[str]):
    """Texts by their places.

    Args:
        folder: of the files.
        name: of the files.

    Raises:
        BundleError: a file is missing, cannot be read, or does not fit the others.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Opens the files."""
        self._file = folder / f"{name}.bytes.npy"
        data = open_array(self._file, "texts/*.bytes.npy")
        starts = open_array(folder / f"{name}.starts.npy", "texts/*.starts.npy")
        check_ascending(folder / f"{name}.starts.npy", starts, len(data))
        self._data, self._starts = data.data, starts.data
        self._size = len(starts) - 1
        self._buckets = self._places = memoryview(b"")
        if (folder / f"{name}.buckets.npy").exists():
            buckets = open_array(folder / f"{name}.buckets.npy", "texts/*.buckets.npy")
            places = open_array(folder / f"{name}.places.npy", "texts/*.places.npy", V=self._size)
            check_ascending(folder / f"{name}.buckets.npy", buckets, self._size)
            check_rows(folder / f"{name}.places.npy", places, 0, self._size)
            if (len(buckets) - 1).bit_count() != 1:
                raise BundleError(f"{folder / name}.buckets.npy is of a size that no table has: build the index again")
            self._buckets, self._places = buckets.data, places.data
        self._mask = len(self._buckets) - 2

    def __len__(self) -> int:
        """How many texts there are."""
        return self._size

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """The text at a place."""
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(self._size))]
        at = place + self._size if place < 0 else place
        if not 0 <= at < self._size:
            raise IndexError(f"place {place} of {self._size} texts")
        try:
            return bytes(self._data[self._starts[at] : self._starts[at + 1]]).decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise BundleError(f"{self._file} is not UTF-8 ({error}): build the index again") from None

    def __iter__(self) -> Iterator[str]:
        """The texts in order."""
        return map(self.__getitem__, range(self._size))

    def place(self, text: str) -> int:
        """The place of a text, or -1."""
        if self._mask < 0:
            return NOTHING
        key = text.encode("utf-8", "surrogatepass")
        bucket, starts, places = crc32(key) & self._mask, self._starts, self._places
        for at in range(self._buckets[bucket], self._buckets[bucket + 1]):
            place: int = places[at]
            if self._data[starts[place] : starts[place + 1]] == key:
                return place
        return NOTHING


class Places(Mapping[str, int]):
    """Mapped texts as a mapping from each to its place."""

    def __init__(self, texts: MappedTexts) -> None:
        """Reads nothing yet."""
        self.texts = texts

    def __getitem__(self, text: str) -> int:
        """The place of a text. Raises KeyError for other texts."""
        place = self.texts.place(text)
        if place < 0:
            raise KeyError(text)
        return place

    def __contains__(self, text: object) -> bool:
        """Whether a text is among them."""
        return isinstance(text, str) and self.texts.place(text) >= 0

    def __iter__(self) -> Iterator[str]:
        """The texts in order."""
        return iter(self.texts)

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.texts)


class NumberOf(Mapping[str, int]):
    """A number for each text.

    Args:
        places: the place of each text.
        numbers: (V,) whole numbers, by place.
    """

    def __init__(self, places: Mapping[str, int], numbers: np.ndarray) -> None:
        """Copies nothing."""
        self._places, self._numbers = places, numbers.data

    def __getitem__(self, text: str) -> int:
        """The number of a text. Raises KeyError for other texts."""
        number: int = self._numbers[self._places[text]]
        return number

    def __contains__(self, text: object) -> bool:
        """Whether a text is among them."""
        return text in self._places

    def __iter__(self) -> Iterator[str]:
        """The texts."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self._places)


class GrowingTexts(Sequence[str]):
    """Distinct texts that may be added to, behind those of a file.

    Args:
        kept: those of a file; none by default.
    """

    def __init__(self, kept: MappedTexts | None = None) -> None:
        """Holds the kept ones."""
        self._kept, self._first = kept, 0 if kept is None else len(kept)
        self._later: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        """How many texts there are."""
        return self._first + len(self._later)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        """The text at a place."""
        if self._kept is None:
            return self._later[place]
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        at = place + len(self) if place < 0 else place
        return self._later[at - self._first] if at >= self._first else self._kept[at]

    def __iter__(self) -> Iterator[str]:
        """The texts in order."""
        if self._kept is not None:
            yield from self._kept
        yield from self._later

    def place(self, text: str) -> int:
        """The place of a text, or -1."""
        place = self._places.get(text, NOTHING)
        return self._kept.place(text) if place < 0 and self._kept is not None else place

    def add(self, text: str) -> int:
        """The place of a text, which is added where it is new. One thread at a time may do so."""
        place = self.place(text)
        if place < 0:
            self._later.append(text)
            place = self._places[text] = len(self) - 1
        return place


def check_ascending(path: Path, starts: np.ndarray, stop: int) -> None:
    """Checks that an array goes from 0 up to `stop`: what it points at is read.

    Raises:
        BundleError: it does not.
    """
    if not len(starts) or starts[0] != 0 or starts[-1] != stop or (starts[1:] < starts[:-1]).any():
        raise BundleError(f"{path} is out of order: build the index again")
