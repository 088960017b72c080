"""Which tables a folder holds, told by their columns and by what is in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from fashion_hash.config.shop import ShopConfig
from fashion_hash.data.parsing.tables import FORMS as TABLE_FORMS
from fashion_hash.data.parsing.tables import read_table, table_columns, table_form
from fashion_hash.data.shop.tables.forms import FORMS, form_of
from fashion_hash.data.shop.tables.names import (
    ABOUT_USERS,
    BARE,
    FURTHER,
    SPELLINGS,
    WITH_FURTHER,
    Mapped,
    Source,
    check_left_out,
    check_mapping,
    map_columns,
    mapped_names,
    plain_name,
)
from fashion_hash.data.stores.lmdb_files import is_lmdb
from fashion_hash.errors import ConfigError, DataError, suggest

KINDS = ("items", "details", "outfits", "events", "interactions")
"""The kinds of tables that are read; a folder may also hold tables of users and others, which are not."""

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_SAMPLE = 2000  # rows that are looked at
_MEETS = 0.6  # the share of a column's cells that must be known ids to tell what the column is


@dataclass(frozen=True)
class Table:
    """A table of a folder.

    Attributes:
        path: the file.
        kind: one of KINDS, "users", or "" if it is not recognised.
        columns: the names of its columns.
        mapped: our names of columns to theirs.
        form: a name in `forms.FORMS` if it is not a plain table.
    """

    path: Path
    kind: str
    columns: tuple[str, ...]
    mapped: Mapped
    form: str | None = None


@dataclass(frozen=True)
class ShopTables:
    """The tables of a shop.

    Attributes:
        root: their folder.
        tables: each of them, also those that are not read.
        pictures: the folder or LMDB of pictures, if there is one.
        left_out: further columns of the items that are not read.
    """

    root: Path
    tables: tuple[Table, ...]
    pictures: Path | None = None
    left_out: frozenset[str] = frozenset()

    def of(self, kind: str) -> list[Table]:
        """The tables of a kind."""
        return [table for table in self.tables if table.kind == kind]

    @property
    def names(self) -> dict[str, str]:
        """What the shop calls columns of its items that have another name of ours: {"Preis": "price"}.

        A name that stands for two of ours is left out.
        """
        ours: dict[str, set[str]] = {}
        for table in (table for kind in WITH_FURTHER for table in self.of(kind) if table.form is None):
            for name, theirs in table.mapped.items():
                if len(theirs) == 1:
                    ours.setdefault(theirs[0], set()).add(name)
        return {theirs: min(names) for theirs, names in ours.items() if len(names) == 1 and theirs not in names}

    def sources(self, kind: str) -> list[Source]:
        """The tables of a kind, as they are read."""
        return [
            Source(
                table.path, table.mapped, table.form, table.columns, self.left_out - set(sum(table.mapped.values(), ()))
            )
            for table in self.of(kind)
        ]


def find_tables(root: Path, config: ShopConfig | None = None) -> ShopTables:
    """The tables that a configuration names, or else those that a folder holds.

    Args:
        root: the folder.
        config: files and columns; without any file the folder is looked at.

    Raises:
        ConfigError: the configuration names a file or a column that does not exist.
        DataError: the folder does not exist, a table cannot be read, or is there in two forms.
    """
    config = config or ShopConfig()
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds the tables of the shop")
    named = {kind: getattr(config, kind) for kind in KINDS}
    if any(named.values()):
        tables = [
            _named(root / name, kind, config, f"data.shop.{kind}") for kind, files in named.items() for name in files
        ]
    else:
        tables = _recognised(root, config)
    read = [table for table in tables if table.kind in KINDS]
    check_mapping(config, [(table.path, table.columns) for table in tables])
    check_left_out(config, [(table.path, table.columns) for table in tables])
    for table in read:
        _check_complete(table)
    return ShopTables(root, tuple(tables), _pictures(root, config), frozenset(config.leave_out))


def _named(path: Path, kind: str, config: ShopConfig, key: str) -> Table:
    if not path.is_file():
        holds = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ConfigError(f"{key}: no file {path}{suggest(path.name, holds)}")
    if kind == "items" and (form := form_of(path)) is not None:
        return Table(path, kind, (), {}, form)
    columns = table_columns(path)
    return Table(path, kind, columns, map_columns(kind, path, columns, config))


def _recognised(root: Path, config: ShopConfig) -> list[Table]:
    """Every table of a folder with its kind, first by the names of its columns, then by what is in them."""
    files = sorted(path for path in root.iterdir() if path.is_file() and not path.name.startswith("."))
    forms = {path: form for path in files if (form := form_of(path)) is not None}
    files = [path for path in files if path in forms or table_form(path) is not None]
    _refuse_twins(files)
    tables = []
    for path in files:
        if path in forms:
            tables.append(Table(path, "items", (), {}, forms[path]))
            continue
        columns = table_columns(path)
        kind = kind_of(columns, mapped_names(path, columns, config))
        tables.append(Table(path, kind, columns, map_columns(kind, path, columns, config, True) if kind else {}))
    if not any(table.kind == "items" for table in tables):
        tables = [
            replace(table, kind="items", mapped=map_columns("items", table.path, table.columns, config, True))
            if table.kind == "details"
            else table
            for table in tables
        ]
    with_types = [table for table in tables if table.kind == "items" and ("type" in table.mapped or table.form)]
    if with_types:  # a table with titles alone, such as translations, tells more of the same items
        tables = [
            replace(table, kind="details", mapped=_of_details(table.mapped))
            if table.kind == "items" and table not in with_types
            else table
            for table in tables
        ]
    lists = {table.path for table in tables if _names_several(table, config)}
    if not lists and all(table.kind not in ("", "events") for table in tables):
        return tables
    ids = _item_ids(tables)
    # a table of outfits and users may hold the items as well, in a column a slot
    return [
        by_content(table, ids, config) if table.kind in ("", "events") or table.path in lists else table
        for table in tables
    ]


def _names_several(table: Table, config: ShopConfig) -> bool:
    """Whether a column that is spelt like an item_id may hold several ids in a cell; "Artikel" means one and many."""
    if table.kind not in ("outfits", "interactions") or "item_id" not in table.mapped or "item_ids" in table.mapped:
        return False
    if "item_id" in mapped_names(table.path, table.columns, config):
        return False
    (column,) = table.mapped["item_id"]
    rows = islice(read_table(table.path, [column], report=lambda error: None), _SAMPLE)
    cells = [str(row[column]) for _, row in rows if row[column] is not None]
    return sum(len(_ids_in(cell)) > 1 for cell in cells) >= _MEETS * max(1, len(cells))


def _ids_in(cell: str) -> list[str]:
    """The parts of a cell that may be ids, however they are separated."""
    return [part.strip("[]\"'") for part in cell.replace(",", " ").replace(";", " ").replace("|", " ").split()]


def _of_details(mapped: Mapped) -> Mapped:
    """The columns of a table of items as one of details: titles and images keep the names that the table gives them."""
    return {name: names for name, names in mapped.items() if name == "item_id" or name in FURTHER}


def kind_of(columns: Sequence[str], mapped: Collection[str] = ()) -> str:
    """The kind of a table by the names of its columns; "" if they do not tell.

    Args:
        columns: the names.
        mapped: our names of columns that a configuration maps to some of them.
    """
    plain = {plain_name(column) for column in columns}

    def has(name: str) -> bool:
        return name in mapped or bool(plain & set(SPELLINGS[name]))

    bare = bool(plain & set(BARE["items"]["item_id"]))
    if has("item_ids"):
        return "outfits"
    if has("item_id") and has("outfit_id"):
        return "outfits"
    if has("user_id") and has("item_id"):
        return "interactions"
    if has("user_id") and (has("outfit_id") or has("order_id")):
        return "events"
    if has("order_id") and has("item_id"):
        return "outfits"  # the items of each order; a table of events says whose it is
    if plain & ABOUT_USERS and not has("item_id"):
        return "users"
    if has("item_id") or (bare and has("type")):
        return "items" if has("type") or has("title") else "details"
    if has("user_id"):
        return "users"
    return ""


def by_content(table: Table, item_ids: Collection[str], config: ShopConfig) -> Table:
    """A table whose names do not tell, by where the ids of items stand in it.

    Several columns of item ids make a table of outfits with a column a slot; a single one with several ids in a cell
    makes item_ids, a single one with an id in each cell a table of details.
    """
    rows = [row for _, row in islice(read_table(table.path, report=lambda error: None), _SAMPLE)]
    single: list[str] = []
    several: list[str] = []
    for column in table.columns:
        cells = [str(cell).strip() for row in rows if (cell := row.get(column)) not in (None, "-1")]
        if not cells:
            continue
        if sum(cell in item_ids for cell in cells) >= _MEETS * len(cells):
            single.append(column)
        else:
            parts = [part for cell in cells for part in _ids_in(cell)]
            if parts and sum(part in item_ids for part in parts) >= _MEETS * len(parts):
                several.append(column)
    if not table.kind and not several and len(single) == 1:
        free = [column for column in table.columns if column != single[0]]
        mapped = map_columns("details", table.path, free, config, True)
        return replace(table, kind="details", mapped={"item_id": (single[0],), **mapped})
    if not several and len(single) < 2:
        return table
    free = [column for column in table.columns if column not in (*single, *several)]
    mapped = map_columns("outfits", table.path, free, config)
    mapped["item_ids"] = tuple(several[:1] or single)
    return replace(table, kind="outfits", mapped=mapped)


def _item_ids(tables: Sequence[Table]) -> set[str]:
    """The ids of all items, and of their variants."""
    ids: set[str] = set()
    for table in tables:
        if table.kind == "items" and table.form is not None:
            for _, row in FORMS[table.form].read(table.path, lambda error: None):
                ids.update(str(name) for name in (row.get("item_id"), *(row.get("variants") or ())) if name)
        elif table.kind == "items":
            (column,) = table.mapped["item_id"]
            rows = read_table(table.path, [column], lambda error: None)
            ids.update(str(row[column]).strip() for _, row in rows if row[column] is not None)
    return ids


def _refuse_twins(files: Sequence[Path]) -> None:
    """Refuses a table that is there in two forms, such as items.csv and items.jsonl: which one counts?"""
    by_stem: dict[str, Path] = {}
    for path in files:
        stem = path.name.removesuffix(".gz")
        for suffix in TABLE_FORMS:
            stem = stem.removesuffix(suffix)
        if stem in by_stem:
            raise DataError(
                f"{path.parent}: {by_stem[stem].name} and {path.name} seem to be one table in two forms: "
                "remove one, or name the tables to be read in the configuration (data.shop)"
            )
        by_stem[stem] = path


_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "items": (("item_id",),),
    "details": (("item_id",),),
    "outfits": (("item_ids", "item_id"),),
    "events": (("user_id",), ("outfit_id",)),
    "interactions": (("user_id",), ("item_id",)),
}


def _check_complete(table: Table) -> None:
    """Refuses a table without the columns that its kind needs."""
    if table.form is not None:
        return
    needed = list(_NEEDED[table.kind])
    if table.kind == "outfits" and "item_ids" not in table.mapped:
        needed.append(("outfit_id",))
    for names in needed:
        if not any(name in table.mapped for name in names):
            near = suggest(names[0], table.columns)
            raise DataError(
                f"{table.path}: a table of {table.kind} needs a column {' or '.join(names)}{near}; it has "
                f"{', '.join(table.columns)[:300]}. Say which it is: data.shop.columns.{table.path.name}.{names[0]}"
            )


def _pictures(root: Path, config: ShopConfig) -> Path | None:
    """The pictures that the configuration names, else the only folder of pictures within the root."""
    if config.pictures is not None:
        path = root / config.pictures
        if not path.exists():
            raise ConfigError(f"data.shop.pictures: no folder or LMDB {path}")
        return path
    if any((config.items, config.outfits, config.interactions)):
        return None
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    return next((path for path in folders if is_lmdb(path) or _holds_pictures(path)), None)


def _holds_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in PICTURE_SUFFIXES for file in islice(folder.rglob("*"), 200))
