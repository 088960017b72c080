"""SQLite files of a bundle may come from anyone: only the declared tables are read, and for a limited time.

A table of the right name can hide a view, a trigger, or columns in another order, and damaged pages can make a query
run forever, with checksums that fit.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

SECONDS = 10.0  # of a query, and more for large files
_BYTES_A_SECOND = 1 << 20  # that any disk reads
_STEPS = 10_000  # of SQLite's machine between two looks at the clock


def connect(path: Path, mode: str, **options: Any) -> sqlite3.Connection:
    """Opens a file that exists. Its schema may call no functions that have effects."""
    connection: sqlite3.Connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, check_same_thread=False, **options
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def write_ahead(connection: sqlite3.Connection, seconds: float = 20.0) -> None:
    """Switches a file to a write-ahead log; of several connections that do so at once, the others wait.

    SQLite's own timeout does not hold for this: the others would fail with "database is locked".

    Raises:
        sqlite3.OperationalError: the file is still locked after so many seconds.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def size_of(path: Path) -> int:
    """The size of an open file in bytes; 0 where it has been moved since."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextmanager
def limited(connection: sqlite3.Connection, size: int = 0) -> Iterator[None]:
    """Ends queries of the block by an OperationalError when they take too long.

    Args:
        connection: threads may share it.
        size: bytes of the file, for queries that read all of it.
    """
    until = time.monotonic() + SECONDS + size / _BYTES_A_SECOND
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def check_tables(connection: sqlite3.Connection, schema: str, optional: Sequence[str] = ()) -> None:
    """Compares the tables of a file with those that are declared. Other tables are never read, so they may be there.

    Args:
        connection: the open file.
        schema: CREATE statements.
        optional: the tables that older files lack.

    Raises:
        sqlite3.DatabaseError: a table is missing or has other columns, or there are views or triggers.
    """
    query = "SELECT type, name, tbl_name, substr(sql, 1, 4000) FROM sqlite_master LIMIT 1000"
    with limited(connection):
        entries = connection.execute(query).fetchall()
    if hidden := [name for kind, name, *_ in entries if kind not in ("table", "index")]:
        raise sqlite3.DatabaseError(f"it holds {str(hidden[0])[:80]!r}, which is neither a table nor an index")
    declared = _declared(schema)
    existing = {(kind, name): _plain(sql) for kind, name, _, sql in entries}
    for (kind, name), sql in declared.items():
        if existing.get((kind, name), sql if kind == "index" or name in optional else None) != sql:
            raise sqlite3.DatabaseError(f"its {kind} {name} is missing or has other columns")
    tables = {name for kind, name in declared if kind == "table"}
    for kind, name, table, sql in entries:
        if kind == "index" and table in tables and sql is not None and (kind, name) not in declared:
            raise sqlite3.DatabaseError(f"it holds an index {str(name)[:80]!r} that is not declared")


@cache
def _declared(schema: str) -> dict[tuple[str, str], str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(kind, name): _plain(sql) for kind, name, sql in rows if not name.startswith("sqlite_")}


def _plain(sql: object) -> str:
    return " ".join(str(sql).split())
