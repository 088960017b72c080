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
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle, has_changes
from fashion_hash.bundle.generations import is_next, make_current
from fashion_hash.bundle.tables.files import write_tables
from fashion_hash.bundle.write import check_unchanged
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import seal
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items, rows_of_same
from fashion_hash.errors import BundleError, DataError, counted, expect
from fashion_hash.index.outfit_terms import OutfitTerms, outfit_terms
from fashion_hash.index.pool import CHUNK, FOLDER, FORMAT, FORMAT_VERSION
from fashion_hash.index.scoring import PoolRows, scoring_of

LIKED_AT_ONCE = 1 << 20


def build_index(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str] | None = None) -> Path:
    """Builds the index of a pool in the bundle's folder, atomically replacing an older one.

    A new generation of a bundle (fashion_hash.bundle.generations) is current from then on.

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
    from tqdm import tqdm  # imported here, since queries do not need it

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
    if outfit_ids is not None and len(outfit_ids) != len(outfits):
        raise DataError(
            f"got {counted(len(outfit_ids), 'outfit id')} for {counted(len(outfits), 'outfit')}: give one per outfit"
        )
    _check_items(bundle, outfits, outfit_ids)
    ids, items = _in_order(outfits.items, outfit_ids)
    own = own_rows(bundle, items)
    terms = OutfitTerms(*(np.empty(len(items), dtype=none.dtype) for none in outfit_terms(bundle, items[:0])))
    for start in tqdm(range(0, len(items), CHUNK), desc="pool index", unit_scale=CHUNK, disable=None):
        part = slice(start, start + CHUNK)
        for column, of_part in zip(terms, outfit_terms(bundle, items[part], own[part])):
            column[part] = of_part
    path, scoring = bundle.path / FOLDER, scoring_of(bundle)
    sizes = {item_type: len(bundle.items[item_type]) for item_type in bundle.types}
    write_tables(bundle.path, root if comes_next else bundle.root, bundle.fingerprint, sizes)
    with atomic_folder(path) as folder:
        scoring.write_shortlist(folder, items)
        write_pool(folder, bundle, PoolRows(ids, items, terms, scoring.outfit_vectors(items), own))
    if comes_next:
        check_unchanged(root)
        make_current(bundle.path)
    return path


def own_rows(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """The row of the own code of each outfit, (N, S) rows of items: (N,) int32, EMPTY where it has none."""
    if bundle.own is None:
        return np.full(len(items), EMPTY, dtype=np.int32)
    return bundle.own.rows_of(bundle.slots, items)


def write_pool(folder: Path, bundle: Bundle, rows: PoolRows) -> None:
    """Writes an index into a folder, and the manifest of all files in the folder.

    Args:
        folder: an existing folder.
        bundle: the bundle that the terms were computed from.
        rows: the outfits.
    """
    offsets, liked = _liked_rows(bundle, rows.items)
    rows.ids.save(folder, "ids")
    if bundle.own is not None:
        np.save(folder / "own.npy", rows.own)
    np.save(folder / "outfits.npy", rows.items)
    for name, column in rows.terms._asdict().items():
        np.save(folder / f"{name}.npy", column)
    np.save(folder / "liked.offsets.npy", offsets)
    np.save(folder / "liked.rows.npy", liked)
    scoring_of(bundle).write_files(folder, rows)
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, "bundle": bundle.fingerprint}
    seal(folder, {**about, "num_outfits": len(rows.items)})


def _default_ids(count: int) -> np.ndarray:
    """outfit-000001, outfit-000002, ...: (N,) numpy bytes, in ascending order."""
    head, numbers = b"outfit-", np.arange(1, count + 1, dtype=np.int32)
    letters = np.empty((count, len(head) + max(6, len(str(count)))), dtype=np.uint8)
    letters[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
    for column in range(letters.shape[1] - 1, len(head) - 1, -1):
        letters[:, column] = ord("0") + numbers % 10
        numbers //= 10
    return np.asarray(letters.view(f"S{letters.shape[1]}").reshape(count))


def _in_order(items: np.ndarray, outfit_ids: Sequence[str] | None) -> tuple[IdTable, np.ndarray]:
    """The ids of a pool in ascending order, and its items (N, S) int32 in the same order."""
    items = items.astype(np.int32, copy=False)
    if outfit_ids is None:
        return IdTable.of_encoded("outfit", _default_ids(len(items))), items
    given = IdTable.of("outfit", outfit_ids)
    return IdTable.of_encoded("outfit", given.encoded[given.order]), items[given.order]


def _check_items(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str] | None) -> None:
    def named(row: int) -> str:
        return repr(_default_ids(len(outfits))[row].decode() if outfit_ids is None else outfit_ids[row])

    if outfits.slots != bundle.slots:
        raise DataError(f"the pool has the slots {outfits.slots}, but the bundle has {bundle.slots}")
    for slot, item_type in enumerate(bundle.slots):
        column, size = outfits.items[:, slot], len(bundle.items[item_type])
        if (bad := np.flatnonzero((column < EMPTY) | (column >= size))).size:
            row = int(bad[0])
            raise DataError(
                f"outfit {named(row)} (row {row}) has {item_type} row {column[row]}, "
                f"but the bundle has {counted(size, 'item')} of type {item_type}"
            )
    if (bad := np.flatnonzero(~outfits.mask.any(axis=1))).size:
        raise DataError(f"outfit {named(int(bad[0]))} (row {bad[0]}) has no items")


def _liked_rows(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each user the rows of the pool whose outfit equals one that they liked (canonical_items).

    The pool is looked through in parts, so that what is held depends on the history and on what is found.
    """
    history = bundle.history
    liked = canonical_items(bundle.slots, history.items)
    by_outfit = np.lexsort(liked.T)
    new = np.ones(len(liked), dtype=bool)
    new[1:] = (liked[by_outfit[1:]] != liked[by_outfit[:-1]]).any(axis=1)
    first = np.append(np.flatnonzero(new), len(liked))  # of each distinct outfit, in by_outfit
    distinct = liked[by_outfit[first[:-1]]]
    rows, numbers = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(items), LIKED_AT_ONCE):
        number = rows_of_same(bundle.slots, distinct, items[start : start + LIKED_AT_ONCE])
        rows.append(start + np.flatnonzero(number >= 0))
        numbers.append(number[number >= 0])
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
