"""Exporting the codes of a bundle for databases: what is written where, and what may be replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import atomic_folder, atomic_path, sweep
from fashion_hash.core.manifest import read_manifest, seal
from fashion_hash.errors import BundleError, QueryError, shown, suggest
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.exported.duckdb_file import write_duckdb
from fashion_hash.retrieval.exported.parquet_files import write_parquet
from fashion_hash.retrieval.exported.postgres_files import write_postgres
from fashion_hash.retrieval.exported.tables import CodeTables

FORMAT = "fashion_hash exported codes"
FORMAT_VERSION = 1

TARGETS = ("parquet", "postgres", "duckdb")
FOLDERS: dict[str, Callable[[Path, CodeTables], None]] = {"parquet": write_parquet, "postgres": write_postgres}


class ExportedCodes(NamedTuple):
    """How many users, items and outfits were written."""

    users: int
    items: int
    outfits: int


def export_codes(bundle: Path, to: str, out: Path) -> ExportedCodes:
    """Writes the codes, weights and constants of a bundle as it is now, with the SQL that scores them.

    Args:
        bundle: the bundle folder.
        to: "parquet" or "postgres", a folder of files with a manifest, or "duckdb", one file.
        out: the folder or file; one that this function wrote is replaced atomically.

    Raises:
        BundleError: the bundle cannot be opened, or changed meanwhile.
        QueryError: an unknown target, something else is at `out`, or the bundle scores by vectors.
        MissingExtraError: a package that writes the files is not installed.
    """
    if to not in TARGETS:
        raise QueryError(f"no target {shown(to)}{suggest(to, TARGETS)}: use {', '.join(TARGETS)}")
    live = LiveCatalogue(bundle)
    try:
        with live.reading():
            tables = CodeTables(live)
            sweep(out.parent, out.name)  # what a killed process left
            if to == "duckdb":
                _check_replaceable(out, out.is_file() and _is_duckdb(out))
                with atomic_path(out) as temporary:
                    temporary.unlink()  # DuckDB makes the file itself
                    write_duckdb(temporary, tables)
            else:
                _check_replaceable(out, out.is_dir() and _is_export(out))
                with atomic_folder(out) as folder:
                    FOLDERS[to](folder, tables)
                    about = {"format": FORMAT, "format_version": FORMAT_VERSION, "for": to}
                    seal(folder, {**about, "bundle": tables.bundle.fingerprint, "tables": tables.counts()})
            counts = tables.counts()
    finally:
        live.close()
    return ExportedCodes(**counts)


def _check_replaceable(out: Path, ours: bool) -> None:
    empty = out.is_dir() and not any(out.iterdir())
    if out.exists() and not ours and not empty:
        raise QueryError(f"{out} exists and was not written by this export: name another place")
    if (log := out.with_name(f"{out.name}.wal")).exists():
        raise QueryError(f"{log} holds changes to {out}, which is in use or was not closed: open and close it first")


def _is_export(folder: Path) -> bool:
    try:
        read_manifest(folder, FORMAT, FORMAT_VERSION, verify=False)
    except BundleError:
        return False
    return True


def _is_duckdb(path: Path) -> bool:
    """Whether a file is a database that holds the codes of a bundle."""
    require_extra("duckdb", "writing a DuckDB database", "duckdb", "pyarrow")
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return bool(connection.execute("SELECT weight_one FROM bundle").fetchall())
    except duckdb.Error:
        return False
