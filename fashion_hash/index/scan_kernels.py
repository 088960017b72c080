"""The loops of the fast scan, compiled by numba: which outfits can still be among the best k.

Every outfit has an integer total for a user, which differs from its score (over a unit) by less than
a known error. The k best totals seen so far are kept in a heap; a total more than `slack`, twice the
error, below the k-th of them cannot belong to the best k. All others are written down as candidates,
to be scored exactly afterwards. The scores of a block are added up in scan_vectors.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from fashion_hash.index.scan_codes import LANES
from fashion_hash.index.scan_vectors import at_least, block_totals, lowest_bit

TILE = 64  # blocks that stay in the cache while all users pass over them
TOGETHER = 4  # users whose tables stay in the nearest cache
LOWEST = np.int32(-(2**31))
MOST = 2**16 - 1


class Candidates(NamedTuple):
    """What was found so far for each of U users; all arrays are written by the kernels.

    Attributes:
        heap: (U, k) int32, the best totals, smallest first (a binary heap).
        filled: (U,) int64, how many of them there are.
        positions, totals: (U, C) int32, the candidates.
        counts: (U,) int64, how many of them there are.
    """

    heap: np.ndarray
    filled: np.ndarray
    positions: np.ndarray
    totals: np.ndarray
    counts: np.ndarray


def no_candidates(users: int, k: int, tile_outfits: int) -> Candidates:
    """Room for k candidates and two tiles of outfits for each user."""
    room = k + 2 * tile_outfits
    return Candidates(
        np.empty((users, k), dtype=np.int32),
        np.zeros(users, dtype=np.int64),
        np.empty((users, room), dtype=np.int32),
        np.empty((users, room), dtype=np.int32),
        np.zeros(users, dtype=np.int64),
    )


@numba.njit(nogil=True, cache=True)
def cut(found, user, slack):  # type: ignore[no-untyped-def]
    """The lowest total that is still of interest."""
    if found.filled[user] < found.heap.shape[1]:
        return np.int64(LOWEST)
    return np.int64(found.heap[user, 0]) - slack


@numba.njit(nogil=True, cache=True)
def _remember(heap, filled, user, total):  # type: ignore[no-untyped-def]
    """Puts a total into a user's heap, for the smallest where it is full."""
    row, size = heap[user], filled[user]
    if size < len(row):
        at = size
        filled[user] = size + 1
        while at > 0 and row[(at - 1) >> 1] > total:
            row[at] = row[(at - 1) >> 1]
            at = (at - 1) >> 1
        row[at] = total
    elif total > row[0]:
        at = 0
        while True:
            child = 2 * at + 1
            if child >= size:
                break
            if child + 1 < size and row[child + 1] < row[child]:
                child += 1
            if row[child] >= total:
                break
            row[at] = row[child]
            at = child
        row[at] = total


@numba.njit(nogil=True, cache=True)
def _offer(found, user, position, total, slack, excluded):  # type: ignore[no-untyped-def]
    """Writes a candidate down, unless it is too low or excluded."""
    if total < cut(found, user, slack):
        return
    place = np.searchsorted(excluded, position)
    if place < len(excluded) and excluded[place] == position:
        return
    count = found.counts[user]
    found.positions[user, count] = position
    found.totals[user, count] = total
    found.counts[user] = count + 1
    _remember(found.heap, found.filled, user, total)


@numba.njit(nogil=True, cache=True)
def squeeze(found, user, slack):  # type: ignore[no-untyped-def]
    """Drops the candidates that have become too low."""
    lowest, kept = cut(found, user, slack), 0
    positions, totals = found.positions[user], found.totals[user]
    for one in range(found.counts[user]):
        if totals[one] >= lowest:
            positions[kept], totals[kept] = positions[one], totals[one]
            kept += 1
    found.counts[user] = kept


@numba.njit(nogil=True, cache=True)
def _has_room(found, slack, outfits):  # type: ignore[no-untyped-def]
    """Whether every user has room for a tile of candidates, if need be after dropping some."""
    room = found.positions.shape[1] - outfits
    for user in range(len(found.counts)):
        if found.counts[user] > room:
            squeeze(found, user, slack)
            if found.counts[user] > room:
                return False
    return True


@numba.njit(nogil=True, cache=True)
def _bound(found, user, slack, offset):  # type: ignore[no-untyped-def]
    """The cut as a bound of totals before the offset."""
    return np.uint16(min(max(cut(found, user, slack) - offset, 0), MOST))


@numba.njit(nogil=True, cache=True)
def scan_sums(codes, constants, words, tables, offsets, first, last, excluded, starts, slack, found):  # type: ignore[no-untyped-def]
    """Finds candidates among the outfits of blocks first to last.

    Args:
        codes: (blocks, 3 * G, 64) uint8; constants: (blocks, 64) uint16; see scan_codes.py.
        words: (blocks,) uint64; bit i says whether outfit i of the block may be found.
        tables: (U, G * C * E) uint8; offsets: (U,) int64, added to every total.
        excluded: positions that must not be found, ascending for each user; starts: (U + 1,).
        slack: int64, twice the error of a total.
        found: Candidates, changed.

    Returns:
        The block to go on from once a user without room has been given some; last when done.
    """
    users = len(tables)
    totals = np.empty((TOGETHER, LANES), dtype=np.uint16)
    totals_at = totals.ctypes.data
    bounds = np.empty(users, dtype=np.uint16)
    for tile in range(first, last, TILE):
        if not _has_room(found, slack, TILE * LANES):
            return tile
        for group in range(0, users, TOGETHER):
            end = min(group + TOGETHER, users)
            for user in range(group, end):
                bounds[user] = _bound(found, user, slack, offsets[user])
            for block in range(tile, min(tile + TILE, last)):
                word = words[block]
                if word == 0:
                    continue
                block_totals(codes, block, tables, group, end, constants, totals)
                for user in range(group, end):
                    hits = at_least(totals_at + (user - group) * 2 * LANES, bounds[user]) & word  # type: ignore[call-arg]
                    if hits != 0:
                        apart = excluded[starts[user] : starts[user + 1]]
                        while hits != 0:
                            lane = lowest_bit(hits)
                            hits &= hits - np.uint64(1)
                            total = np.int64(totals[user - group, lane]) + offsets[user]
                            _offer(found, user, block * LANES + lane, total, slack, apart)
                        bounds[user] = _bound(found, user, slack, offsets[user])
    return last


@numba.njit(nogil=True, cache=True)
def weigh(codes, positions, users, weights):  # type: ignore[no-untyped-def]
    """The weights of the bits that are set, added up for some outfits: (C,) int64.

    Args:
        positions: (C,) of outfits; users: (C,) for whom.
        weights: (U, 3 * G, 8) int64, of each bit of an outfit's bytes.
    """
    out = np.zeros(len(positions), dtype=np.int64)
    for one in range(len(positions)):
        block, place = positions[one] // LANES, positions[one] % LANES
        lane = 2 * place if 2 * place < LANES else 2 * place - LANES + 1
        user, total = users[one], np.int64(0)
        for byte in range(codes.shape[1]):
            value = np.int64(codes[block, byte, lane])
            for bit in range(8):
                total += weights[user, byte, bit] & -((value >> bit) & 1)
        out[one] = total
    return out
