"""How far a long loop has come, shown on a terminal when it takes more than two seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

Piece = TypeVar("Piece")


def progress(values: Iterable[Piece], what: str, unit: str, total: int | None = None) -> Iterator[Piece]:
    """The values; on a terminal it is shown how many there were.

    Args:
        values: what is looped over.
        what: is done, for the line that is shown.
        unit: what is counted, one of them.
        total: how many there will be, if that is known and the values do not say it.
    """
    from tqdm import tqdm  # imported here, since queries do not need it

    return iter(tqdm(values, desc=what, unit=f" {unit}", total=total, disable=None, delay=2, leave=False))
