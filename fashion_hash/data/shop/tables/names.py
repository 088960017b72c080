"""What shops call the columns of their tables (names.yaml), and the mapping from our names to theirs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashion_hash.config.shop import ShopConfig
from fashion_hash.config.yaml_text import parse_yaml
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


_ID = ("id", "nr", "no", "number", "key", "code", "nummer", "numero", "codigo")
_NAMES = Path(__file__).with_name("names.yaml")


def plain_name(name: str) -> str:
    """A column's name without case, blanks, marks and accents: "Product ID" and "productId" are the same."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[^0-9a-z]", "", letters)


def _by_name(section: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """The spellings of all languages, in the order of the file."""
    return {name: tuple(word for words in of.values() for word in words) for name, of in section.items()}


_FILE = parse_yaml(_NAMES.read_text(encoding="utf-8"), str(_NAMES))

SPELLINGS: Mapping[str, tuple[str, ...]] = _by_name(_FILE["columns"])
"""By our name of a column, what else it may be called, as `plain_name` writes it. The first that a table has wins."""

FURTHER: Mapping[str, tuple[str, ...]] = _by_name(_FILE["further"])
"""The same for further columns of the items, which get a name of ours only where tables are recognised."""

EVENT_KINDS: Mapping[str, str] = {word: kind for kind, words in _by_name(_FILE["kinds"]).items() for word in words}
"""Kinds of events, by what shops call them."""

ABOUT_USERS = frozenset(word for words in _FILE["about_users"].values() for word in words)
"""Columns of a table about users alone."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "items": ("item_id", "type", "title", "description", "image"),
    "details": ("item_id",),
    "outfits": ("outfit_id", "user_id", "item_ids", "item_id", "split", "timestamp", "weight", "kind"),
    "events": ("user_id", "outfit_id", "kind", "timestamp", "weight", "split"),
    "interactions": ("user_id", "item_id", "order_id", "kind", "timestamp", "weight"),
    "users": ("user_id",),
}
"""The columns of each kind of table."""

WITH_FURTHER = ("items", "details")
"""Kinds of tables that have further columns."""

BARE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "items": {"item_id": _ID},
    "details": {"item_id": _ID},
    "outfits": {"outfit_id": (*_ID, *SPELLINGS["order_id"])},
    "events": {"outfit_id": SPELLINGS["order_id"]},
    "interactions": {"kind": ("type", "status")},
    "users": {"user_id": _ID},
}
"""What a column may be called in one kind of table beside its `SPELLINGS`, such as `id`."""


def recognise_columns(kind: str, columns: Sequence[str], further: bool = False) -> Mapped:
    """Our names for the columns of a table of this kind, by how they are spelt; columns without one are left out.

    Args:
        kind: of table, a key of `COLUMNS`.
        columns: the names of its columns.
        further: whether further columns of the items get a name of ours as well.
    """
    by_plain: dict[str, str] = {}
    for column in columns:
        by_plain.setdefault(plain_name(column), column)
    mapped: Mapped = {}
    for name in COLUMNS[kind]:
        spellings = (*SPELLINGS[name], *BARE.get(kind, {}).get(name, ()))
        spelt = next((by_plain[spelling] for spelling in spellings if spelling in by_plain), None)
        if spelt is not None and (spelt,) not in mapped.values():
            mapped[name] = (spelt,)
    if further and kind in WITH_FURTHER:
        for name, spellings in FURTHER.items():
            spelt = next((by_plain[spelling] for spelling in spellings if spelling in by_plain), None)
            if spelt is not None and name not in by_plain and (spelt,) not in mapped.values():
                mapped[name] = (spelt,)
    return mapped


def map_columns(kind: str, path: Path, columns: Sequence[str], config: ShopConfig, further: bool = False) -> Mapped:
    """Our names for the columns of a table: as the configuration says, else by how they are spelt.

    Args:
        kind: of table, a key of `COLUMNS`.
        path: of the table; its name may have a mapping of its own.
        columns: the names of its columns.
        config: says which columns are mapped.
        further: whether further columns of the items are recognised by their spelling as well.

    Raises:
        ConfigError: the mapping of this table names a column that it lacks, or one of ours that does not exist.
    """
    given: Mapped = {}
    allowed = (*COLUMNS[kind], *(FURTHER if kind in WITH_FURTHER else ()))
    for ours, theirs in config.columns.items():
        if isinstance(theirs, dict):
            continue
        names = _names(theirs)
        if ours in allowed and all(name in columns for name in names):
            given[ours] = names
    for ours, theirs in _of_file(config, path).items():
        key = f"data.shop.columns.{path.name}"
        if ours not in allowed:
            known = ", ".join(allowed)
            raise ConfigError(f"{key}: unknown column {ours!r}{suggest(ours, allowed)}; known are {known}")
        for name in _names(theirs):
            if name not in columns:
                raise ConfigError(
                    f"{key}.{ours}: {path} has no column {name!r}{suggest(name, columns)}; it has {_listed(columns)}"
                )
        given[ours] = _names(theirs)
    taken = {name for names in given.values() for name in names}
    free = [column for column in columns if column not in taken]
    spelt = {ours: names for ours, names in recognise_columns(kind, free, further).items() if ours not in given}
    both = {**spelt, **given}
    return {ours: both[ours] for ours in allowed if ours in both}


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
        known = dict.fromkeys([*(name for names in COLUMNS.values() for name in names), *FURTHER])
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
