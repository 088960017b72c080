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
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items
from fashion_hash.errors import BundleError, DataError, counted, expect
from fashion_hash.index.outfit_terms import OutfitTerms, outfit_terms
from fashion_hash.index.pool import CHUNK, FOLDER, FORMAT, FORMAT_VERSION
from fashion_hash.index.scoring import PoolRows, scoring_of


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
    if outfit_ids is None:
        width = max(6, len(str(len(outfits))))
        outfit_ids = [f"outfit-{number:0{width}d}" for number in range(1, len(outfits) + 1)]
    if len(outfit_ids) != len(outfits):
        raise DataError(
            f"got {counted(len(outfit_ids), 'outfit id')} for {counted(len(outfits), 'outfit')}: give one per outfit"
        )
    _check_items(bundle, outfits, outfit_ids)
    order = sorted(range(len(outfits)), key=outfit_ids.__getitem__)
    ids = IdTable.of("outfit", [outfit_ids[row] for row in order])
    items = outfits.items[order].astype(np.int32)
    own = own_rows(bundle, items)
    terms = [
        outfit_terms(bundle, items[start : start + CHUNK], own[start : start + CHUNK])
        for start in tqdm(range(0, len(items), CHUNK), desc="pool index", unit_scale=CHUNK, disable=None)
    ]
    joined = OutfitTerms(*map(np.concatenate, zip(outfit_terms(bundle, items[:0]), *terms)))
    path, scoring = bundle.path / FOLDER, scoring_of(bundle)
    sizes = {item_type: len(bundle.items[item_type]) for item_type in bundle.types}
    write_tables(bundle.path, root if comes_next else bundle.root, bundle.fingerprint, sizes)
    with atomic_folder(path) as folder:
        scoring.write_shortlist(folder, items)
        write_pool(folder, bundle, PoolRows(ids, items, joined, scoring.outfit_vectors(items), own))
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


def _check_items(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str]) -> None:
    if outfits.slots != bundle.slots:
        raise DataError(f"the pool has the slots {outfits.slots}, but the bundle has {bundle.slots}")
    for slot, item_type in enumerate(bundle.slots):
        column, size = outfits.items[:, slot], len(bundle.items[item_type])
        if (bad := np.flatnonzero((column < EMPTY) | (column >= size))).size:
            row = int(bad[0])
            raise DataError(
                f"outfit {outfit_ids[row]!r} (row {row}) has {item_type} row {column[row]}, "
                f"but the bundle has {counted(size, 'item')} of type {item_type}"
            )
    if (bad := np.flatnonzero(~outfits.mask.any(axis=1))).size:
        raise DataError(f"outfit {outfit_ids[bad[0]]!r} (row {bad[0]}) has no items")


def _liked_rows(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each user the rows of the pool whose outfit equals one that they liked (canonical_items)."""
    history = bundle.history
    both = canonical_items(bundle.slots, np.concatenate([items, history.items]))
    order = np.lexsort(both.T)
    new = np.ones(len(both), dtype=np.int64)
    new[1:] = (both[order[1:]] != both[order[:-1]]).any(axis=1)
    key = np.empty(len(both), dtype=np.int64)
    key[order] = np.cumsum(new)
    pool, liked = key[: len(items)], key[len(items) :]
    by_key = np.argsort(pool, kind="stable")
    first = np.searchsorted(pool[by_key], liked, side="left")
    count = np.searchsorted(pool[by_key], liked, side="right") - first
    # all matches of all lines of the history: each line repeated, and the place among its matches
    line = np.repeat(np.arange(len(liked)), count)
    place = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    pairs = np.stack([history.users[line].astype(np.int64), by_key[first[line] + place]], axis=1)
    pairs = np.unique(pairs, axis=0)
    offsets = np.searchsorted(pairs[:, 0], np.arange(len(bundle.users) + 1)).astype(np.int64)
    return offsets, pairs[:, 1].astype(np.int32)
