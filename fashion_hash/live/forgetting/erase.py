"""Erases removed users from the files of a bundle: their ids, codes, tastes and what they liked.

Rows stay, so that no other row changes its number; what they held is overwritten. The files are copied, changed and
exchanged one by one (core.manifest.replace_files): a kill leaves a bundle that opens, and the next compaction
completes it. Processes that have the old files open keep them until they open the bundle again; blocks of a disk that
held a replaced file are the file system's to use again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.core.arrays import NOT_AN_ARRAY, open_array
from fashion_hash.core.files import sweep
from fashion_hash.core.manifest import replace_files
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.facts import NO_TIME
from fashion_hash.data.told.tables import read_told, write_told
from fashion_hash.errors import BundleError
from fashion_hash.index import pool

TOLD_FOLDER = "told"
Edit = Callable[[Path], None]


def erase_users(bundle: Bundle, rows: np.ndarray) -> None:
    """Overwrites users in the files of a bundle and its index, those of the export.

    Args:
        bundle: an open bundle.
        rows: (n,) int64, rows of users.
    """
    lines = np.concatenate([np.zeros(0, dtype=np.int64), *(bundle.lines_of(row) for row in rows.tolist())])
    edits: dict[str, Edit] = {
        "ids/users.order.npy": lambda path: _keep(path, rows),
        "ids/users.ids.npy": lambda path: _fill(path, rows, b""),
        "codes/users.npy": lambda path: _fill(path, rows, 0),
        "encoder/users.npy": lambda path: _fill(path, rows, 0),
        "requests/users.tastes.npy": lambda path: _fill(path, rows, 0),
        "requests/users.known.npy": lambda path: _fill(path, rows, False),
        "history/items.npy": lambda path: _fill(path, lines, EMPTY),
        "history/times.npy": lambda path: _fill(path, lines, NO_TIME),
    }
    _replace(bundle.path, edits)
    index = bundle.path / pool.FOLDER
    liked = open_array(index / "liked.offsets.npy", "index/liked.offsets.npy", U=len(bundle.users))
    spans = [np.arange(*liked[row : row + 2]) for row in rows.tolist()]
    places = np.concatenate([np.zeros(0, dtype=np.int64), *spans])
    # any row will do: the likes of a removed user are never read
    _replace(index, {"liked.rows.npy": lambda path: _fill(path, places, 0)})


def erase_told(bundle: Bundle, is_removed: Callable[[str], bool]) -> None:
    """Leaves removed users out of what came over from earlier generations of the bundle (data/told/tables.py)."""
    folder = bundle.path / LIVE_FOLDER / TOLD_FOLDER
    if folder.is_dir():
        sweep(folder.parent, folder.name)  # what a killed compaction left
        told = read_told(folder)
        if gone := [user_id for user_id in told.users if is_removed(user_id)]:
            for user_id in gone:
                del told.users[user_id]
            write_told(folder, told, {"bundle": bundle.fingerprint})


def _replace(folder: Path, edits: dict[str, Edit]) -> None:
    replace_files(folder, {name: edit for name, edit in edits.items() if (folder / name).exists()})


def _fill(path: Path, rows: np.ndarray, value: object) -> None:
    """Overwrites rows of an array file."""
    with _readable(path):
        array = np.load(path, mmap_mode="r+", allow_pickle=False)
        array[rows] = value
        array.flush()


def _keep(path: Path, gone: np.ndarray) -> None:
    """Takes rows out of the order of an id table, so that they are not found."""
    with _readable(path):
        order = np.load(path, allow_pickle=False)
        np.save(path, order[~np.isin(order, gone)])


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (*NOT_AN_ARRAY, IndexError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk, not the array
            raise
        raise BundleError(f"{path.name} is not a readable array ({error}): export the bundle again") from None
