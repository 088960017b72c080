"""How numbers and facts are said, and price, brand and stock of an item, out of whatever columns its catalogue has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fashion_hash.understanding.said import Fact, listed

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
BOUNDS = {"<": "under", "<=": "at most", ">": "over", ">=": "at least", "=": "of"}
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


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


def counted(count: int, noun: str) -> str:
    """A number of things as a heading says it: "Six outfits", "1,200 items"."""
    return f"{NUMBERS[count] if count < len(NUMBERS) else f'{count:,}'} {noun}{'' if count == 1 else 's'}"


def fact_words(fact: Fact) -> str:
    """A fact of a request as a chip says it: "colour red", "price at most 50", "not wool", "rather summer"."""
    column = fact.column.replace("_", " ")
    if isinstance(fact.value, Mapping):
        bounds = [f"{BOUNDS.get(op, op)} {value:g}" for op, value in fact.value.items() if op != "contains"]
        texts = [f"“{value}” in the {column}" for op, value in fact.value.items() if op == "contains"]
        said = " and ".join([*([f"{column} {' and '.join(bounds)}"] if bounds else []), *texts])
        return f"not {said}" if fact.excluded else said
    values = " or ".join(map(str, listed(fact.value)))
    if not values:  # true or false
        return column if bool(fact.value) != fact.excluded else f"not {column}"
    return f"not {values}" if fact.excluded else f"{column} {values}" if fact.hard else f"rather {values}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _stock(value: object) -> str:
    if isinstance(value, bool):
        return "" if value else "out of stock"
    if isinstance(value, int | float):
        return "out of stock" if value <= 0 else f"{value:g} left" if value <= FEW else ""
    text = str(value).replace("_", " ").strip()
    return "" if text.lower() in ("in stock", "instock", "available", "true", "yes") else text
