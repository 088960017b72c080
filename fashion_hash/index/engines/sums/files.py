"""The files of the fast scan, built once and memory-mapped; codes.py describes the codes.

index/scan/
  scan.json        unit of the totals, lowest constant, planes per count, the segments as [n, first block, last block]
  codes.npy        (blocks, 3 * G, 64) uint8   sums of the codes of 64 outfits
  constants.npy    (blocks, 64) uint16         compatibility and bias in units above the lowest
  rows.npy         (blocks * 64,) int32        row of the pool, -1 after the last outfit of a segment

Outfits with the same number of items, n, form a segment, because their preference has the same scale. Within a
segment, positions (block and place in it) are in order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core.arrays import check_rows, open_array
from fashion_hash.core.codes import WEIGHT_ONE, unpack
from fashion_hash.core.files import reserve, write_json
from fashion_hash.core.manifest import Within, check_fields, read_json
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.sums import codes as scan_codes
from fashion_hash.index.engines.sums.codes import LANES
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.pool import Pool

FOLDER = "scan"
# from this many outfits, scanning sums beats adding up items by more than its compiled kernels take to load
SCAN_FROM = 500_000
BLOCKS_AT_ONCE = 256
# totals are 16 bits: the entries of the tables take 40,000 at most, constants the rest
CONSTANT_MOST = 25_000


FIELDS = {  # of scan.json
    "unit": Within(1e-300, 1e300, whole=False),
    "lowest": Within(-1e300, 1e300, whole=False),
    "planes": Within(1, 8),
    "segments": (list, list),
}
SEGMENT = {"num_items": Within(1, 1 << 31), "first": Within(0, 1 << 31), "last": Within(0, 1 << 31)}


class Segment(NamedTuple):
    """Consecutive blocks, first to last - 1, of outfits with `num_items` items each."""

    num_items: int
    first: int
    last: int


class ScanFiles(NamedTuple):
    """The contents of scan.json and the arrays; see the module docstring."""

    unit: float
    lowest: float
    planes: int
    segments: tuple[Segment, ...]
    codes: np.ndarray
    constants: np.ndarray
    rows: np.ndarray


def build_scan(
    index: Path,
    bundle: Bundle,
    items: np.ndarray,
    terms: OutfitTerms,
) -> Path:
    """Writes the folder `scan` of a pool index, in bounded memory.

    Args:
        index: the folder of the index.
        bundle: codes, weights and scales.
        items: (N, S) items by slot as counted (exact.outfit_items), EMPTY for an empty slot.
        terms: the terms of the outfits.

    Raises:
        BundleError: an outfit has more than 255 codes.
    """
    from tqdm import tqdm  # imported here, since queries do not need it

    most = int(terms.num_items.max(initial=1)) * len(bundle.modalities)
    if most > 255:
        raise BundleError(f"an outfit has {most} codes (items times modalities), but the scan counts at most 255")
    planes = scan_codes.num_planes(most)
    order = scan_codes.bit_order(bundle.preference_weights, planes)
    constants = _constants(bundle, terms)
    segments, rows = _segments(terms.num_items)
    unit = _unit(bundle, planes, order, segments, constants)
    lowest = float(constants.min()) if len(constants) else 0.0

    folder = index / FOLDER
    folder.mkdir()
    blocks, groups = len(rows) // LANES, scan_codes.num_groups(bundle.num_bits, planes)
    shapes = {"codes": (blocks, 3 * groups, LANES), "constants": (blocks, LANES)}
    codes_file = _new_array(folder / "codes.npy", np.uint8, shapes["codes"])
    constants_file = _new_array(folder / "constants.npy", np.uint16, shapes["constants"])
    steps = range(0, blocks, BLOCKS_AT_ONCE)
    for start in tqdm(steps, desc="scan index", unit_scale=BLOCKS_AT_ONCE * LANES, disable=None):
        rows_of_step = rows[start * LANES : (start + BLOCKS_AT_ONCE) * LANES]
        counts = _counts(bundle, items[rows_of_step])
        counts[rows_of_step < 0] = 0
        stop = start + len(rows_of_step) // LANES
        codes_file[start:stop] = scan_codes.blocks(counts, order, planes)
        known = np.where(rows_of_step < 0, 0, np.rint((constants[rows_of_step] - lowest) / unit))
        constants_file[start:stop] = known.reshape(-1, LANES)
    np.save(folder / "rows.npy", rows)
    write_json(folder / "scan.json", {"unit": unit, "lowest": lowest, "planes": planes, "segments": segments})
    return folder


def open_scan(index: Path, num_bits: int, num_outfits: int) -> ScanFiles:
    """Maps the files. Raises BundleError when they are absent, broken or inconsistent."""
    folder = index / FOLDER
    if not folder.exists():
        raise BundleError(
            f"engine 'sums' needs {folder}, which is written for pools of {SCAN_FROM:,} outfits or more only: "
            "choose engine 'auto', which gives the same answers"
        )
    file = folder / "scan.json"
    try:
        facts = read_json(file)
    except FileNotFoundError:
        raise BundleError(f"{file} is missing: build the index again with `fashion-hash build-index`") from None
    check_fields(file, facts, FIELDS)
    for segment in facts["segments"]:
        check_fields(file, dict(zip(Segment._fields, segment)), SEGMENT)
    segments = tuple(Segment(*segment[:3]) for segment in facts["segments"])
    unit, lowest, planes = float(facts["unit"]), float(facts["lowest"]), facts["planes"]
    lasts = [0, *(segment.last for segment in segments)]
    if [segment.first for segment in segments] != lasts[:-1] or lasts != sorted(lasts):
        raise BundleError(
            f"{folder}: the segments are out of order: build the index again with `fashion-hash build-index`"
        )
    sizes = {"B": segments[-1].last if segments else 0, "G": 3 * scan_codes.num_groups(num_bits, planes)}
    codes, constants, rows = (
        open_array(folder / name, f"index/{FOLDER}/{name}", **sizes)
        for name in ("codes.npy", "constants.npy", "rows.npy")
    )
    check_rows(folder / "rows.npy", rows, -1, num_outfits)
    return ScanFiles(unit, lowest, planes, segments, codes, constants, rows)


def rescaled(files: ScanFiles, bundle: Bundle, pool: Pool) -> ScanFiles:
    """The files for a view of the bundle with other scales: the unit and the constants are made anew, in memory."""
    scales = bundle.preference_scale, bundle.compatibility_scale
    if scales[0] <= bundle.manifest["preference_scale"] and scales[1] == bundle.manifest["compatibility_scale"]:
        return files  # nothing is larger than the unit allows
    constants = _constants(bundle, OutfitTerms(pool.compatibility, pool.bias, pool.num_items, pool.num_pairs))
    order = scan_codes.bit_order(bundle.preference_weights, files.planes)
    unit = _unit(bundle, files.planes, order, files.segments, constants)
    lowest = float(constants.min()) if len(constants) else 0.0
    known = np.where(files.rows < 0, 0, np.rint((constants[files.rows] - lowest) / unit))
    return files._replace(unit=unit, lowest=lowest, constants=known.astype(np.uint16).reshape(-1, LANES))


def _constants(bundle: Bundle, terms: OutfitTerms) -> np.ndarray:
    """Compatibility and bias of the score, float64 (N,), equal to those of exact.py except for rounding."""
    bits = len(bundle.modalities) * bundle.num_bits
    pairs = np.maximum(terms.num_pairs, 1).astype(np.int64)
    compatibility = bundle.compatibility_scale * terms.compatibility / (pairs * bits)
    return np.asarray((compatibility + terms.bias / terms.num_items.astype(np.int64)) / WEIGHT_ONE)


def _segments(num_items: np.ndarray) -> tuple[list[Segment], np.ndarray]:
    segments, rows, first = [], [], 0
    for number in np.unique(num_items).tolist():
        rows_of_length = np.flatnonzero(num_items == number).astype(np.int32)
        blocks = -(-len(rows_of_length) // LANES)
        padded = np.full(blocks * LANES, -1, dtype=np.int32)
        padded[: len(rows_of_length)] = rows_of_length
        rows.append(padded)
        segments.append(Segment(number, first, first + blocks))
        first += blocks
    return segments, np.concatenate([np.zeros(0, dtype=np.int32), *rows])


def _unit(bundle: Bundle, planes: int, order: np.ndarray, segments: Sequence[Segment], constants: np.ndarray) -> float:
    """The smallest unit of score for which all tables fit in bytes and all totals in 16 bits."""
    weights, modalities = bundle.preference_weights[order], len(bundle.modalities)
    units = [
        scan_codes.smallest_unit(
            scan_codes.count_weights(weights, bundle.preference_scale, number, modalities),
            planes,
            scan_codes.num_planes(number * modalities),
        )
        for number, _, _ in segments
    ]
    if len(constants):
        units.append(float(np.ptp(constants)) / CONSTANT_MOST)
        units.append(float(np.abs(constants).max()) * 2.0**-40)  # so that float64 counts units precisely enough
    return max(units, default=0.0) or 1.0


def _counts(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """For each bit, the number of an outfit's codes (items times modalities) in which it is set: (R, D) uint8."""
    counts = np.zeros((len(items), bundle.num_bits), dtype=np.uint8)
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        counts[filled] += (unpack(bundle.item_codes[item_type][items[filled, slot]]) > 0).sum(axis=1, dtype=np.uint8)
    return counts


def _new_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    if 0 in shape:  # an empty file cannot be mapped
        np.save(path, np.zeros(shape, dtype=dtype))
        return np.zeros(shape, dtype=dtype)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    reserve(path, path.stat().st_size)
    return array
