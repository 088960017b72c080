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
from fashion_hash.core.arrays import array_writer, check_rows, let_go, open_array
from fashion_hash.core.codes import WEIGHT_ONE, unpack
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import Within, check_fields, read_json
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.sums import codes as scan_codes
from fashion_hash.index.engines.sums.codes import LANES
from fashion_hash.index.exact import outfit_items
from fashion_hash.index.outfit_terms import OutfitTerms
from fashion_hash.index.pool import Pool

FOLDER = "scan"
# from this many outfits, a scan of sums beats adding up items; below, both take a fraction of a millisecond
SCAN_FROM = 20_000
BLOCKS_AT_ONCE = 256
ITEMS_AT_ONCE = 1 << 14
PIECE = 1 << 18  # outfits
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
    """Writes the folder `scan` of a pool index, a piece after another: arrays may be mapped files.

    Args:
        index: the folder of the index.
        bundle: codes, weights and scales.
        items: (N, S) items by slot, EMPTY for an empty slot.
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
    own = None if bundle.own is None else own
    folder = index / FOLDER
    folder.mkdir()
    segments = _write_rows(folder / "rows.npy", terms.num_items, own)
    lowest, highest = _extremes(bundle, terms)
    unit = _unit(bundle, planes, segments, lowest, highest)
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    blocks, groups = len(rows) // LANES, scan_codes.num_groups(bundle.num_bits, planes, own_bits(bundle))
    codes_file = array_writer(folder / "codes.npy", np.uint8, (blocks, 3 * groups, LANES))
    constants_file = array_writer(folder / "constants.npy", np.uint16, (blocks, LANES))
    blocks_of = _Blocks(bundle, items, own, order, planes)
    with codes_file as write_codes, constants_file as write_constants:
        at_once = BLOCKS_AT_ONCE * LANES
        for start in tqdm(range(0, len(rows), at_once), desc="scan index", unit_scale=at_once, disable=None):
            some = rows[start : start + at_once]
            write_codes(blocks_of(some))
            write_constants(_in_units(bundle, terms, some, lowest, unit))
            let_go(rows, items, *terms)
    listed = [[*segment[:3], *([True] if segment.own else [])] for segment in segments]
    facts = {"unit": unit, "lowest": lowest, "planes": planes, "segments": listed}
    write_json(folder / "scan.json", facts)
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
    terms = OutfitTerms(pool.compatibility, pool.bias, pool.num_items, pool.num_pairs)
    unit, lowest = _unit(bundle, files.planes, files.segments, *(extremes := _extremes(bundle, terms))), extremes[0]
    constants = np.empty(files.constants.shape, dtype=np.uint16)
    for start in range(0, len(constants), BLOCKS_AT_ONCE):
        rows = files.rows[start * LANES : (start + BLOCKS_AT_ONCE) * LANES]
        constants[start : start + BLOCKS_AT_ONCE] = _in_units(bundle, terms, rows, lowest, unit)
    return files._replace(unit=unit, lowest=lowest, constants=constants)


def _constants(bundle: Bundle, terms: OutfitTerms) -> np.ndarray:
    """Compatibility and bias of the score, float64 (N,), equal to those of exact.py except for rounding."""
    bits = len(bundle.modalities) * bundle.num_bits
    pairs = np.maximum(terms.num_pairs, 1).astype(np.int64)
    compatibility = bundle.compatibility_scale * terms.compatibility / (pairs * bits)
    return np.asarray((compatibility + terms.bias / terms.num_items.astype(np.int64)) / WEIGHT_ONE)


def _extremes(bundle: Bundle, terms: OutfitTerms) -> tuple[float, float]:
    """The lowest and the highest of `_constants`; 0 and 0 of no outfits."""
    lowest, highest = [], []
    for start in range(0, len(terms.num_items), PIECE):
        constants = _constants(bundle, OutfitTerms(*(column[start : start + PIECE] for column in terms)))
        lowest.append(float(constants.min()))
        highest.append(float(constants.max()))
        let_go(*terms)
    return min(lowest, default=0.0), max(highest, default=0.0)


def _in_units(bundle: Bundle, terms: OutfitTerms, rows: np.ndarray, lowest: float, unit: float) -> np.ndarray:
    """The constants of outfits in units above the lowest, (R / 64, 64) uint16; 0 for a row of -1."""
    constants = _constants(bundle, OutfitTerms(*(column[rows] for column in terms)))
    known = np.where(rows < 0, 0, np.rint((constants - lowest) / unit))
    return known.astype(np.uint16).reshape(-1, LANES)


def _write_rows(path: Path, num_items: np.ndarray, own: np.ndarray | None) -> tuple[Segment, ...]:
    """Writes rows.npy; returns the segments."""

    def kinds(start: int) -> np.ndarray:
        part = 2 * num_items[start : start + PIECE].astype(np.int64)
        return part if own is None else part + (own[start : start + PIECE] != EMPTY)

    starts = range(0, len(num_items), PIECE)
    counts = sum((np.bincount(kinds(start), minlength=2 * 256) for start in starts), np.zeros(512, dtype=np.int64))
    segments, first = [], 0
    for kind in np.flatnonzero(counts).tolist():
        last = first - (-int(counts[kind]) // LANES)
        segments.append(Segment(kind // 2, first, last, bool(kind % 2)))
        first = last
    with array_writer(path, np.int32, (first * LANES,)) as write:
        for kind in np.flatnonzero(counts).tolist():
            for start in starts:
                write(start + np.flatnonzero(kinds(start) == kind))
            write(np.full(-int(counts[kind]) % LANES, -1))
    return tuple(segments)


def _unit(bundle: Bundle, planes: int, segments: Sequence[Segment], lowest: float, highest: float) -> float:
    """The smallest unit of score for which all tables fit in bytes and all totals in 16 bits."""
    order, modalities = scan_codes.bit_order(bundle.preference_weights, planes), len(bundle.modalities)
    units = [
        scan_codes.smallest_unit(
            scan_codes.count_weights(
                bundle.preference_weights[order], bundle.preference_scale, segment.num_items, modalities
            ),
            planes,
            scan_codes.num_planes(segment.num_items * modalities),
            own_weights(bundle, segment),
        )
        for segment in segments
    ]
    units.append((highest - lowest) / CONSTANT_MOST)
    units.append(max(abs(lowest), abs(highest)) * 2.0**-40)  # so that float64 counts units precisely enough
    return max(units) or 1.0


class _Blocks:
    """Writes the codes of outfits as blocks; by adding up numbers of items, wherever that gives the same bytes.

    Args:
        bundle: codes.
        items: (N, S) items by slot, EMPTY for an empty slot.
        own: (N,) rows of own codes, EMPTY for none; None for none at all.
        order: of the bits, scan_codes.bit_order.
        planes: digits a count.
    """

    def __init__(
        self, bundle: Bundle, items: np.ndarray, own: np.ndarray | None, order: np.ndarray, planes: int
    ) -> None:
        self._bundle, self._items, self._own, self._order, self._planes = bundle, items, own, order, planes
        if scan_codes.sums_fit(planes):
            self._by_type = {item_type: self._groups_of_type(item_type) for item_type in bundle.types}

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(R / 64, 3 * G, 64) uint8: the blocks of outfits in these rows, R a multiple of 64; zeros for row -1."""
        items, own = outfit_items(self._bundle, self._items[rows]), np.full(len(rows), EMPTY)
        items[rows < 0] = EMPTY
        if self._own is not None:
            own[rows >= 0] = self._own[rows[rows >= 0]]
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
        bits = np.unpackbits(bundle.item_codes[item_type][items[filled, slot]], axis=-1, bitorder="little")
        counts[filled] += sum(bits[:, modality] for modality in range(bits.shape[1]))
    return counts


def _own_digits(bundle: Bundle, own: np.ndarray) -> np.ndarray | None:
    """The bits of own codes in layout order, zeros where there is none: (R, D) uint8; None for a bundle without."""
    if bundle.own is None:
        return None
    bits = np.zeros((len(own), bundle.num_bits), dtype=np.uint8)
    bits[own != EMPTY] = unpack(bundle.own.codes[own[own != EMPTY]]) > 0
    return bits[:, own_order(bundle)]
