"""Batches that are longer than memory: read in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from fashion_hash.errors import BundleError, DataError, shown

Piece = TypeVar("Piece")


def replayable(values: Iterable[Piece]) -> Iterable[Piece]:
    """A batch that can be read from its start as often as needed; an iterator can be read only once, and says so."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise DataError(f"items or outfits must be a list or another iterable, got {shown(values)}")
    return values if iter(values) is not values else _Once(values)


class _Once(Iterable[Piece]):
    def __init__(self, values: Iterable[Piece]) -> None:
        self._values: Iterable[Piece] | None = values

    def __iter__(self) -> Iterator[Piece]:
        values, self._values = self._values, None
        if values is None:
            raise BundleError(
                "another generation of the bundle became current while the batch was read, so nothing was written: "
                "give it again"
            )
        return iter(values)


def parts(values: Iterable[Piece], size: int) -> Iterator[list[Piece]]:
    """The values in lists of `size`."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part
