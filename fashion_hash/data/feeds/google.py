"""Google Merchant product feeds: a table (TSV, CSV), or XML in RSS or Atom with fields of the namespace g.

Rows are variants, joined by item_group_id: one item for each article and colour. Of a feed as a table, columns may be
called "image_link", "image link" or "g:image_link".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fashion_hash.data.columns import typed
from fashion_hash.data.feeds.categories import item_type_of
from fashion_hash.data.feeds.google_xml import looks_like_xml, read_xml
from fashion_hash.data.feeds.variants import Variant, Variants, item_id_of, plain_text
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.tables import Row, read_table, table_columns, table_form
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError, shown

STOCK = {
    "in stock": True,
    "out of stock": False,
    "preorder": False,
    "backorder": False,
    "limited availability": True,
}
_NEEDED = {"id", "title", "image_link"}
_TELLING = {"availability", "price", "link", "google_product_category", "product_type", "item_group_id"}
_PRICE = re.compile(r"(?P<before>[A-Z]{3})?\s*(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<after>[A-Z]{3})?")
# read into other columns, or what a variant has for itself
_USED = {
    "id", "title", "description", "image_link", "additional_image_link", "google_product_category", "product_type",
    "item_group_id", "color", "size", "availability", "price", "sale_price", "gtin", "mpn", "identifier_exists",
    "shipping",
}  # fmt: skip


def is_google_feed(path: Path) -> bool:
    """Whether a file is a Google Merchant feed, by its columns or the beginning of its XML."""
    if looks_like_xml(path):
        return True
    if table_form(path) not in ("tsv", "csv"):
        return False
    try:
        columns = {_name(column) for column in table_columns(path)}
    except DataError:
        return False
    return columns >= _NEEDED and len(columns & _TELLING) >= 2


def read_google_feed(path: str | Path, report: Reporter = stop) -> Iterator[tuple[int, Row]]:
    """The items of a Google Merchant feed, each with the line of its first variant.

    Args:
        path: a .tsv or .csv table or .xml, each also gzipped.
        report: called with each row that cannot be used; the default raises the first.

    Raises:
        DataError: the file cannot be read, or is not well-formed XML.
    """
    path = Path(path)
    if looks_like_xml(path):
        rows: Iterable[tuple[int, Row]] = read_xml(path)
    else:
        rows = (
            (line, {_name(name): cell for name, cell in row.items()}) for line, row in read_table(path, None, report)
        )
    variants, seen = Variants(), dict[str, int]()
    for line, row in rows:
        try:
            variant_id = id_text(row.get("id"), "id")
            if not variant_id:
                raise DataError("the id is empty")
            if variant_id in seen:
                raise DataError(f"the id {shown(variant_id)} occurs twice, first in line {seen[variant_id]}")
            item_id, columns = _item_id(row, variant_id), _columns(row)
            variant = Variant(variant_id, _text(row, "size"), _in_stock(row.get("availability")))
        except DataError as error:
            report(DataError.at(path, line, str(error)))
            continue
        seen[variant_id] = line
        variants.add(line, item_id, variant, columns)
    return variants.rows()


def _name(column: str) -> str:
    return "_".join(column.strip().lower().removeprefix("g:").split())


def _text(row: Row, name: str) -> str | None:
    cell = row.get(name)
    return None if cell is None else str(cell).strip() or None


def _item_id(row: Row, variant_id: str) -> str:
    """The article and colour of a variant; a variant without a group is an item by itself."""
    group = id_text(row.get("item_group_id"), "item_group_id")
    return item_id_of(group, _text(row, "color")) if group else variant_id


def _columns(row: Row) -> Row:
    price, currency = price_of("price", row.get("price"))
    columns: Row = {
        "type": item_type_of(row.get("google_product_category"), row.get("product_type")),
        "title": plain_text(row.get("title")),
        "description": plain_text(row.get("description")),
        "image": _text(row, "image_link"),
        "colour": _text(row, "color"),
        "price": price,
        "sale_price": price_of("sale_price", row.get("sale_price"))[0],
        "currency": currency,
    }
    return columns | {name: cell for name, cell in row.items() if name and name not in _USED and name not in columns}


def price_of(name: str, cell: Any) -> tuple[float | None, str | None]:
    """The number and the currency of a price such as "59.90 EUR"; None for what is not given.

    Raises:
        DataError: the cell is something else.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None, None
    match = _PRICE.fullmatch(str(cell).strip())
    if match is None or (match["before"] and match["after"]):
        raise DataError(f"{name} is {shown(cell, 60)}: expected a number and a currency, such as 59.90 EUR")
    number = typed(name, match["number"], "number")
    assert isinstance(number, int | float)
    return number, match["before"] or match["after"]


def _in_stock(cell: Any) -> bool | None:
    if cell is None or not str(cell).strip():
        return None
    word = " ".join(str(cell).lower().replace("_", " ").split()).rsplit("schema.org/", 1)[-1]
    if word not in STOCK:
        raise DataError(f"availability is {shown(cell, 60)}: expected {', '.join(STOCK)}")
    return STOCK[word]
