"""What shops call the columns of their tables, and the mapping from our names to theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_hash.config.shop import ShopConfig
from fashion_hash.errors import ConfigError, suggest

Mapped = dict[str, tuple[str, ...]]
"""Our name of a column to its names in a table: one, except for item_ids with a column a slot."""


@dataclass(frozen=True)
class Source:
    """One table, with our names of its columns.

    Attributes:
        path: the file.
        mapped: our names of columns to those of the file.
        form: a name in `forms.FORMS` if it is not a plain table.
        columns: the names of all columns.
        left_out: the columns that are not read.
    """

    path: Path
    mapped: Mapped
    form: str | None = None
    columns: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()


_ID = ("id", "nr", "no", "number", "key", "code")

# our name, and what else it may be called: letters and digits only, in lower case. The first that a table has wins.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "item_id": (
        *("itemid", "item", "sku", "productid", "product", "articleid", "article", "articlenumber", "articleno"),
        *("productcode", "productsku", "itemsku", "variantid", "variantsku", "itemnumber", "styleid", "asin", "gtin"),
        *("ean", "artikelnummer", "artikel", "referencia", "reference"),
    ),
    "type": (
        *("type", "itemtype", "category", "producttype", "productcategory", "categoryname", "itemcategory"),
        *("garmenttype", "producttypename", "productgroupname", "subcategory", "articletype", "kategorie"),
        *("categoria", "categorie", "productgroup", "department", "class"),
    ),
    "title": ("title", "productname", "name", "itemname", "prodname", "producttitle", "displayname", "itemtitle"),
    "description": ("description", "desc", "longdescription", "productdescription", "detaildesc", "bodyhtml", "body"),
    "image": (
        *("image", "imageurl", "imagelink", "imagepath", "imagefile", "picture", "pictureurl", "photo", "img"),
        *("imgurl", "imagesrc", "filename", "thumbnail"),
    ),
    "outfit_id": ("outfitid", "outfit", "lookid", "look", "setid", "combinationid", "ensembleid", "bundleid"),
    "user_id": (
        *("userid", "user", "customerid", "customer", "uid", "clientid", "client", "memberid", "shopperid"),
        *("visitorid", "accountid", "personid", "profileid", "kundennummer", "kundenid"),
    ),
    "item_ids": ("itemids", "items", "productids", "products", "skus", "articleids", "articles", "pieces", "itemlist"),
    "order_id": (
        *("orderid", "order", "basketid", "basket", "cartid", "transactionid", "sessionid", "session", "visitid"),
        *("ordernumber", "invoiceid", "invoiceno", "receiptid", "checkoutid"),
    ),
    "kind": ("kind", "eventtype", "event", "eventname", "action", "interaction", "interactiontype", "behavior"),
    "timestamp": (
        *("timestamp", "time", "datetime", "date", "createdat", "created", "ts", "eventtime", "eventtimestamp", "tdat"),
        *("orderedat", "orderdate", "purchasedat", "purchasedate", "boughtat", "clickedat", "likedat", "savedat"),
        *("day", "occurredat"),
    ),
    "weight": ("weight", "score", "strength", "importance"),
    "split": ("split", "fold", "partition"),
}

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "items": ("item_id", "type", "title", "description", "image"),
    "details": ("item_id",),
    "outfits": ("outfit_id", "user_id", "item_ids", "item_id", "split", "timestamp", "weight", "kind"),
    "events": ("user_id", "outfit_id", "kind", "timestamp", "weight", "split"),
    "interactions": ("user_id", "item_id", "order_id", "kind", "timestamp", "weight"),
    "users": ("user_id",),
}
"""The columns of each kind of table."""

BARE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "items": {"item_id": _ID},
    "details": {"item_id": _ID},
    "outfits": {"outfit_id": (*_ID, "orderid", "order", "basketid", "transactionid", "sessionid")},
    "events": {"outfit_id": ("orderid", "order", "basketid", "transactionid", "sessionid")},
    "interactions": {"kind": ("type", "status")},
    "users": {"user_id": _ID},
}
"""What a column may be called in one kind of table beside its `SPELLINGS`, such as `id`."""


def plain_name(name: str) -> str:
    """A column's name without case, blanks and marks: "Product ID", "product_id" and "productId" are the same."""
    return re.sub(r"[^0-9a-z]", "", name.casefold())


def recognise_columns(kind: str, columns: Sequence[str]) -> Mapped:
    """Our names for the columns of a table of this kind, by how they are spelt; columns without one are left out."""
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(plain_name(column), column)
    mapped: Mapped = {}
    for name in COLUMNS[kind]:
        spellings = (*SPELLINGS[name], *BARE.get(kind, {}).get(name, ()))
        spelt = next((by_plain[spelling] for spelling in spellings if spelling in by_plain), None)
        if spelt is not None and (spelt,) not in mapped.values():
            mapped[name] = (spelt,)
    return mapped


def map_columns(kind: str, path: Path, columns: Sequence[str], config: ShopConfig) -> Mapped:
    """Our names for the columns of a table: as the configuration says, else by how they are spelt.

    Args:
        kind: of table, a key of `COLUMNS`.
        path: of the table; its name may have a mapping of its own.
        columns: the names of its columns.
        config: says which columns are mapped.

    Raises:
        ConfigError: the mapping of this table names a column that it lacks, or one of ours that does not exist.
    """
    given: Mapped = {}
    for ours, theirs in config.columns.items():
        if isinstance(theirs, dict):
            continue
        names = _names(theirs)
        if ours in COLUMNS[kind] and all(name in columns for name in names):
            given[ours] = names
    for ours, theirs in _of_file(config, path).items():
        key = f"data.shop.columns.{path.name}"
        if ours not in COLUMNS[kind]:
            known = COLUMNS[kind]
            raise ConfigError(f"{key}: unknown column {ours!r}{suggest(ours, known)}; known are {', '.join(known)}")
        for name in _names(theirs):
            if name not in columns:
                raise ConfigError(
                    f"{key}.{ours}: {path} has no column {name!r}{suggest(name, columns)}; it has {_listed(columns)}"
                )
        given[ours] = _names(theirs)
    taken = {name for names in given.values() for name in names}
    free = [column for column in columns if column not in taken]
    spelt = {ours: names for ours, names in recognise_columns(kind, free).items() if ours not in given}
    both = {**spelt, **given}
    return {ours: both[ours] for ours in COLUMNS[kind] if ours in both}


def mapped_names(path: Path, columns: Sequence[str], config: ShopConfig) -> set[str]:
    """Our names of columns that a configuration maps to columns of a table."""
    common = {ours for ours, theirs in config.columns.items() if not isinstance(theirs, dict) and theirs in columns}
    return common | set(_of_file(config, path))


def check_mapping(config: ShopConfig, tables: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Refuses a mapping to a column that no table has, and mappings of files that are not tables of the shop.

    Args:
        config: the mapping.
        tables: the tables with the names of their columns.

    Raises:
        ConfigError: naming the key, and the nearest names.
    """
    files = {path.name for path, _ in tables}
    every = dict.fromkeys(column for _, columns in tables for column in columns)
    for ours, theirs in config.columns.items():
        if isinstance(theirs, dict):
            if ours not in files:
                raise ConfigError(
                    f"data.shop.columns.{ours}: no table of that name is read{suggest(ours, files)}; "
                    f"the tables are {', '.join(sorted(files))}"
                )
            continue
        known = dict.fromkeys(name for names in COLUMNS.values() for name in names)
        if ours not in known:
            raise ConfigError(
                f"data.shop.columns: unknown column {ours!r}{suggest(ours, known)}; known are {', '.join(known)}"
            )
        for name in _names(theirs):
            if name not in every:
                raise ConfigError(
                    f"data.shop.columns.{ours}: no table has a column {name!r}{suggest(name, every)}; "
                    f"the columns are {_listed(list(every))}"
                )


def check_left_out(config: ShopConfig, tables: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Refuses to leave out columns that no table has. Raises ConfigError with the nearest names."""
    every = dict.fromkeys(column for _, columns in tables for column in columns)
    for name in config.leave_out:
        if name not in every:
            raise ConfigError(f"data.shop.leave_out: no table has a column {name!r}{suggest(name, every)}")


def _of_file(config: ShopConfig, path: Path) -> Mapping[str, str | tuple[str, ...]]:
    of_file = config.columns.get(path.name, {})
    return of_file if isinstance(of_file, dict) else {}


def _names(theirs: str | tuple[str, ...]) -> tuple[str, ...]:
    return (theirs,) if isinstance(theirs, str) else theirs


def _listed(columns: Sequence[str]) -> str:
    text = ", ".join(columns)
    return text if len(text) <= 300 else f"{text[:300]}..."
