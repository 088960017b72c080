"""A table of items beside a data set: whether its rows are about the items of the data set at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fashion_hash.errors import shown


@dataclass
class ItemTable:
    """A table of items beside a data set: how many of its rows name an item of the data set.

    Attributes:
        path: the file.
        items: the items of the data set, by what the table calls them.
        rows: how many rows were asked for (`names`).
        matched: how many of them name an item of the data set.
        strangers: the first few that do not.
    """

    path: Path
    items: Mapping[str, object] | set[str]
    rows: int = 0
    matched: int = 0
    strangers: list[str] = field(default_factory=list)

    def names(self, item: str) -> bool:
        """Counts a row and says whether the data set has its item."""
        known = item in self.items
        self.rows += 1
        self.matched += known
        if not known and len(self.strangers) < 5:
            self.strangers.append(item)
        return known

    @property
    def complaint(self) -> str:
        """A warning when no row matches any item; "" otherwise."""
        if self.matched or not self.rows or not self.items:
            return ""
        return (
            f"none of the {self.rows:,} rows of {self.path} names an item of the data set, so nothing in it is used: "
            f"its rows name {_listed(self.strangers)}, the {len(self.items):,} items of the data set are called "
            f"{_listed(sorted(islice(self.items, 5)))}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(shown(name, 40) for name in names) + ", ..."
