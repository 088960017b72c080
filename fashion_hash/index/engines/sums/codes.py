"""The data of the fast scan: the layout of the codes, and the look-up tables of a query.

The preference of an outfit depends on its items only through the sum of their codes. If bit d is set
in c_d of its n * M codes (n items, M modalities), U = sum over d of w_d * u_d * (2 * c_d - n * M). A bit
d thus takes the ceil(log2(n * M + 1)) binary digits ("planes") of c_d, however many codes were added
up: 3 digits, or 48 bytes for 128 bits, for three items in two modalities.

An outfit with a code of its own (fashion_hash.bundle.own) has the bits of that code as further digits behind them, one
plane of D bits with weights of their own; where a bundle has own codes, every outfit has these digits, zeros for none.

Layout. The digits of an outfit, bit by bit, are cut into codes of 6; four codes, 24 digits, are a
group of three bytes: codes 0, 1 and 2 are the low six bits of the bytes, code 3 consists of the two
high bits of each. 64 outfits form a block: the first byte of all 64, the second byte of all 64, and so
on. A table of 64 entries per code then scores 64 outfits in one byte shuffle (Andre et al., "Quick
ADC", 2017; AVX-512's vpermb takes codes of 6 bits). Older processors shuffle with 16 entries; they read
the same bytes as six codes of 4 bits, the halves of the bytes. Within a block outfit i < 32 is in lane
2 * i and outfit 32 + i in lane 2 * i + 1, so that 16-bit sums leave the kernel in order.

Tables. An entry is a sum of digit weights, rounded to a byte. The codes of a group are divided into two halves whose
sums fit in a byte; the mean of both, and the mean of two groups' means, are rounded up and fit as well, so that 16-bit
words are added once for two groups only. The sum over all pairs, `sum`, is brought to the unit of the constants, a
fixed unit of score, by 4 * sum * multiplier >> 16 (`Tables.multiplier`). A user of signs only
flips signs of weights, and a flipped sign is a flipped digit and a constant. A user's tables are
therefore the same tables with permuted entries, and the bound of the rounding error is known beforehand.
A user of other numbers has tables of their own, in the same unit: no number makes a weight larger.
Letters: G groups, C codes per group, E entries per code, U users.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE, Packed

LANES = 64  # outfits in a block
GROUP = 24
# the largest sum of a group's digits in units, so that half of them fit in a byte in a finer unit
GROUP_MOST = 252
# the largest sum of half a group's digits as entries, to fit in a byte; rounding adds at most 3 halves
HALF_MOST = 253
# the largest sum over the pairs of groups, four times of which fit in 16 bits; rounding adds at most 3 a pair
PAIRS_MOST = 16_000
LANE_OF = np.concatenate([np.arange(0, LANES, 2), np.arange(1, LANES, 2)])
# the digits of a group in the order of the bits of its bytes
BYTE_ORDER = np.array([0, 1, 2, 3, 4, 5, 18, 19, 6, 7, 8, 9, 10, 11, 20, 21, 12, 13, 14, 15, 16, 17, 22, 23])
# the digits of each code of a group, (C, bits per code): four codes of 6, or six codes of 4
SIXES = np.arange(GROUP).reshape(4, 6)
NIBBLES = BYTE_ORDER.reshape(6, 4)
# which codes of a group are added up to a half, by their number: heavy bits stand before light ones
HALVES = {4: ((0, 3), (1, 2)), 6: ((0, 1, 5), (2, 3, 4))}
NONE = np.zeros(0)


def num_planes(most: int) -> int:
    """The number of binary digits of a count from 0 to `most`."""
    return most.bit_length()


def num_groups(num_bits: int, planes: int, own_bits: int = 0) -> int:
    """The number of groups of 24 digits that hold the digits of an outfit; `own_bits` are those of an own code."""
    return -(-(num_bits * planes + own_bits) // GROUP)


def bit_order(weights: np.ndarray, planes: int) -> np.ndarray:
    """The order in which bits are laid out, (D,) int64: heavy bits are spread over the groups.

    The heaviest group determines the unit of all tables; dealing bits back and forth makes the groups about
    equally heavy.
    """
    heavy = np.argsort(-np.abs(weights.astype(np.int64)), kind="stable")
    groups = num_groups(len(weights), planes)
    turn = np.arange(len(heavy)) % (2 * groups)
    return heavy[np.argsort(np.minimum(turn, 2 * groups - 1 - turn), kind="stable")]


def digits(counts: np.ndarray, order: np.ndarray, planes: int, own: np.ndarray | None = None) -> np.ndarray:
    """The binary digits of counts (R, D) in the layout's order, padded to groups: (R, 24 * G) uint8.

    `own` are the bits of own codes, (R, D) of 0 and 1, in the order of the layout already.
    """
    by_plane = (counts[:, order, None] >> np.arange(planes, dtype=np.uint8)) & np.uint8(1)
    return _padded(by_plane.reshape(len(counts), -1), own)


def blocks(counts: np.ndarray, order: np.ndarray, planes: int, own: np.ndarray | None = None) -> Packed:
    """Packs counts, (R, D) uint8 with R a multiple of 64, to blocks (R / 64, 3 * G, 64) uint8; own: as for digits."""
    spread = digits(counts, order, planes, own)
    spread = spread.reshape(len(counts), -1, GROUP)[:, :, BYTE_ORDER].reshape(len(counts), -1)
    packed = np.packbits(spread, axis=1, bitorder="little")  # (R, 3 * G)
    by_block = packed.reshape(-1, LANES, packed.shape[1])
    out = np.empty((len(by_block), packed.shape[1], LANES), dtype=np.uint8)
    out[:, :, LANE_OF] = by_block.transpose(0, 2, 1)
    return out


def sums_fit(planes: int) -> bool:
    """Whether no count lies in two groups, so that `groups_of` of codes can be added up."""
    return GROUP % planes == 0


def groups_of(digits: np.ndarray) -> np.ndarray:
    """Digits (R, 24 * G) as one number a group, the first digit lowest: (R, G) uint32.

    Sums of these numbers are the numbers of the summed counts, as long as the counts fit in their digits and no count
    lies in two groups (`sums_fit`).
    """
    packed = np.packbits(digits, axis=1, bitorder="little").reshape(len(digits), -1, 3).astype(np.uint32)
    return np.asarray(packed[..., 0] | packed[..., 1] << 8 | packed[..., 2] << 16)


def blocks_of_groups(groups: np.ndarray) -> Packed:
    """`blocks` from the numbers of groups, (R, G) uint32 with R a multiple of 64: (R / 64, 3 * G, 64) uint8."""
    by_block = groups.reshape(-1, LANES, groups.shape[1])[:, np.argsort(LANE_OF)].transpose(0, 2, 1)
    out = np.empty((len(by_block), 3 * groups.shape[1], LANES), dtype=np.uint8)
    for byte in range(3):  # BYTE_ORDER
        out[:, byte::3] = by_block >> 6 * byte & 63 | (by_block >> 18 + 2 * byte & 3) << 6
    return out


class Tables(NamedTuple):
    """The tables of outfits of n items, before a user flips them.

    Attributes:
        entries: (G * C, E) uint8, the value of each code, or (U, G * C, E) for each user.
        flipped: (G * C, E, E) uint8, the entries in the order of every flip; (0, E, E) for tables of users.
        multiplier: the 65536th part of a unit that an entry counts, rounded up.
        weights: (D,) or (U, D) float64, the value of one count in units, all positive, bits in layout order.
        full: the largest count that the digits in use can represent.
        most: the largest count that occurs, n * M.
        error: how far, in units, a preference may lie above its total; of all users.
        excess: how far, in units, a total may lie above its preference; of all users.
        own: float64 as weights, the value of a bit of an own code in units, in layout order; zeros for outfits
            without, (0,) or (U, 0) for a bundle without.
    """

    entries: np.ndarray
    flipped: np.ndarray
    multiplier: int
    weights: np.ndarray
    full: int
    most: int
    error: float
    excess: float
    own: np.ndarray


def count_weights(weights: np.ndarray, scale: int, num_items: int, modalities: int) -> np.ndarray:
    """What one more code with the bit set adds to the score, for each bit: float64, (..., D) as the weights."""
    size = num_items * modalities * weights.shape[-1] * WEIGHT_ONE
    return np.asarray(2 * scale * np.abs(weights.astype(np.float64)) / size)


def own_bit_weights(weights: np.ndarray, scale: int) -> np.ndarray:
    """What a set bit of an own code adds to the score, compared with one that is not: float64, (..., D) as weights."""
    return np.asarray(2 * scale * np.abs(weights.astype(np.float64)) / (max(weights.shape[-1], 1) * WEIGHT_ONE))


def smallest_unit(weights: np.ndarray, planes: int, used: int, own: np.ndarray = NONE) -> float:
    """The smallest unit for which tables fit in bytes and the sum over groups in 16 bits.

    Args:
        weights: (D,) in layout order, see count_weights.
        planes: the number of digits of a count, as stored.
        used: how many of them occur.
        own: (D,) in layout order, see own_bit_weights; (0,) for none.
    """
    heaviest = _digit_weights(weights, planes, used, own).reshape(-1, GROUP).sum(axis=1).max(initial=0)
    groups = num_groups(len(weights), planes, len(own))
    return float(heaviest / min(GROUP_MOST, max(40_000 // groups - 3, 1)))


def make_tables(
    weights: np.ndarray, planes: int, most: int, unit: float, codes: np.ndarray, own: np.ndarray = NONE
) -> Tables:
    """The tables of counts from 0 to `most`.

    Args:
        weights: (D,), or (U, D) for each user, in layout order, see count_weights.
        planes: the number of digits of a count, as stored.
        most: the largest count.
        unit: the unit of the totals, as a score.
        codes: SIXES or NIBBLES.
        own: as for smallest_unit, or (U, D) for each user.
    """
    used = num_planes(most)
    users = weights.shape[:-1]
    digit_weights = _digit_weights(weights / unit, planes, used, own / unit).reshape(*users, -1, GROUP)
    by_code = digit_weights[..., codes]
    multiplier = _multiplier(by_code.sum(axis=-1))
    value = multiplier / 2**16  # of an entry, in units
    values = (by_code / value).reshape(*users, -1, codes.shape[1]) @ _bits(codes).T
    entries = np.rint(values)
    places = np.arange(entries.shape[-1])
    flipped = entries[..., places ^ places[:, None]] if not users else np.zeros((0, *[len(places)] * 2))
    wrong, groups = entries - values, digit_weights.shape[-2]
    error, excess = (float(side.max(axis=-1).sum(axis=-1).max(initial=0)) * value for side in (-wrong, wrong))
    rounded_up = 4 * value * -(-groups // 2)  # half a step for each mean of two
    return Tables(
        entries.astype(np.uint8),
        np.ascontiguousarray(flipped, dtype=np.uint8),
        multiplier,
        weights / unit,
        (1 << used) - 1,
        most,
        error + 1,  # a fraction of a unit is cut off
        excess + rounded_up,
        own / unit,
    )


def _multiplier(by_code: np.ndarray) -> int:
    """The smallest for which halves and sums of pairs fit; by_code: (..., G, C) largest sums of codes, in units."""
    halves = [by_code[..., half].sum(axis=-1).max(initial=0) for half in HALVES[by_code.shape[-1]]]
    pairs = -(-by_code.shape[-2] // 2)
    every = by_code.sum(axis=(-1, -2)).max(initial=0) / 4
    finest = max(max(halves) / HALF_MOST, every / max(PAIRS_MOST - 3 * pairs, 1), 2.0**-16)
    return int(np.ceil(finest * 2**16))


def user_tables(tables: Tables, flips: np.ndarray) -> np.ndarray:
    """The tables of users, (U, G * C * E) uint8, at a multiple of 64; flips: (U, G * C) uint8 from `flip_masks`."""
    count, size = tables.entries.shape[-2:]
    out = _aligned((len(flips), count, size))
    if tables.entries.ndim == 3:
        places = np.arange(size, dtype=np.uint8) ^ flips[:, :, None]
        out[:] = np.take_along_axis(tables.entries, places.astype(np.intp), axis=2)
    else:
        rows = flips + size * np.arange(count)
        np.take(tables.flipped.reshape(-1, size), rows, axis=0, out=out, mode="clip")
    return out.reshape(len(flips), -1)


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty array of bytes at a multiple of 64: a vector that lies in two lines of the cache is read twice."""
    size = int(np.prod(shape))
    room = np.empty(size + LANES, dtype=np.uint8)
    start = -room.ctypes.data % LANES
    return room[start : start + size].reshape(shape)


def flip_masks(negative: np.ndarray, planes: int, codes: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """The digits that each user flips: negative (U, D) bool in layout order -> (U, G * C) uint8; own: of own codes."""
    flipped = _padded(np.repeat(negative, planes, axis=1), own)
    powers = (1 << np.arange(codes.shape[1])).astype(np.uint8)
    return (flipped.reshape(len(negative), -1, GROUP)[:, :, codes] @ powers).reshape(len(negative), -1)


def offsets(tables: Tables, negative: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """What to add to a user's sum of entries to get the preference in units: float64 (U,); own: as for flip_masks."""
    signs = np.where(negative, -1.0, 1.0)
    of_negative, of_all = (negative * tables.weights).sum(axis=1), (signs * tables.weights).sum(axis=1)
    of_items = -tables.full * of_negative - tables.most / 2 * of_all
    if own is not None:  # a bit of an own code is a count of at most one
        of_items = of_items - (own * tables.own).sum(axis=1) - (np.where(own, -0.5, 0.5) * tables.own).sum(axis=1)
    return np.asarray(of_items)


def exact_weights(weights: np.ndarray, planes: int, own: np.ndarray | None = None) -> np.ndarray:
    """The exact weights of the bits of an outfit's bytes: (U, 3 * G, 8) int64.

    `weights` are those of one count, (U, D) int64 in layout order; `own` are those of a bit of an own code.
    """
    of_digits = _padded((weights[:, :, None] << np.arange(planes)).reshape(len(weights), -1), own)
    return np.ascontiguousarray(of_digits.reshape(len(weights), -1, GROUP)[:, :, BYTE_ORDER]).reshape(
        len(weights), -1, 8
    )


def _padded(digits: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """What belongs to the digits of counts (R, L) and to those of own codes (R, D), padded to groups: (R, 24 * G)."""
    both = digits if own is None else np.concatenate([digits, own.astype(digits.dtype)], axis=1)
    dtype = np.uint8 if both.dtype == bool else both.dtype
    out = np.zeros((len(both), -(-both.shape[1] // GROUP) * GROUP), dtype=dtype)
    out[:, : both.shape[1]] = both
    return out


def _bits(codes: np.ndarray) -> np.ndarray:
    """The bits of every code: (E, bits per code)."""
    bits = np.arange(codes.shape[1])
    return (np.arange(1 << len(bits))[:, None] >> bits) & 1


def _digit_weights(weights: np.ndarray, planes: int, used: int, own: np.ndarray) -> np.ndarray:
    """The weights (..., D) of counts, and those of own codes, as weights of digits, padded to groups: (..., 24 * G)."""
    powers, users = (1 << np.arange(planes)) * (np.arange(planes) < used), weights.shape[:-1]
    of_counts = (weights[..., None] * powers).reshape(-1, weights.shape[-1] * planes)
    return _padded(of_counts, own.reshape(len(of_counts), own.shape[-1])).reshape(*users, -1)
