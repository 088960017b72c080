"""The tables of a bundle as Parquet files, and the SQL that reads them in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion_hash.core.extras import require_extra
from fashion_hash.retrieval.exported.queries import Queries
from fashion_hash.retrieval.exported.tables import CodeTables, Kind, Table

if TYPE_CHECKING:
    import pyarrow

NUMBERS: dict[Kind, str] = {"int": "int32", "long": "int64", "number": "int32"}


def write_parquet(folder: Path, tables: CodeTables) -> None:
    """Writes a file for each table, and query.sql, which makes them tables of DuckDB."""
    write_tables(folder, tables)
    views = [
        f"CREATE VIEW {table.name} AS SELECT {selected(table)} FROM read_parquet('{table.name}.parquet');"
        for table in tables.all()
    ]
    begun = "-- run in this folder by DuckDB: duckdb -init query.sql"
    functions = Queries(tables.bundle, "duckdb").text()
    (folder / "query.sql").write_text("\n".join([begun, *views, "", functions]), encoding="utf-8")


def selected(table: Table) -> str:
    """The columns of a file, as DuckDB computes with them: codes as bit strings."""
    special = {"code": "BIT", "json": "JSON"}
    return ", ".join(
        f"{name}::{special[kind]} AS {name}" if kind in special else name for name, kind in table.columns.items()
    )


def write_tables(folder: Path, tables: CodeTables) -> None:
    """Writes a file for each table.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    require_extra("parquet", "writing Parquet", "pyarrow")
    import pyarrow.parquet

    for table in tables.all():
        schema = pyarrow.schema([(name, _type(tables, kind)) for name, kind in table.columns.items()])
        with pyarrow.parquet.ParquetWriter(folder / f"{table.name}.parquet", schema) as writer:
            for block in table.blocks():
                writer.write_table(_rows(table.columns, block, schema))


def _type(tables: CodeTables, kind: Kind) -> pyarrow.DataType:
    import pyarrow

    if kind in NUMBERS:
        return pyarrow.type_for_alias(NUMBERS[kind])
    if kind == "code":
        return pyarrow.binary(tables.bundle.num_bits // 8)
    return pyarrow.bool_() if kind == "flag" else pyarrow.string()


def _rows(
    columns: Mapping[str, Kind], block: Mapping[str, Sequence[Any] | np.ndarray], schema: pyarrow.Schema
) -> pyarrow.Table:
    import pyarrow

    arrays = []
    for name, kind in columns.items():
        values, of_type = block[name], schema.field(name).type
        if kind == "code":
            buffer = pyarrow.py_buffer(np.ascontiguousarray(values))
            arrays.append(pyarrow.FixedSizeBinaryArray.from_buffers(of_type, len(values), [None, buffer]))
        elif kind == "number":
            numbers = np.asarray(values)
            arrays.append(pyarrow.array(numbers, of_type, mask=numbers == 0))
        else:
            arrays.append(pyarrow.array(values, of_type))
    return pyarrow.Table.from_arrays(arrays, schema=schema)
