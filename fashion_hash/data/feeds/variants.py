"""The variants of a product feed joined into items: one for each article and colour, its sizes in a list."""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fashion_hash.core.extras import require_extra
from fashion_hash.data.parsing.tables import Row

LOWEST = ("price", "sale_price", "compare_at_price")  # an item costs what its cheapest variant costs
MOST_HTML = 50_000  # elements that are nested tens of thousands deep would take seconds
FIRST = ("type", "title", "description", "image", "link", "active")  # as the first variant says


def item_id_of(article: str, colour: str | None) -> str:
    """The id of an article in a colour, such as "shirt-dark-blue"; without blanks, which separate ids in tables."""
    slug = re.sub(r"[\W_]+", "-", (colour or "").casefold()).strip("-")
    return f"{article}-{slug}" if slug else article


class Variant(NamedTuple):
    """A row of a feed: what can be bought.

    Attributes:
        id: as orders name it, or None.
        size: or None.
        in_stock: None where the feed does not say.
    """

    id: str | None
    size: str | None
    in_stock: bool | None


@dataclass
class _Item:
    line: int
    columns: Row
    variants: list[Variant] = field(default_factory=list)
    differing: set[str] = field(default_factory=set)


class Variants:
    """Collects the variants of a feed in the order of its rows; those of an item need not be neighbours."""

    def __init__(self) -> None:
        """No items yet."""
        self._items: dict[str, _Item] = {}

    def add(self, line: int, item_id: str, variant: Variant | None, columns: Row) -> None:
        """Adds a row to an item; `variant` is None for a row that tells more of the item, such as a picture."""
        item = self._items.setdefault(item_id, _Item(line, {}))
        if variant is not None:
            item.variants.append(variant)
        for name, cell in columns.items():
            known = item.columns.get(name)
            if cell is None or name in item.differing or (name in FIRST and known is not None):
                continue
            if known is not None and name in LOWEST:
                item.columns[name] = min(known, cell)
            elif known is not None and known != cell:
                item.differing.add(name)
                del item.columns[name]
            else:
                item.columns[name] = cell

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The items with the lines of their first rows.

        Beside the columns in which its variants agree, an item has `in_stock`, `sizes`, `sizes_in_stock`, and
        `variants`, the ids of its variants.
        """
        typed = any("type" in item.columns for item in self._items.values())
        for item_id, item in self._items.items():
            stock = [variant.in_stock for variant in item.variants if variant.in_stock is not None]
            row: Row = {"item_id": item_id, "type": item.columns.get("type")} if typed else {"item_id": item_id}
            row |= item.columns
            row["in_stock"] = any(stock) if stock else None
            row["sizes"] = _distinct(variant.size for variant in item.variants)
            row["sizes_in_stock"] = _distinct(variant.size for variant in item.variants if variant.in_stock)
            row["variants"] = _distinct(variant.id for variant in item.variants)
            yield item.line, {name: cell for name, cell in row.items() if cell is not None or name == "type"}


def _distinct(values: Iterator[str | None]) -> list[str] | None:
    """The distinct values in order, None if there are none."""
    return list(dict.fromkeys(value for value in values if value)) or None


def plain_text(cell: Any) -> str | None:
    """The words of a text in HTML, of its first 50,000 characters, on one line; None without any."""
    if cell is None:
        return None
    text = str(cell)[:MOST_HTML]
    if "<" in text:
        require_extra("feeds", "reading descriptions in HTML", "bs4")
        from bs4 import BeautifulSoup

        with warnings.catch_warnings():  # that it looks like XML or a file name
            warnings.simplefilter("ignore")
            text = BeautifulSoup(text, "html.parser").get_text(" ")
    else:
        text = html.unescape(text)
    return " ".join(text.split()) or None
