"""Shopify's product CSV: products in several rows, whose cells stay empty where they repeat the first.

The rows of a product have its handle. Each row with a price or an SKU is a variant; others add pictures. One item is
made of each product and colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fashion_hash.data.columns import typed
from fashion_hash.data.feeds.categories import item_type_of
from fashion_hash.data.feeds.variants import Variant, Variants, item_id_of, plain_text
from fashion_hash.data.parsing.fields import id_text
from fashion_hash.data.parsing.tables import Row, read_table, table_columns, table_form
from fashion_hash.data.parsing.text_tables import Reporter, stop
from fashion_hash.errors import DataError, shown

_OPTIONS = (1, 2, 3)
COLOURS = {"color", "colour", "farbe", "couleur", "colore", "cor", "kleur"}
SIZES = {"size", "größe", "grösse", "groesse", "taille", "talla", "taglia", "tamanho", "maat"}
# how newer exports call the same columns
_NEWER = {
    "url handle": "handle",
    "description": "body (html)",
    "product image url": "image src",
    "variant image url": "variant image",
    "sku": "variant sku",
    "price": "variant price",
    "compare-at price": "variant compare at price",
    "inventory quantity": "variant inventory qty",
    "inventory tracker": "variant inventory tracker",
    "continue selling when out of stock": "variant inventory policy",
    "published on online store": "published",
}


def is_shopify_csv(path: Path) -> bool:
    """Whether a file is a product CSV of Shopify, by its columns."""
    if table_form(path) != "csv":
        return False
    try:
        columns = {_name(column) for column in table_columns(path)}
    except DataError:
        return False
    return columns >= {"handle", "title", "option1 name", "option1 value"} and bool(
        columns & {"variant price", "variant sku"}
    )


@dataclass
class _Product:
    """What the first row of a product says of all its rows."""

    columns: Row
    options: dict[int, str] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)  # of the last variant
    images: list[tuple[int, str]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)  # its items with the lines of their first rows


def read_shopify_csv(path: str | Path, report: Reporter = stop) -> Iterator[tuple[int, Row]]:
    """The items of a Shopify product CSV, each with the line of its first row.

    Args:
        path: the file.
        report: called with each row that cannot be used; the default raises the first.

    Raises:
        DataError: the file cannot be read.
    """
    path = Path(path)
    variants, products = Variants(), dict[str, _Product]()
    for line, cells in read_table(path, None, report):
        row = {_name(name): cell for name, cell in cells.items()}
        try:
            _read_row(line, row, products, variants)
        except DataError as error:
            report(DataError.at(path, line, str(error)))
    for product in products.values():
        if product.images:
            image = min(product.images)[1]
            for item_id, line in product.lines.items():
                variants.add(line, item_id, None, {"image": image})
    return variants.rows()


def _read_row(line: int, row: Row, products: dict[str, _Product], variants: Variants) -> None:
    handle = id_text(row.get("handle"), "Handle")
    if not handle:
        raise DataError("the Handle is empty: it says which product a row belongs to")
    product = _product(handle, row, products.get(handle))
    if (address := row.get("image src")) is not None:
        position = _number(row, "image position", "Image Position")
        product.images.append((len(product.images) + 1 if position is None else int(position), str(address)))
    if row.get("variant price") is not None or row.get("variant sku") is not None:
        _add_variant(line, handle, row, product, variants)
    products[handle] = product


def _product(handle: str, row: Row, known: _Product | None) -> _Product:
    """The product of a row: a new one, or the known one if the row does not contradict it."""
    if known is None:
        if row.get("title") is None:
            raise DataError(f"the first row of the product {shown(handle)} has no Title")
        return _Product(_product_columns(row))
    if row.get("title") is not None and plain_text(row["title"]) != known.columns["title"]:
        titles = f"{shown(known.columns['title'])} and {shown(row['title'])}"
        raise DataError(f"the product {shown(handle)} has two titles, {titles}")
    return known


def _add_variant(line: int, handle: str, row: Row, product: _Product, variants: Variants) -> None:
    for number in _OPTIONS:
        if (name := row.get(f"option{number} name")) is not None:
            product.options[number] = str(name).strip().lower()
        if (value := row.get(f"option{number} value")) is not None:
            product.values[number] = str(value).strip()
    colour, size = _option(product, COLOURS), _option(product, SIZES)
    columns = {
        **product.columns,
        "colour": colour,
        "image": row.get("variant image"),
        "price": _number(row, "variant price", "Variant Price"),
        "compare_at_price": _number(row, "variant compare at price", "Variant Compare At Price"),
    }
    item_id = item_id_of(handle, colour)
    # a leading apostrophe keeps spreadsheets from reading an SKU as a number
    sku = id_text(row.get("variant sku"), "Variant SKU").removeprefix("'") or None
    variants.add(line, item_id, Variant(sku, size, _in_stock(row)), columns)
    product.lines.setdefault(item_id, line)


def _product_columns(row: Row) -> Row:
    status = str(row.get("status") or "active").strip().lower()
    if status not in ("active", "draft", "archived"):
        raise DataError(f"Status is {shown(row['status'], 60)}: expected active, draft or archived")
    published = typed("Published", row.get("published"), "boolean")
    tags = [tag.strip() for tag in str(row.get("tags") or "").split(",")]
    return {
        "type": item_type_of(row.get("type"), row.get("product category")),
        "title": plain_text(row["title"]),
        "description": plain_text(row.get("body (html)")),
        "brand": row.get("vendor"),
        "tags": [tag for tag in dict.fromkeys(tags) if tag] or None,
        "active": status == "active" and published is not False,
    }


def _option(product: _Product, names: set[str]) -> str | None:
    return next((product.values.get(number) for number, name in product.options.items() if name in names), None)


def _in_stock(row: Row) -> bool | None:
    """Whether a variant can be ordered; None where the file does not say."""
    if "variant inventory qty" not in row:
        return None
    if row.get("variant inventory tracker") is None and "variant inventory tracker" in row:
        return True  # its stock is not counted
    if str(row.get("variant inventory policy") or "").lower() in ("continue", "true"):
        return True
    quantity = _number(row, "variant inventory qty", "Variant Inventory Qty")
    return quantity is not None and quantity > 0


def _number(row: Row, name: str, shown_as: str) -> float | None:
    number = typed(shown_as, row.get(name), "number")
    return number if isinstance(number, int | float) else None


def _name(column: str) -> str:
    name = " ".join(column.strip().lower().split())
    return _NEWER.get(name, name)
