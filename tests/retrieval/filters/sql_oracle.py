"""Filters as SQL over the catalogue: slower than columns.py, and what that is held to.

Names of columns and values reach SQLite as parameters only; the text of a statement is put together
from the fixed pieces below, whatever a filter says.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np

from fashion_hash.errors import BundleError
from fashion_hash.retrieval.filters.language import AllOf, AnyOf, Compare, Condition, Not, Value

# the columns of an item: those of its details, and the title, which the table has apart
_ITEM = "(SELECT key, type, value FROM json_each(details) UNION ALL SELECT 'title', 'text', title)"
_EXISTS = f"EXISTS (SELECT 1 FROM {_ITEM} AS item WHERE key = ? AND value IS NOT NULL"
_NUMBER = "type IN ('integer', 'real')"
_TEXT = "type = 'text'"
_FLAG = "type IN ('true', 'false')"
_ORDERS = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


def matching_rows(path: Path, kind: str, condition: Condition) -> np.ndarray:
    """Rows of the items of a type that match, ascending, int64; from a catalogue file.

    Raises:
        BundleError: the file cannot be read.
    """
    sql, parameters = compiled(condition)
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            connection.create_function("casefold", 1, _casefold, deterministic=True)
            query = f"SELECT row FROM items WHERE type = ? AND {sql} ORDER BY row"
            return np.array([row for (row,) in connection.execute(query, (kind, *parameters))], dtype=np.int64)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise BundleError(f"{path} is not a readable catalogue ({error}): export the bundle again") from None


def _casefold(value: object) -> str | None:
    return value.casefold() if isinstance(value, str) else None


def compiled(condition: Condition) -> tuple[str, tuple[str | float, ...]]:
    """A condition as an SQL expression over a row of `items`, and its parameters."""
    if isinstance(condition, Compare):
        return _compare(condition)
    if isinstance(condition, Not):
        sql, parameters = compiled(condition.part)
        return f"NOT {sql}", parameters
    assert isinstance(condition, AllOf | AnyOf)
    parts = [compiled(part) for part in condition.parts]
    joint, nothing = (" AND ", "1") if isinstance(condition, AllOf) else (" OR ", "0")
    return f"({joint.join(sql for sql, _ in parts) or nothing})", tuple(one for _, some in parts for one in some)


def _compare(test: Compare) -> tuple[str, tuple[str | float, ...]]:
    if test.op == "exists":
        return ("" if test.values[0] else "NOT ") + f"{_EXISTS})", (test.column,)
    if test.op in ("=", "in"):
        sql, parameters = _equal(test.values)
        return f"{_EXISTS} AND {sql})", (test.column, *parameters)
    if test.op in ("!=", "not in"):
        sql, parameters = _equal(test.values)
        return f"{_EXISTS} AND NOT {sql})", (test.column, *parameters)
    value = test.values[0]
    if test.op == "overlaps":
        parts = [_element(value) for value in test.values]
        elements = " OR ".join(sql for sql, _ in parts)
        return f"{_EXISTS} AND ({elements}))", (test.column, *(one for _, one in parts))
    if test.op == "contains":
        element, key = _element(value)
        if not isinstance(value, str):
            return f"{_EXISTS} AND {element})", (test.column, key)
        return f"{_EXISTS} AND (({_TEXT} AND instr(casefold(value), ?) > 0) OR {element}))", (test.column, key, key)
    order = _ORDERS[test.op]
    if isinstance(value, str):
        return f"{_EXISTS} AND {_TEXT} AND value {order} ?)", (test.column, value)
    return f"{_EXISTS} AND {_NUMBER} AND CAST(value AS REAL) {order} ?)", (test.column, value)


def _element(value: Value) -> tuple[str, str | float]:
    """Whether the value is a list with an element."""
    if isinstance(value, str):
        inside, key = "element.type = 'text' AND casefold(element.value) = ?", value.casefold()
    else:
        inside, key = "element.type IN ('integer', 'real') AND CAST(element.value AS REAL) = ?", value
    return f"(type = 'array' AND EXISTS (SELECT 1 FROM json_each(item.value) AS element WHERE {inside}))", key


def _equal(wanted: tuple[Value, ...]) -> tuple[str, tuple[str, ...]]:
    """Equal to one of some values of any kind: three lists, as JSON."""
    texts = [value for value in wanted if isinstance(value, str)]
    flags = [int(value) for value in wanted if isinstance(value, bool)]
    numbers = [value for value in wanted if not isinstance(value, str | bool)]
    listed = "IN (SELECT value FROM json_each(?))"
    return (
        f"(({_TEXT} AND value {listed}) OR ({_FLAG} AND value {listed}) "
        f"OR ({_NUMBER} AND CAST(value AS REAL) {listed}))",
        (json.dumps(texts), json.dumps(flags), json.dumps(numbers)),
    )
