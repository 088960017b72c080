"""Price, brand and stock of an item, out of whatever columns its catalogue has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# letters and digits only, in lower case; the first that an item has wins
PRICE = (
    *("saleprice", "price", "currentprice", "priceeur", "priceusd", "pricegbp", "unitprice", "amount", "cost"),
    *("preis", "prix", "precio", "prezzo", "preco", "prijs", "pris"),
)
CURRENCY = ("currency", "pricecurrency", "currencycode", "waehrung", "devise", "moneda", "valuta")
BRAND = (
    "brand",
    "brandname",
    "vendor",
    "manufacturer",
    "designer",
    "label",
    "maker",
    "marke",
    "marque",
    "marca",
    "merk",
)
STOCK = (
    *("instock", "availability", "available", "isavailable", "stock", "stocklevel", "inventory", "inventoryquantity"),
    *("quantity", "qty", "lager", "verfuegbar", "disponible", "disponibile"),
)
FEW = 3


class Shown(NamedTuple):
    """What is shown of an item beside its title; empty texts and None where the catalogue does not say it.

    Attributes:
        price: the amount.
        currency: as the catalogue writes it, such as "EUR".
        brand: its name.
        stock: what a buyer should know, such as "out of stock" or "2 left"; empty where there is enough.
    """

    price: float | None = None
    currency: str = ""
    brand: str = ""
    stock: str = ""


NOTHING_SHOWN = Shown()


def shown(details: Mapping[str, Any]) -> Shown:
    """What is shown of an item, from the columns of its catalogue entry."""
    values = {re.sub(r"[^a-z0-9]", "", name.lower()): value for name, value in details.items() if value is not None}
    price = next((value for name in PRICE if (value := _number(values.get(name))) is not None), None)
    brand = next((value for name in BRAND if isinstance(value := values.get(name), str)), "")
    currency = next((value for name in CURRENCY if isinstance(value := values.get(name), str)), "")
    stock = next((_stock(values[name]) for name in STOCK if name in values), "")
    return Shown(price, currency if price is not None else "", brand, stock)


def money(amount: float, currency: str = "") -> str:
    """An amount as it is read: "1,059.90 EUR"."""
    return f"{amount:,.2f} {currency}".strip()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _stock(value: object) -> str:
    if isinstance(value, bool):
        return "" if value else "out of stock"
    if isinstance(value, int | float):
        return "out of stock" if value <= 0 else f"{value:g} left" if value <= FEW else ""
    text = str(value).replace("_", " ").strip()
    return "" if text.lower() in ("in stock", "instock", "available", "true", "yes") else text
