"""The files of the fast scan, built once and memory-mapped; codes.py describes the codes.

index/scan/
  scan.json        unit of the totals, lowest constant, planes per count, the segments as [n, first block, last block]
  codes.npy        (blocks, 3 * G, 64) uint8   sums of the codes of 64 outfits
  constants.npy    (blocks, 64) uint16         compatibility and bias in units above the lowest
  rows.npy         (blocks * 64,) int32        row of the pool, -1 after the last outfit of a segment

Outfits with the same number of items, n, form a segment, because their preference has the same scale; those with a code
of their own (fashion_hash.bundle.own) form one apart, marked as [n, first block, last block, true]. Within a segment,
positions (block and place in it) are in order of rows.
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
from fashion_hash.index.pool import CHUNK, Pool

FOLDER = "scan"
# from this many outfits, a scan of sums beats adding up items; below, both take a fraction of a millisecond
SCAN_FROM = 20_000
BLOCKS_AT_ONCE = 256
ITEMS_AT_ONCE = 1 << 14
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
    """Consecutive blocks, first to last - 1, of outfits with `num_items` items each, all or none with own codes."""

    num_items: int
    first: int
    last: int
    own: bool = False


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
    own: np.ndarray | None = None,
) -> Path:
    """Writes the folder `scan` of a pool index, in bounded memory.

    Args:
        index: the folder of the index.
        bundle: codes, weights and scales.
        items: (N, S) items by slot as counted (exact.outfit_items), EMPTY for an empty slot.
        terms: the terms of the outfits.
        own: (N,) rows of their own codes, EMPTY for none; None for none at all.

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
    if bundle.own is None or own is None:
        own = np.full(len(items), EMPTY, dtype=np.int32)
    segments, rows = _segments(terms.num_items, own != EMPTY)
    unit = _unit(bundle, planes, order, segments, constants)
    lowest = float(constants.min()) if len(constants) else 0.0

    folder = index / FOLDER
    folder.mkdir()
    blocks, groups = len(rows) // LANES, scan_codes.num_groups(bundle.num_bits, planes, own_bits(bundle))
    shapes = {"codes": (blocks, 3 * groups, LANES), "constants": (blocks, LANES)}
    codes_file = _new_array(folder / "codes.npy", np.uint8, shapes["codes"])
    constants_file = _new_array(folder / "constants.npy", np.uint16, shapes["constants"])
    blocks_of = _Blocks(bundle, items, own, order, planes)
    steps = range(0, blocks, BLOCKS_AT_ONCE)
    for start in tqdm(steps, desc="scan index", unit_scale=BLOCKS_AT_ONCE * LANES, disable=None):
        rows_of_step = rows[start * LANES : (start + BLOCKS_AT_ONCE) * LANES]
        stop = start + len(rows_of_step) // LANES
        codes_file[start:stop] = blocks_of(rows_of_step)
        known = np.where(rows_of_step < 0, 0, np.rint((constants[rows_of_step] - lowest) / unit))
        constants_file[start:stop] = known.reshape(-1, LANES)
    np.save(folder / "rows.npy", rows)
    listed = [[*segment[:3], *([True] if segment.own else [])] for segment in segments]
    write_json(folder / "scan.json", {"unit": unit, "lowest": lowest, "planes": planes, "segments": listed})
    return folder


def own_bits(bundle: Bundle) -> int:
    """How many digits an own code takes: D where the bundle has own codes, otherwise 0."""
    return 0 if bundle.own is None else bundle.num_bits


def own_order(bundle: Bundle) -> np.ndarray:
    """The order in which the bits of own codes are laid out, (D,) int64; (0,) for a bundle without."""
    return np.zeros(0, dtype=np.int64) if bundle.own is None else scan_codes.bit_order(bundle.own.weights, 1)


def own_weights(bundle: Bundle, segment: Segment, of_users: np.ndarray | None = None) -> np.ndarray:
    """The weights of the digits of own codes in a segment, in layout order: see scan_codes.own_bit_weights.

    Those of the bundle, (D,), or of users from what a bit is worth to each, (U, D).
    """
    if bundle.own is None:
        return scan_codes.NONE
    weights = bundle.own.weights[own_order(bundle)] if of_users is None else of_users
    weights = scan_codes.own_bit_weights(weights, bundle.preference_scale)
    return weights if segment.own else np.zeros_like(weights)


def open_scan(index: Path, num_bits: int, num_outfits: int, own_bits: int = 0) -> ScanFiles:
    """Maps the files; own_bits: as for `own_bits`. Raises BundleError when they are absent, broken or inconsistent."""
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
    segments = tuple(Segment(*segment[:3])._replace(own=segment[3:4] == [True]) for segment in facts["segments"])
    unit, lowest, planes = float(facts["unit"]), float(facts["lowest"]), facts["planes"]
    lasts = [0, *(segment.last for segment in segments)]
    if [segment.first for segment in segments] != lasts[:-1] or lasts != sorted(lasts):
        raise BundleError(
            f"{folder}: the segments are out of order: build the index again with `fashion-hash build-index`"
        )
    sizes = {"B": segments[-1].last if segments else 0, "G": 3 * scan_codes.num_groups(num_bits, planes, own_bits)}
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
    constants = np.empty(len(terms.bias))
    for start in range(0, len(constants), CHUNK):
        part = OutfitTerms(*(column[start : start + CHUNK] for column in terms))
        pairs = np.maximum(part.num_pairs, 1).astype(np.int64)
        compatibility = bundle.compatibility_scale * part.compatibility / (pairs * bits)
        of_part = (compatibility + part.bias / part.num_items.astype(np.int64)) / WEIGHT_ONE
        constants[start : start + CHUNK] = of_part
    return constants


def _segments(num_items: np.ndarray, own: np.ndarray) -> tuple[list[Segment], np.ndarray]:
    segments, rows, first = [], [], 0
    kinds = [divmod(kind, 2) for kind in np.flatnonzero(np.bincount(2 * num_items.astype(np.intp) + own)).tolist()]
    for number, is_own in kinds:
        rows_of_length = np.flatnonzero((num_items == number) & (own == is_own)).astype(np.int32)
        blocks = -(-len(rows_of_length) // LANES)
        padded = np.full(blocks * LANES, -1, dtype=np.int32)
        padded[: len(rows_of_length)] = rows_of_length
        rows.append(padded)
        segments.append(Segment(number, first, first + blocks, bool(is_own)))
        first += blocks
    return segments, np.concatenate([np.zeros(0, dtype=np.int32), *rows])


def _unit(bundle: Bundle, planes: int, order: np.ndarray, segments: Sequence[Segment], constants: np.ndarray) -> float:
    """The smallest unit of score for which all tables fit in bytes and all totals in 16 bits."""
    weights, modalities = bundle.preference_weights[order], len(bundle.modalities)
    units = [
        scan_codes.smallest_unit(
            scan_codes.count_weights(weights, bundle.preference_scale, segment.num_items, modalities),
            planes,
            scan_codes.num_planes(segment.num_items * modalities),
            own_weights(bundle, segment),
        )
        for segment in segments
    ]
    if len(constants):
        units.append(float(np.ptp(constants)) / CONSTANT_MOST)
        units.append(float(np.abs(constants).max()) * 2.0**-40)  # so that float64 counts units precisely enough
    return max(units, default=0.0) or 1.0


class _Blocks:
    """Writes the codes of outfits as blocks; by adding up numbers of items, wherever that gives the same bytes.

    Args:
        bundle: codes.
        items: (N, S) items by slot as counted, EMPTY for an empty slot.
        own: (N,) rows of own codes, EMPTY for none.
        order: of the bits, scan_codes.bit_order.
        planes: digits a count.
    """

    def __init__(self, bundle: Bundle, items: np.ndarray, own: np.ndarray, order: np.ndarray, planes: int) -> None:
        self._bundle, self._items, self._own, self._order, self._planes = bundle, items, own, order, planes
        if scan_codes.sums_fit(planes):
            self._by_type = {item_type: self._groups_of_type(item_type) for item_type in bundle.types}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(R / 64, 3 * G, 64) uint8: the blocks of outfits in these rows, R a multiple of 64; zeros for row -1."""
        items, own = self._items[rows], np.where(rows < 0, EMPTY, self._own[rows])
        items[rows < 0] = EMPTY
        of_own = _own_digits(self._bundle, own)
        if not scan_codes.sums_fit(self._planes):
            return scan_codes.blocks(_counts(self._bundle, items), self._order, self._planes, of_own)
        groups = sum(self._by_type[item_type][items[:, slot]] for slot, item_type in enumerate(self._bundle.slots))
        if of_own is not None:
            none = np.zeros((len(rows), self._bundle.num_bits), dtype=np.uint8)
            groups = groups + scan_codes.groups_of(scan_codes.digits(none, self._order, self._planes, of_own))
        return scan_codes.blocks_of_groups(np.asarray(groups))

    def _groups_of_type(self, item_type: str) -> np.ndarray:
        """(N + 1, G) uint32: what each item of a type adds to the groups of an outfit; zeros last, for EMPTY."""
        codes, width = self._bundle.item_codes[item_type], own_bits(self._bundle)
        groups = scan_codes.num_groups(self._bundle.num_bits, self._planes, width)
        of_items = np.zeros((len(codes) + 1, groups), dtype=np.uint32)
        for start in range(0, len(codes), ITEMS_AT_ONCE):
            counts = (unpack(codes[start : start + ITEMS_AT_ONCE]) > 0).sum(axis=1, dtype=np.uint8)
            own = np.zeros((len(counts), width), dtype=np.uint8)
            digits = scan_codes.digits(counts, self._order, self._planes, own)
            of_items[start : start + len(counts)] = scan_codes.groups_of(digits)
        return of_items


def _counts(bundle: Bundle, items: np.ndarray) -> np.ndarray:
    """For each bit, the number of an outfit's codes (items times modalities) in which it is set: (R, D) uint8."""
    counts = np.zeros((len(items), bundle.num_bits), dtype=np.uint8)
    for slot, item_type in enumerate(bundle.slots):
        filled = items[:, slot] != EMPTY
        counts[filled] += (unpack(bundle.item_codes[item_type][items[filled, slot]]) > 0).sum(axis=1, dtype=np.uint8)
    return counts


def _own_digits(bundle: Bundle, own: np.ndarray) -> np.ndarray | None:
    """The bits of own codes in layout order, zeros where there is none: (R, D) uint8; None for a bundle without."""
    if bundle.own is None:
        return None
    bits = np.zeros((len(own), bundle.num_bits), dtype=np.uint8)
    bits[own != EMPTY] = unpack(bundle.own.codes[own[own != EMPTY]]) > 0
    return bits[:, own_order(bundle)]


def _new_array(path: Path, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    if 0 in shape:  # an empty file cannot be mapped
        np.save(path, np.zeros(shape, dtype=dtype))
        return np.zeros(shape, dtype=dtype)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    reserve(path, path.stat().st_size)
    return array
