"""Writes the index of a pool: the outfits that may be recommended, and all terms that do not depend on the user.

bundle/index/
  manifest.json                 format version, fingerprint of the bundle, checksum of every file
  ids.*.npy                     outfit ids (IdTable) in ascending order, so that ties by row are ties by id
  outfits.npy                   (N, S) int32   items by slot, EMPTY for an empty slot
  compatibility.npy, bias.npy   (N,) int64     the integers I and B of index/exact.py
  own.npy                       (N,) int32     rows of own codes, EMPTY for none; only if the bundle has own codes
  num_items.npy, num_pairs.npy  (N,) uint8     n and P of index/exact.py
  liked.offsets.npy, .rows.npy  (U + 1,) int64, int32  rows of the outfits that a user liked
  outfits.faiss                 the codes as a faiss IndexBinaryFlat, for the engine "hamming" (hamming.py)
  scan/                         for large pools: the files of the fast scan (engines/sums/files.py)
  vectors.npy                   for an outfit encoder, instead of the last two: the vectors of the outfits,
                                (N, D) float32 or packed (N, D / 8) uint8 (engines/vectors.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle, has_changes
from fashion_hash.bundle.generations import is_next, make_current
from fashion_hash.bundle.tables.files import write_tables
from fashion_hash.bundle.write import check_unchanged
from fashion_hash.core.arrays import array_writer, let_go
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import seal
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items, rows_of_same
from fashion_hash.errors import BundleError, DataError, counted, expect
from fashion_hash.index.outfit_terms import OutfitTerms, outfit_terms
from fashion_hash.index.pool import CHUNK, FOLDER, FORMAT, FORMAT_VERSION
from fashion_hash.index.scoring import PoolRows, scoring_of

PIECE = 1 << 20  # outfits
MOST_ROWS = (1 << 31) - 64 * 256  # int32, with room for the padding of a scan's segments


def build_index(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str] | None = None) -> Path:
    """Builds the index of a pool in the bundle's folder, atomically replacing an older one.

    A new generation of a bundle (fashion_hash.bundle.generations) is current from then on. Files are written a piece
    after another: with the default ids, and items in a mapped file, memory does not grow with the pool, except for the
    outfits that somebody liked, and the vectors of an outfit encoder.

    Args:
        bundle: an open bundle.
        outfits: the pool, with the bundle's slots and item rows; its users are ignored.
        outfit_ids: an id for each row; by default outfit-000001, outfit-000002, ... in row order.

    Returns:
        The folder of the index.

    Raises:
        BundleError: the bundle has live changes to its present pool (fashion_hash.live).
        DataError: other slots than the bundle's, an item that is not in the bundle, an empty outfit, or a bad id.
    """
    expect(bundle, Bundle, "build_index", "open it with Bundle.open(path)")
    expect(outfits, Outfits, "build_index", "take the outfits of a data set, or Outfits.of(...)")

    comes_next, root = is_next(bundle.path), bundle.path.parent.parent
    if comes_next:
        check_unchanged(root)
    if has_changes(bundle.path):
        raise BundleError(
            f"{bundle.path / LIVE_FOLDER} holds changes to the present pool of bundle {bundle.fingerprint}, which "
            "would not fit another index: move it away first"
        )
    ids = _Numbered(len(outfits)) if outfit_ids is None else outfit_ids
    if len(ids) != len(outfits):
        raise DataError(
            f"got {counted(len(ids), 'outfit id')} for {counted(len(outfits), 'outfit')}: give one per outfit"
        )
    _check_items(bundle, outfits, ids)
    path = bundle.path / FOLDER
    sizes = {item_type: len(bundle.items[item_type]) for item_type in bundle.types}
    write_tables(bundle.path, root if comes_next else bundle.root, bundle.fingerprint, sizes)
    with atomic_folder(path) as folder:
        _write_index(folder, bundle, outfits.items, ids)
    if comes_next:
        check_unchanged(root)
        make_current(bundle.path)
    return path


def _write_index(folder: Path, bundle: Bundle, items: np.ndarray, ids: Sequence[str]) -> None:
    """Writes an index into a folder; none of its files is mapped any more when it returns."""
    rows = _write_rows(folder, bundle, items, _write_ids(folder, ids))
    scoring_of(bundle).write_shortlist(folder, rows.items)
    _write_rest(folder, bundle, rows)


def own_rows(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The row of the own code of each outfit, (N, S) rows of items: (N,) int32, EMPTY where it has none."""
    if bundle.own is None:
        return np.full(len(items), EMPTY, dtype=np.int32)
    return bundle.own.rows_of(bundle.slots, items)


def write_pool(folder: Path, bundle: Bundle, ids: IdTable, rows: PoolRows) -> None:
    """Writes an index into a folder, and the manifest of all files in the folder.

    Args:
        folder: an existing folder.
        bundle: the bundle that the terms were computed from.
        ids: of the outfits, in ascending order.
        rows: the outfits.
    """
    ids.save(folder, "ids")
    if bundle.own is not None:
        np.save(folder / "own.npy", rows.own)
    np.save(folder / "outfits.npy", rows.items)
    for name, column in rows.terms._asdict().items():
        np.save(folder / f"{name}.npy", column)
    _write_rest(folder, bundle, rows)


def _write_rest(folder: Path, bundle: Bundle, rows: PoolRows) -> None:
    """Writes what follows from the rows of an index, and its manifest."""
    offsets, liked = _liked_rows(bundle, rows.items)
    np.save(folder / "liked.offsets.npy", offsets)
    np.save(folder / "liked.rows.npy", liked)
    scoring_of(bundle).write_files(folder, rows)
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, "bundle": bundle.fingerprint}
    seal(folder, {**about, "num_outfits": len(rows.items)})


class _Numbered(Sequence[str]):
    """The ids outfit-000001, outfit-000002 and so on, which are in ascending order."""

    def __init__(self, count: int) -> None:
        self._numbers, self._width = range(1, count + 1), max(6, len(str(count)))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, row: Any) -> Any:
        return f"outfit-{self._numbers[row]:0{self._width}d}"

    def write(self, folder: Path) -> None:
        """Writes the files of an IdTable, as it writes them."""
        start, powers = np.frombuffer(b"outfit-", dtype=np.uint8), 10 ** np.arange(self._width - 1, -1, -1)
        size = len(start) + self._width
        ids = array_writer(folder / "ids.ids.npy", f"S{size}", (len(self),))
        order = array_writer(folder / "ids.order.npy", np.int32, (len(self),))
        with ids as write_ids, order as write_order:
            for first in range(0, len(self), PIECE):
                rows = np.arange(first, min(first + PIECE, len(self)))
                text = np.empty((len(rows), size), dtype=np.uint8)
                text[:, : len(start)] = start
                text[:, len(start) :] = ord("0") + (rows[:, None] + 1) // powers % 10
                write_ids(text.view(f"S{size}")[:, 0])
                write_order(rows)


def _write_ids(folder: Path, ids: Sequence[str]) -> np.ndarray | None:
    """Writes the ids in ascending order; returns the rows in this order, None where they are in order already."""
    if isinstance(ids, _Numbered) and len(ids):
        ids.write(folder)
        return None
    given = IdTable.of("outfit", ids)
    IdTable.of_encoded("outfit", given.encoded[given.order]).save(folder, "ids")
    return given.order


def _write_rows(folder: Path, bundle: Bundle, items: np.ndarray, order: np.ndarray | None) -> PoolRows:
    """Writes the items of outfits, their terms and the rows of their own codes, a piece after another.

    Args:
        folder: of the index.
        bundle: codes, weights and biases.
        items: (N, S) rows of items by slot.
        order: the rows of `items` in order of ids; None for the order in which they are.

    Returns:
        The rows, mapped from the files.
    """
    from tqdm import tqdm  # imported here, since queries do not need it

    with array_writer(folder / "outfits.npy", np.int32, items.shape) as write:
        for start in range(0, len(items), PIECE):
            part = slice(start, start + PIECE)
            write(items[part] if order is None else items[order[part]])
            let_go(items)
    items = np.load(folder / "outfits.npy", mmap_mode="r")
    own: np.ndarray = np.broadcast_to(np.int32(EMPTY), len(items))
    if bundle.own is not None:
        with array_writer(folder / "own.npy", np.int32, (len(items),)) as write:
            for start in range(0, len(items), PIECE):
                write(own_rows(bundle, items[start : start + PIECE]))
        own = np.load(folder / "own.npy", mmap_mode="r")
    kinds = outfit_terms(bundle, items[:0])._asdict()
    with ExitStack() as files:
        columns = [
            files.enter_context(array_writer(folder / f"{name}.npy", column.dtype, (len(items),)))
            for name, column in kinds.items()
        ]
        for start in tqdm(range(0, len(items), CHUNK), desc="pool index", unit_scale=CHUNK, disable=None):
            part = slice(start, start + CHUNK)
            for write, column in zip(columns, outfit_terms(bundle, items[part], own[part])):
                write(column)
            let_go(items, own)
    terms = OutfitTerms(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in kinds))
    return PoolRows(items, terms, scoring_of(bundle).outfit_vectors(items), own)


def _check_items(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str]) -> None:
    if len(outfits) > MOST_ROWS:
        raise DataError(
            f"the pool has {counted(len(outfits), 'outfit')}, but rows are numbered up to {MOST_ROWS:,}: index "
            "them in several bundles"
        )
    if outfits.slots != bundle.slots:
        raise DataError(f"the pool has the slots {outfits.slots}, but the bundle has {bundle.slots}")
    sizes = np.array([len(bundle.items[item_type]) for item_type in bundle.slots])
    for start in range(0, len(outfits), PIECE):
        items = outfits.items[start : start + PIECE]
        if (bad := np.argwhere((items < EMPTY) | (items >= sizes))).size:
            place, slot = bad[0]
            row, item_type = start + int(place), bundle.slots[slot]
            raise DataError(
                f"outfit {outfit_ids[row]!r} (row {row}) has {item_type} row {items[place, slot]}, "
                f"but the bundle has {counted(int(sizes[slot]), 'item')} of type {item_type}"
            )
        if (empty := np.flatnonzero((items == EMPTY).all(axis=1))).size:
            row = start + int(empty[0])
            raise DataError(f"outfit {outfit_ids[row]!r} (row {row}) has no items")
        let_go(outfits.items)


def _liked_rows(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each user the rows of the pool whose outfit equals one that they liked (canonical_items).

    The pool is looked through in pieces, so that what is held depends on the history and on what is found.
    """
    history = bundle.history
    liked = canonical_items(bundle.slots, history.items)
    by_outfit = np.lexsort(liked.T)
    new = np.ones(len(liked), dtype=bool)
    new[1:] = (liked[by_outfit[1:]] != liked[by_outfit[:-1]]).any(axis=1)
    first = np.append(np.flatnonzero(new), len(liked))  # of each distinct outfit, in by_outfit
    distinct = liked[by_outfit[first[:-1]]]
    rows, numbers = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    digests = np.unique(_digests(distinct))
    for start in range(0, len(items), PIECE):
        piece = canonical_items(bundle.slots, items[start : start + PIECE])
        perhaps = np.flatnonzero(np.isin(_digests(piece), digests))  # few others are among them
        number = rows_of_same(bundle.slots, distinct, piece[perhaps])
        rows.append(start + perhaps[number >= 0])
        numbers.append(number[number >= 0])
        let_go(items)
    row, number = np.concatenate(rows), np.concatenate(numbers)
    # each row of the pool with all lines of the history that name its outfit
    count = np.diff(first)[number]
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    users = history.users[by_outfit[np.repeat(first[number], count) + place]].astype(np.int64)
    pairs = np.repeat(row, count)
    order = np.lexsort((pairs, users))
    users, pairs = users[order], pairs[order]
    once = np.ones(len(users), dtype=bool)
    once[1:] = (users[1:] != users[:-1]) | (pairs[1:] != pairs[:-1])
    offsets = np.searchsorted(users[once], np.arange(len(bundle.users) + 1)).astype(np.int64)
    return offsets, pairs[once].astype(np.int32)


def _digests(canonical: np.ndarray) -> np.ndarray:
    """(N,) uint64 numbers of outfits as `canonical_items` gives them: the same for the same outfit."""
    digests = np.zeros(len(canonical), dtype=np.uint64)
    for column in canonical.T:
        digests = (digests ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        digests ^= digests >> np.uint64(32)
    return digests
