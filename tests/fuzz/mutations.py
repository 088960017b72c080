"""Small damages to files: bytes, headers of arrays, JSON, rows and tables of SQLite. All of it is drawn by a Random."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    7,
    2**31 - 1,
    2**40,
    -(2**63),
    10**30,
    0.5,
    -1e308,
    "",
    "x",
    "top",
    "../x",
    "a\0b",
    "\u202eא",
    "9" * 5000,
    [],
    [1],
    ["top"],
    {},
    {"x": 1},
    {"a": [{"b": None}]},
]
TYPES = ["<f4", ">f4", "<f8", "<i4", "<i8", "<i2", "|u1", "|i1", "|b1", "|S3", "<U2", "|O", "|V8", "<c8", "<M8[s]"]


def change_bytes(rng: Random, content: bytes) -> bytes:
    """Flips, cuts, grows, repeats or empties."""
    data = bytearray(content)
    kind = rng.randrange(8)
    place = rng.randrange(len(data) + 1)
    length = min(len(data) - place, rng.choice([1, 2, 8, 64, 4096]))
    if kind == 0 and data:
        for _ in range(rng.choice([1, 1, 2, 8, 100])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1 and data:
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        data += rng.choice([b"\0", b"x" * 100, bytes(5000), content, content[:50]])
    elif kind == 4:
        data[place : place + length] = rng.choice([bytes(length), b"\xff" * length])
    elif kind == 5:
        del data[place : place + length]
    elif kind == 6:
        data[place:place] = data[:length] if rng.random() < 0.5 else rng.randbytes(length)
    elif kind == 7 and rng.random() < 0.2:
        data.clear()
    return bytes(data)


def change_array(rng: Random, content: bytes) -> bytes:
    """Another header, or other numbers, of an .npy file."""
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        return change_bytes(rng, content)
    kind = rng.randrange(4)
    if kind == 0:  # values
        changed = array.copy()
        if changed.size and changed.dtype.kind in "iuf":
            limits = np.iinfo(changed.dtype) if changed.dtype.kind != "f" else np.finfo(changed.dtype)
            numbers = [limits.max, limits.min, 0, 1, min(len(array), limits.max)] + [-1] * (changed.dtype.kind != "u")
            for _ in range(rng.choice([1, 1, 3, 20])):
                changed.reshape(-1)[rng.randrange(changed.size)] = rng.choice(numbers)
            if changed.dtype.kind == "f" and rng.random() < 0.3:
                changed.reshape(-1)[rng.randrange(changed.size)] = rng.choice([np.nan, np.inf])
        return _npy(changed)
    if kind == 1:  # fewer or more rows, or another order of the axes
        choices = [array[:-1], array[:0], np.concatenate([array, array]), array.T, array[..., None], array.reshape(-1)]
        return _npy(rng.choice(choices) if array.ndim else array)
    shape, order, dtype = array.shape, False, array.dtype.str
    if kind == 2:
        dtype = rng.choice(TYPES)
    else:
        sizes = [rng.choice([0, 1, -1, 2**20, 2**33, 2**62, size + 1, size * 2, size]) for size in shape]
        shape, order = tuple(sizes), rng.random() < 0.3
    header = io.BytesIO()
    facts = {"descr": dtype, "fortran_order": order, "shape": shape}
    np.lib.format.write_array_header_1_0(header, facts)
    return header.getvalue() + array.tobytes()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def change_json(rng: Random, content: bytes) -> bytes:
    """Another value somewhere, a key less, a key more, or deep nesting."""
    try:
        value = json.loads(content)
    except ValueError:
        return change_bytes(rng, content)
    if rng.random() < 0.1:
        return change_bytes(rng, content)
    if rng.random() < 0.03:
        return b"[" * 200_000
    places = list(_places(value))
    if not places:
        return json.dumps(rng.choice(VALUES)).encode()
    for _ in range(rng.choice([1, 1, 1, 2])):
        holder, key = rng.choice(places)
        if rng.random() < 0.15:
            holder.pop(key, None) if isinstance(holder, dict) else holder.clear()
        elif rng.random() < 0.1 and isinstance(holder, dict):
            holder[rng.choice(["more", "", "x" * 3000])] = rng.choice(VALUES)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = rng.choice(VALUES)
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    """Every container of a JSON value with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def change_sqlite(rng: Random, path: Path) -> None:
    """Edits rows or tables of a file in place; or its bytes."""
    if rng.random() < 0.3:
        path.write_bytes(change_bytes(rng, path.read_bytes()))
        return
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = rng.choice([name for name in tables if not name.startswith("sqlite_")])
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
        column, other = rng.choice(columns), rng.choice(columns)
        value = rng.choice([*VALUES[:19], b"", b"\0" * 8, b"\xff" * 9, rng.randbytes(16), "[" * 5000, "[]", "{}"])
        value = value if not isinstance(value, int) or abs(value) < 2**63 else float(value)
        statement, values = rng.choice(
            [
                (f'UPDATE "{table}" SET "{column}" = ?', (value,)),
                (f'UPDATE "{table}" SET "{column}" = ? WHERE abs(random()) % 3 = 0', (value,)),
                (f'UPDATE OR IGNORE "{table}" SET "{column}" = "{column}" + ?', (rng.choice([1, -1, 1000]),)),
                (f'UPDATE OR IGNORE "{table}" SET "{column}" = "{other}"', ()),
                (f'UPDATE "{table}" SET "{column}" = CAST(substr("{column}", 1, 5) AS BLOB)', ()),
                (f'UPDATE "{table}" SET "{column}" = "{column}" || "{column}"', ()),
                (f'DELETE FROM "{table}" WHERE rowid IN (SELECT rowid FROM "{table}" LIMIT 2)', ()),
                (f'DELETE FROM "{table}"', ()),
                (f'DROP TABLE "{table}"', ()),
                (f'ALTER TABLE "{table}" RENAME TO other', ()),
                (f'ALTER TABLE "{table}" ADD COLUMN more TEXT', ()),
                (f'INSERT OR IGNORE INTO "{table}" VALUES ({", ".join("?" * len(columns))})', (value,) * len(columns)),
            ]
        )
        try:
            with connection:
                connection.execute(statement, values)
        except sqlite3.Error:  # a row or a table that cannot be so: another damage
            with connection:
                connection.execute("CREATE TABLE IF NOT EXISTS more (x)")


def change_file(rng: Random, path: Path, others: list[Path]) -> None:
    """Damages a file in one of the ways that its kind allows."""
    drawn = rng.random()
    if drawn < 0.03:
        path.unlink()
    elif drawn < 0.04:
        path.unlink()
        path.mkdir()
    elif drawn < 0.12:
        others = [other for other in others if other != path and other.is_file()]
        similar = [other for other in others if other.suffix == path.suffix] or others
        shutil.copyfile(rng.choice(similar), path)
    elif path.suffix == ".sqlite":
        change_sqlite(rng, path)
    else:
        special: dict[str, Callable[[Random, bytes], bytes]] = {".npy": change_array, ".json": change_json}
        change = special.get(path.suffix, change_bytes) if rng.random() < 0.75 else change_bytes
        path.write_bytes(change(rng, path.read_bytes()))
