"""Partner lists: for every item the most compatible items of each other type; of its own where outfits are sets.

Compatibility does not depend on the user, so the lists are computed once, when an index is built. They
bound the best partner of an item for any user: the maximum over j of c(i, j) + v(j) is in the list, or
at most the last c of the list plus the greatest v (the threshold algorithm of Fagin, Lotem and Naor,
PODS 2001).

bundle/partners/
  manifest.json                    format version, fingerprint of the bundle, checksum of every file
  A.B.rows.npy, A.B.values.npy     numbers A and B of two item types: (N, L) int32, float32
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.core.codes import Packed
from fashion_hash.core.files import atomic_folder, sweep
from fashion_hash.core.manifest import read_manifest, seal
from fashion_hash.core.outfits import type_pairs
from fashion_hash.errors import BundleError
from fashion_hash.index.products import THREADS, in_parts, pair_weights, product, relaxed

FORMAT = "fashion_hash partner lists"
FORMAT_VERSION = 1
FOLDER = "partners"
LENGTH = 128
BLOCK = 256

# by the two item types: rows (N, L) int32 and values (N, L) float32, descending
Partners = Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]


def find_partners(
    item_codes: Mapping[str, Packed],
    weights: np.ndarray,
    *,
    length: int = LENGTH,
    types: Sequence[tuple[str, str]] | None = None,
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """The partner lists of all items.

    Args:
        item_codes: by item type, (N, M, D / 8) uint8, packed.
        weights: (D,) int32, the bundle's compatibility weights, fixed point.
        length: L, the number of partners per list; a list has all items of a type with fewer.
        types: the pairs of item types, all by default. Lists of a type with itself hold the item itself, too.

    Returns:
        By pair of types the rows and the sums over modalities and bits of w_i z_i z_j, as real numbers
        rather than fixed point: float32, exact except for rounding.
    """
    pairs = permutations(item_codes, 2) if types is None else types
    return {(a, b): _lists(item_codes, weights, (a, b), length) for a, b in pairs}


def _lists(
    item_codes: Mapping[str, Packed], weights: np.ndarray, pair: tuple[str, str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """The lists of one pair of types; see `find_partners`."""
    from tqdm import tqdm

    from fashion_hash.index.kernels import greatest

    ours, theirs = item_codes[pair[0]], np.ascontiguousarray(relaxed(item_codes[pair[1]]).T)
    bit_weights = pair_weights(weights, ours.shape[1])
    width = min(length, theirs.shape[1])
    rows = np.empty((len(ours), width), dtype=np.int32)
    values = np.empty((len(ours), width), dtype=np.float32)
    if not width:
        return rows, values
    title = f"partners {pair[0]} {pair[1]}"
    for start in tqdm(range(0, len(ours), BLOCK), desc=title, unit_scale=BLOCK, disable=None):
        rows_of_block = slice(start, start + BLOCK)
        block = product(relaxed(ours[rows_of_block]) * bit_weights, theirs)

        def part(first: int, last: int, block: np.ndarray = block, start: int = start) -> None:
            rows_of_block = slice(start + first, start + last)
            greatest(block[first:last], width, rows[rows_of_block], values[rows_of_block])

        in_parts(part, len(block), THREADS)
    return rows, values


def build_partners(bundle: Bundle, *, length: int = LENGTH) -> Path:
    """Writes the partner lists into the bundle's folder, atomically replacing older ones.

    This takes about N * N * M * D * 2 floating-point operations for each ordered pair of types, and
    8 * L bytes per item and other type. Returns the folder.
    """
    codes = {item_type: bundle.item_codes[item_type] for item_type in bundle.types}
    path = bundle.path / FOLDER
    sweep(path.parent, path.name)  # what a killed process left
    with atomic_folder(path) as folder:
        for a, b in type_pairs(bundle.slots):  # one after the other, so that memory holds the lists of one pair
            rows, values = _lists(codes, bundle.compatibility_weights, (a, b), length)
            np.save(folder / f"{_stem(bundle, a, b)}.rows.npy", rows)
            np.save(folder / f"{_stem(bundle, a, b)}.values.npy", values)
        manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "bundle": bundle.fingerprint}
        seal(folder, manifest)
    return path


def open_partners(bundle: Bundle, *, verify: bool | None = None) -> Partners:
    """Opens the partner lists of a bundle, memory-mapped.

    Args:
        bundle: the bundle as exported.
        verify: compare the checksums of the files; by default Bundle.verify.

    Raises:
        BundleError: the bundle has no lists, they belong to another bundle, or a file was changed.
    """
    path = bundle.path / FOLDER
    if not path.exists():
        raise BundleError(f"{bundle.path} has no partner lists: write them with build_partners")
    verify = bundle.verify if verify is None else verify
    manifest = read_manifest(path, FORMAT, FORMAT_VERSION, verify=verify)
    if manifest["bundle"] != bundle.fingerprint:
        raise BundleError(
            f"{path} belongs to bundle {manifest['bundle']}, but {bundle.path} is bundle "
            f"{bundle.fingerprint}: write the lists again with build_partners"
        )
    lists = {}
    for a, b in type_pairs(bundle.slots):
        stem = _stem(bundle, a, b)
        rows = open_array(path / f"{stem}.rows.npy", "partners/*.rows.npy", N=len(bundle.items[a]))
        values = open_array(path / f"{stem}.values.npy", "partners/*.values.npy", N=len(rows), L=rows.shape[1])
        check_rows(path / f"{stem}.rows.npy", rows, 0, len(bundle.items[b]))
        lists[a, b] = rows, values
    return lists


def _stem(bundle: Bundle, a: str, b: str) -> str:
    return f"{bundle.types.index(a)}.{bundle.types.index(b)}"
