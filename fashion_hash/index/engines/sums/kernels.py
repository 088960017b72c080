"""The loops of the fast scan, compiled by numba: which outfits can still be among the best k.

Every outfit has an integer total for a user; its score in units is at most a known error above it. A heap
keeps the k best scores so far; an outfit whose total is more than this error below the k-th of them cannot
be among the best k. For the others the preference is added up exactly while their block is in the cache.
Only the rounding of the constant, half a unit, remains uncertain: outfits within it are candidates and are
scored exactly afterwards. block.py adds up the totals of a block.

numba compiles a kernel for the types of its arguments, and flat arrays are the cheapest to pass: hence
the long argument lists. What is called for single outfits is inlined, since a call would pass every array
of a query and count its references.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from fashion_hash.index.engines.sums.block import Blocks, Found, block_totals
from fashion_hash.index.engines.sums.codes import LANES
from fashion_hash.index.engines.sums.instructions import lowest_bit, prefetch, weighed

TILE = 64  # blocks that stay in the cache while they are scanned for all users
AHEAD = 16  # blocks with allowed outfits that are asked for before they are needed
SEED_FROM = 8  # tiles, from which it pays to look at the first one twice
TOGETHER = 4  # users whose tables fit the first-level cache
MOST = 2**16 - 1
# the error of a score with a rounded constant, in units: a half, and a margin for floating point
ROUNDING = 0.51


class Candidates(NamedTuple):
    """The candidates so far for each of U users; the kernels write all arrays.

    Attributes:
        heap: (U, k) float64, the best scores in units: a binary heap, smallest first.
        filled: (U,) int64, the number of scores in the heap.
        positions: (U, C) int32, the candidates.
        scores: (U, C) float64, their scores in units.
        counts: (U,) int64, the number of candidates.
    """

    heap: np.ndarray
    filled: np.ndarray
    positions: np.ndarray
    scores: np.ndarray
    counts: np.ndarray


class Query(NamedTuple):
    """What the kernel needs to know about U users, for outfits with the same number of items.

    Attributes:
        tables: (U, G * C * E) uint8, see codes.py.
        multiplier: of their sums, see codes.py.
        offsets: (U,) int64, added to every total.
        exact: (U, 3 * G, 8) int64, see codes.py.
        shifts: (U,) int64, added to a sum of `exact` to get the preference.
        factor: converts a preference to units.
        excluded: positions to leave out, user by user and ascending for each.
        starts: (U + 1,) int64, where the excluded positions of each user start.
        error: how far, in units, a score with a rounded constant may lie above a total.
        excess: how far, in units, a total may lie above a score with a rounded constant.
        rows: (positions,) int32, the row of the pool at each position.
        items: (N * S,) int32, the items of the pool.
        width: S.
        bits: see ItemTest.bits.
        slots: see ItemTest.slots; empty for no test.
        firsts: see ItemTest.starts.
    """

    tables: np.ndarray
    multiplier: int
    offsets: np.ndarray
    exact: np.ndarray
    shifts: np.ndarray
    factor: float
    excluded: np.ndarray
    starts: np.ndarray
    error: float
    excess: float
    rows: np.ndarray
    items: np.ndarray
    width: int
    bits: np.ndarray
    slots: np.ndarray
    firsts: np.ndarray


def no_candidates(users: int, k: int) -> Candidates:
    """Room for k candidates and two tiles of outfits for each user."""
    room = k + 2 * TILE * LANES
    return Candidates(
        np.empty((users, k)),
        np.zeros(users, dtype=np.int64),
        np.empty((users, room), dtype=np.int32),
        np.empty((users, room)),
        np.zeros(users, dtype=np.int64),
    )


@numba.njit(nogil=True, cache=True, forceinline=True)
def _cut(found, user):  # type: ignore[no-untyped-def]
    """The lowest score, in units, that may be among the best k; both it and the k-th best may be inexact."""
    if found.filled[user] < found.heap.shape[1]:
        return -np.inf
    return found.heap[user, 0] - 2 * ROUNDING


@numba.njit(nogil=True, cache=True, forceinline=True)
def _remember(heap, filled, user, total):  # type: ignore[no-untyped-def]
    """Puts a total into a user's heap; it replaces the smallest in a full heap."""
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


@numba.njit(nogil=True, cache=True, forceinline=True)
def _weigh(codes, position, weights, user):  # type: ignore[no-untyped-def]
    """The exact sum of the weights of an outfit's bits for a user; weights: (U, 3 * G, 8)."""
    block, place = position // LANES, position % LANES
    lane = 2 * place if 2 * place < LANES else 2 * place - LANES + 1
    size = codes.shape[1]
    at = codes.ctypes.data + block * size * LANES + lane
    return weighed(at, size, weights.ctypes.data + user * size * 64)  # type: ignore[call-arg]


@numba.njit(nogil=True, cache=True, forceinline=True)
def _passes(query, position):  # type: ignore[no-untyped-def]
    """Whether a filter allows all items of an outfit."""
    first = np.int64(query.rows[position]) * query.width
    for number in range(len(query.slots)):
        bit = query.firsts[number] + query.items[first + query.slots[number]]
        if (query.bits[bit >> 5] >> np.uint32(bit & 31)) & np.uint32(1) == 0:
            return False
    return True


@numba.njit(nogil=True, cache=True, forceinline=True)
def _offer(found, user, position, codes, constant, query):  # type: ignore[no-untyped-def]
    """Adds a candidate, unless its score is too low or it is excluded or filtered out."""
    if len(query.slots) > 0 and not _passes(query, position):
        return
    low, high = query.starts[user], query.starts[user + 1]
    while low < high:
        middle = (low + high) >> 1
        if query.excluded[middle] == position:
            return
        if query.excluded[middle] < position:
            low = middle + 1
        else:
            high = middle
    preference = _weigh(codes, position, query.exact, user) + query.shifts[user]
    score = preference * query.factor + constant
    if score < _cut(found, user):
        return
    count = found.counts[user]
    found.positions[user, count] = position
    found.scores[user, count] = score
    found.counts[user] = count + 1
    _remember(found.heap, found.filled, user, score)


@numba.njit(nogil=True, cache=True)
def squeeze(found, user):  # type: ignore[no-untyped-def]
    """Drops the candidates whose score is now too low."""
    lowest, kept = _cut(found, user), 0
    positions, scores = found.positions[user], found.scores[user]
    for one in range(found.counts[user]):
        if scores[one] >= lowest:
            positions[kept], scores[kept] = positions[one], scores[one]
            kept += 1
    found.counts[user] = kept


@numba.njit(nogil=True, cache=True)
def collect(found):  # type: ignore[no-untyped-def]
    """The candidates whose score is not too low, user by user: users, (C,) int64, and positions, (C,) int32."""
    for user in range(len(found.counts)):
        squeeze(found, user)
    total = found.counts.sum()
    users, positions, at = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int32), 0
    for user in range(len(found.counts)):
        for one in range(found.counts[user]):
            users[at], positions[at] = user, found.positions[user, one]
            at += 1
    return users, positions


@numba.njit(nogil=True, cache=True)
def _has_room(found):  # type: ignore[no-untyped-def]
    """Whether every user has room for a tile of candidates, if necessary after dropping some."""
    room = found.positions.shape[1] - TILE * LANES
    for user in range(len(found.counts)):
        if found.counts[user] > room:
            squeeze(found, user)
            if found.counts[user] > room:
                return False
    return True


@numba.njit(nogil=True, cache=True, forceinline=True)
def _bound(found, user, query):  # type: ignore[no-untyped-def]
    """The lowest total, before the offset, of an outfit that may be among the best k."""
    bound = _cut(found, user) - query.error - query.offsets[user]
    return np.uint16(min(max(np.floor(bound), 0.0), MOST))


@numba.njit(nogil=True, cache=True, forceinline=True)
def _ask_ahead(blocks, words, block, last):  # type: ignore[no-untyped-def]
    """The next block with allowed outfits, or `last`; asked for if others are skipped, since no processor would."""
    jump = False
    while block < last and words[block] == 0:
        block, jump = block + 1, True
    if jump and block < last:
        rows = blocks.codes.shape[1]
        prefetch(blocks.codes.ctypes.data + block * rows * LANES, rows)  # type: ignore[call-arg]
    return block


@numba.njit(nogil=True, cache=True)
def _seed(blocks, words, first, query, found, hit):  # type: ignore[no-untyped-def]
    """Fills empty heaps with a score that k outfits of the first tile reach, by their totals alone.

    The outfits that a user excludes may be among the highest totals, so that many more are counted.
    """
    users, k = found.heap.shape
    bounds = np.zeros(users, dtype=np.uint16)
    stop = (first + TILE) * LANES
    for user in range(users):
        if found.filled[user] > 0:
            continue
        excluded = query.excluded[query.starts[user] : query.starts[user + 1]]
        size = k + np.searchsorted(excluded, stop) - np.searchsorted(excluded, first * LANES)
        if size > TILE:
            continue
        highest, filled = np.empty((1, size)), np.zeros(1, dtype=np.int64)
        for block in range(first, first + TILE):
            block_totals(blocks, block, query.tables, query.multiplier, user, user + 1, bounds, hit)
            some = hit.hits[0] & words[block]
            while some != 0:
                place = lowest_bit(some)  # type: ignore[call-arg, var-annotated]
                some &= some - np.uint64(1)
                _remember(highest, filled, 0, np.float64(hit.totals[0, place]))
            if filled[0] == size:
                bounds[user] = highest[0, 0]
        if filled[0] == size:
            found.heap[user] = highest[0, 0] + query.offsets[user] - query.excess
            found.filled[user] = k


@numba.njit(nogil=True, cache=True)
def scan_sums(codes, constants, words, first, last, query, found):  # type: ignore[no-untyped-def]
    """Finds candidates among the outfits of the blocks from first to last - 1.

    Args:
        codes: (blocks, 3 * G, 64) uint8, see codes.py.
        constants: (blocks, 64) uint16, see files.py.
        words: (blocks,) uint64; bit i tells whether outfit i of the block is allowed.
        first: the first block.
        last: the block after the last one.
        query: a Query.
        found: Candidates, changed in place.

    Returns:
        `last` when done, or the block to continue with after making room for candidates.
    """
    users, blocks = len(query.tables), Blocks(codes, constants)
    hit = Found(np.empty((TOGETHER, LANES), dtype=np.uint16), np.empty(TOGETHER, dtype=np.uint64))
    bounds = np.empty(users, dtype=np.uint16)
    if last - first >= SEED_FROM * TILE and len(query.slots) == 0:
        _seed(blocks, words, first, query, found, hit)
    ahead, jumps = first, np.any(words[first:last] == 0)
    if jumps:
        for _ in range(AHEAD):
            ahead = _ask_ahead(blocks, words, ahead, last) + 1
    for tile in range(first, last, TILE):
        if not _has_room(found):
            return tile
        for group in range(0, users, TOGETHER):
            end = min(group + TOGETHER, users)
            for user in range(group, end):
                bounds[user] = _bound(found, user, query)
            for block in range(tile, min(tile + TILE, last)):
                word = words[block]
                if word == 0:
                    continue
                if jumps and group == 0:
                    ahead = _ask_ahead(blocks, words, max(ahead, block) + 1, last)
                every = block_totals(blocks, block, query.tables, query.multiplier, group, end, bounds, hit)
                if every & word == 0:
                    continue
                for user in range(group, end):
                    some = hit.hits[user - group] & word
                    while some != 0:
                        place = lowest_bit(some)  # type: ignore[call-arg, var-annotated]
                        some &= some - np.uint64(1)
                        if hit.totals[user - group, place] >= bounds[user]:
                            position = block * LANES + place
                            _offer(found, user, position, codes, constants[block, place], query)
                            bounds[user] = _bound(found, user, query)
    return last


@numba.njit(nogil=True, cache=True)
def weigh(codes, users, positions, weights):  # type: ignore[no-untyped-def]
    """The exact sums of the weights of outfits' bits: (C,) int64.

    Args:
        codes: (blocks, 3 * G, 64) uint8, see codes.py.
        users: (C,), the number of each user.
        positions: (C,), the position of each outfit.
        weights: (U, 3 * G, 8) int64, from exact_weights.
    """
    out = np.empty(len(positions), dtype=np.int64)
    for one in range(len(positions)):
        out[one] = _weigh(codes, np.int64(positions[one]), weights, users[one])
    return out
