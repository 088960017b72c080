"""The tables of a bundle as a DuckDB database."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fashion_hash.core.extras import require_extra
from fashion_hash.retrieval.exported.parquet_files import selected, write_tables
from fashion_hash.retrieval.exported.queries import Queries
from fashion_hash.retrieval.exported.tables import CodeTables


def write_duckdb(path: Path, tables: CodeTables) -> None:
    """Writes a database with the tables and the functions that score; the file must not exist.

    Raises:
        MissingExtraError: duckdb or pyarrow is not installed.
    """
    require_extra("duckdb", "writing a DuckDB database", "duckdb", "pyarrow")
    import duckdb

    hidden = path.name.removeprefix(".")  # of a temporary file: what a kill leaves is swept by the name of the last one
    with tempfile.TemporaryDirectory(prefix=f".{hidden}.", suffix=".partial", dir=path.parent) as name:
        folder = Path(name)
        write_tables(folder, tables)
        with duckdb.connect(str(path)) as connection:
            for table in tables.all():
                file = str(folder / f"{table.name}.parquet").replace("'", "''")
                connection.execute(f"CREATE TABLE {table.name} AS SELECT {selected(table)} FROM read_parquet('{file}')")
            connection.execute(Queries(tables.bundle, "duckdb").text())
