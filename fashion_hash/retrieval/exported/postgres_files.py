"""The tables of a bundle as files that psql loads into PostgreSQL 14 or later."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.retrieval.exported.queries import Queries
from fashion_hash.retrieval.exported.tables import CodeTables, Kind, Table

TYPES: dict[Kind, str] = {
    "int": "integer NOT NULL",
    "long": "bigint NOT NULL",
    "number": "integer",
    "text": "text",
    "json": "json NOT NULL",
    "flag": "boolean NOT NULL",
}
LOAD = """-- psql -v ON_ERROR_STOP=1 -f load.sql DATABASE, in this folder: all or nothing, into the schema fashion_hash,
-- or another one that does not exist: psql -v schema=NAME ...
\\set ON_ERROR_STOP on
\\if :{{?schema}}
\\else
  \\set schema fashion_hash
\\endif
BEGIN;
CREATE SCHEMA :"schema";
SET LOCAL search_path TO :"schema";
\\ir schema.sql
{copies}
{keys}
CREATE UNIQUE INDEX ON users (user_id);
\\ir query.sql
COMMIT;
{analyses}
"""


def write_postgres(folder: Path, tables: CodeTables) -> None:
    """Writes schema.sql, a CSV file for each table, query.sql with the functions that score, and load.sql for psql."""
    every = tables.all()
    bits = tables.bundle.num_bits
    (folder / "schema.sql").write_text("\n".join(_create(table, bits) for table in every) + "\n", encoding="utf-8")
    (folder / "query.sql").write_text(Queries(tables.bundle, "postgres").text(), encoding="utf-8")
    for table in every:
        _write_csv(folder / f"{table.name}.csv", table)
    load = LOAD.format(
        copies="\n".join(
            f"\\copy {table.name} FROM '{table.name}.csv' WITH (FORMAT csv, HEADER, ENCODING 'UTF8')" for table in every
        ),
        keys="\n".join(f"ALTER TABLE {table.name} ADD PRIMARY KEY ({', '.join(table.key)});" for table in every),
        analyses="\n".join(f'ANALYZE :"schema".{table.name};' for table in every),
    )
    (folder / "load.sql").write_text(load, encoding="utf-8")


def _create(table: Table, bits: int) -> str:
    columns = ", ".join(
        f"{name} bit({bits}) NOT NULL" if kind == "code" else f"{name} {TYPES[kind]}"
        for name, kind in table.columns.items()
    )
    return f"CREATE TABLE {table.name} ({columns});"


def _write_csv(path: Path, table: Table) -> None:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.columns)
        for block in table.blocks():
            writer.writerows(zip(*(_cells(kind, block[name]) for name, kind in table.columns.items())))


def _cells(kind: Kind, values: Sequence[Any] | np.ndarray) -> list[Any]:
    """The values of a column as CSV holds them; None is an empty cell, which PostgreSQL reads as NULL."""
    if kind == "code":
        bits = np.unpackbits(np.asarray(values), axis=-1) + ord("0")
        return [row.decode() for row in np.ascontiguousarray(bits).view(f"S{bits.shape[1]}").ravel().tolist()]
    cells = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [cell or None for cell in cells] if kind == "number" else cells
