"""Writing the index of a pool: the outfits that may be recommended, and what is known of them before any user asks.

bundle/index/
  manifest.json                 format version, fingerprint of the bundle, checksum of every file
  ids.*.npy                     outfit ids (IdTable), in ascending order: ties by row are ties by id
  outfits.npy                   (N, S) int32   items by slot, EMPTY where there is none
  compatibility.npy, bias.npy   (N,) int64     the integers I and B of index/exact.py
  num_items.npy, num_pairs.npy  (N,) uint8     n and P of index/exact.py
  liked.offsets.npy, .rows.npy  (U + 1,) int64, int32  rows of the outfits that a user liked
  outfits.faiss                 the codes as a faiss IndexBinaryFlat, for the engine "hamming" (hamming.py)
  scan/                         of large pools: what the fast scan reads (engines/sums/files.py)
  vectors.npy                   of a bundle with an outfit encoder, in the place of the last two: the outfits'
                                vectors, (N, D) float32 or packed (N, D / 8) uint8 (engines/vectors.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.core.files import atomic_folder
from fashion_hash.core.ids import IdTable
from fashion_hash.core.manifest import seal
from fashion_hash.core.outfits import EMPTY, Outfits, canonical_items
from fashion_hash.errors import BundleError, DataError
from fashion_hash.index.outfit_terms import OutfitTerms, outfit_terms
from fashion_hash.index.pool import CHUNK, FOLDER, FORMAT, FORMAT_VERSION
from fashion_hash.index.scoring import PoolRows, scoring_of


def build_index(bundle: Bundle, outfits: Outfits, outfit_ids: Sequence[str] | None = None) -> Path:
    """Builds the index of a pool inside the bundle's folder, replacing an older one in one step.

    Args:
        bundle: an open bundle.
        outfits: the pool, in the bundle's slots and item rows; its users do not matter.
        outfit_ids: an id for each row; by default outfit-000001, outfit-000002, ... in row order.

    Returns:
        The folder of the index.

    Raises:
        BundleError: changes were made to the pool that is there (fashion_hash.live).
        DataError: other slots, an item that the bundle does not hold, an empty outfit, a bad id.
    """
    from tqdm import tqdm  # building only: a query starts without it

    if (live := bundle.path / LIVE_FOLDER).exists():
        raise BundleError(
            f"{live} holds changes that were made to the pool of bundle {bundle.fingerprint} and its index, and "
            "would not fit another index: move it away first"
        )
    if outfit_ids is None:
        width = max(6, len(str(len(outfits))))
        outfit_ids = [f"outfit-{number:0{width}d}" for number in range(1, len(outfits) + 1)]
    if len(outfit_ids) != len(outfits):
        raise DataError(f"{len(outfit_ids)} outfit ids for {len(outfits)} outfits")
    _check_items(bundle, outfits, outfit_ids)
    order = sorted(range(len(outfits)), key=outfit_ids.__getitem__)
    ids = IdTable.of("outfit", [outfit_ids[row] for row in order])
    items = outfits.items[order].astype(np.int32)
    terms = [
        outfit_terms(bundle, items[start : start + CHUNK])
        for start in tqdm(range(0, len(items), CHUNK), desc="pool index", unit_scale=CHUNK, disable=None)
    ]
    joined = OutfitTerms(*map(np.concatenate, zip(outfit_terms(bundle, items[:0]), *terms)))
    path, scoring = bundle.path / FOLDER, scoring_of(bundle)
    with atomic_folder(path) as folder:
        scoring.write_shortlist(folder, items)
        write_pool(folder, bundle, PoolRows(ids, items, joined, scoring.outfit_vectors(items)))
    return path


def write_pool(folder: Path, bundle: Bundle, rows: PoolRows) -> None:
    """Writes an index into a folder, and the manifest of all files that the folder holds by then.

    Args:
        folder: exists already.
        bundle: the codes that the terms were made from.
        rows: the outfits.
    """
    offsets, liked = _liked_rows(bundle, rows.items)
    rows.ids.save(folder, "ids")
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
        raise DataError(f"a pool of slots {outfits.slots} does not fit a bundle of slots {bundle.slots}")
    for slot, kind in enumerate(bundle.slots):
        column, size = outfits.items[:, slot], len(bundle.items[kind])
        if (bad := np.flatnonzero((column < EMPTY) | (column >= size))).size:
            row = int(bad[0])
            raise DataError(
                f"outfit {outfit_ids[row]!r} (row {row}) names {kind} row {column[row]}, "
                f"but the bundle holds {size} items of type {kind}"
            )
    if (bad := np.flatnonzero(~outfits.mask.any(axis=1))).size:
        raise DataError(f"outfit {outfit_ids[bad[0]]!r} (row {bad[0]}) holds no item at all")


def _liked_rows(bundle: Bundle, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each user the rows of the pool that are the same outfit as one they liked (canonical_items)."""
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
    # every match of every line of the history: lines repeated, then the place within the matches
    line = np.repeat(np.arange(len(liked)), count)
    place = np.arange(len(line)) - np.repeat(np.cumsum(count) - count, count)
    pairs = np.stack([history.users[line].astype(np.int64), by_key[first[line] + place]], axis=1)
    pairs = np.unique(pairs, axis=0)
    offsets = np.searchsorted(pairs[:, 0], np.arange(len(bundle.users) + 1)).astype(np.int64)
    return offsets, pairs[:, 1].astype(np.int32)
