"""The proof that an id is in no file: every byte of every file is searched, in UTF-8 and in UTF-16.

A short id such as "7" occurs everywhere by chance, in codes, counts and checksums, and "user-1" occurs in "user-12".
So each occurrence is judged: in tables of ids and in databases whole values are compared, and in text whole words. An
array of numbers holds no ids at all; bytes that look like one are chance.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.core.arrays import NOT_AN_ARRAY

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")
DATABASES = (".sqlite", ".sqlite-wal", ".sqlite-shm")
# files that hold numbers alone: an id in them is chance
NUMBERS = (".npy", ".safetensors", ".faiss", ".png", ".jpg", ".jpeg", ".mdb")
AT_ONCE = 1 << 24  # bytes
PROVES_FROM = 8  # bytes: a random sequence of this length occurs in a terabyte once in ten million times


class Occurrence(NamedTuple):
    """An id in a file.

    Attributes:
        file: the file.
        times: how often its bytes occur.
        whole: whether it occurs as a value or a word of its own; otherwise in longer ones, or by chance.
    """

    file: Path
    times: int
    whole: bool


def files_of(folders: Sequence[Path]) -> list[Path]:
    """All files in some folders, and files among them, each once, in order; others may be writing in the folders."""
    found = {folder for folder in folders if folder.is_file()}
    for folder in folders:  # not by Path.rglob, which raises for a folder that is removed meanwhile
        found.update(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(file for file in found if file.is_file())


def search(user_id: str, files: Iterable[Path]) -> Iterator[Occurrence]:
    """Where an id occurs in files. Files that are removed or renamed meanwhile, as by a build, are passed over.

    Raises:
        OSError: a file cannot be read.
    """
    patterns = [user_id.encode(encoding) for encoding in ENCODINGS]
    for file in files:
        try:
            if (count := sum(_count(file, pattern) for pattern in patterns)) or user_id in file.name:
                yield Occurrence(file, count, _is_whole(user_id, file))
        except FileNotFoundError:
            continue


def _count(file: Path, pattern: bytes) -> int:
    """How often a file holds some bytes. It is read in parts, not mapped: others may shorten it meanwhile."""
    count, rest = 0, b""
    with open(file, "rb") as stream:
        while part := stream.read(AT_ONCE):
            part = rest + part
            count += part.count(pattern)
            rest = part[len(part) - len(pattern) + 1 :] if len(pattern) > 1 else b""
    return count


def _is_whole(user_id: str, file: Path) -> bool:
    """Whether an id that occurs in a file is a value or a word there."""
    if file.suffix == ".npy":
        return _in_ids(user_id.encode(), file)
    if file.name.endswith(".sqlite"):
        return _in_database(user_id, file)
    if file.suffix in NUMBERS:
        return len(user_id.encode()) >= PROVES_FROM
    text = file.read_bytes()
    return any(_is_word(user_id, text.decode(encoding, "replace")) for encoding in ENCODINGS)


def _is_word(user_id: str, text: str) -> bool:
    """Whether the text holds an id that is not a part of a longer one: neither letters, digits, "-" nor "_" go on."""
    return re.search(rf"(?<![\w-]){re.escape(user_id)}(?![\w-])", text) is not None


def _in_ids(key: bytes, file: Path) -> bool:
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except NOT_AN_ARRAY:
        return True  # it is no array that this program wrote
    return (array.dtype.kind == "S" and bool((array == key).any())) or array.dtype.kind not in "Sfiub"


def _in_database(user_id: str, file: Path) -> bool:
    """Whether a cell of any table holds an id, as a word of its own."""
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return any(_in_table(user_id, connection, table) for table in tables)
    except sqlite3.Error:
        return True


def _in_table(user_id: str, connection: sqlite3.Connection, table: str) -> bool:
    cursor = connection.execute(f'SELECT * FROM "{table}"')
    return any(isinstance(cell, str) and user_id in cell and _is_word(user_id, cell) for row in cursor for cell in row)
