"""Compiled loops of composition: maxima over partner lists and over blocks of pairs.

They release the global interpreter lock and start no threads, so callers may run them on several threads.
Flat arrays are the cheapest arguments for numba; hence the long argument lists.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from fashion_hash.index.kernels import _FAST, _count_ones


@njit(nogil=True, cache=True)
def list_maxima(items, rows, values, scale, shares, most, out, alike):  # type: ignore[no-untyped-def]
    """Writes to out[i] an upper bound of the maximum over partners j of scale * c(items[i], j) + shares[j].

    Args:
        items: (A,) the rows of the items.
        rows: (N, L) the partners of every item.
        values: (N, L) their c, descending.
        scale: at least 0.
        shares: (N_other,) float32, -inf for excluded partners.
        most: the maximum of `shares`.
        out: (A,) float32, written; exact unless the list ends before the bound on the remaining partners is lower.
        alike: whether partners are of the items' own type: then no item is its own partner.
    """
    length = rows.shape[1]
    for i in range(items.shape[0]):
        x = items[i]
        best = np.float32(-np.inf)
        ended = length == shares.shape[0]
        for j in range(length):
            c = scale * values[x, j]
            if c + most <= best:
                ended = True
                break
            if alike and rows[x, j] == x:
                continue
            best = max(best, c + shares[rows[x, j]])
        if not ended:
            best = max(best, scale * values[x, length - 1] + most)
        out[i] = best


@njit(nogil=True, cache=True, fastmath=_FAST)
def block_maxima(block, row_shares, column_shares, row_maxima, column_maxima):  # type: ignore[no-untyped-def]
    """Computes the row maxima of block + column_shares and updates the column maxima of block + row_shares.

    block is (A, B) float32; row_maxima (A,) is overwritten, column_maxima (B,) keeps greater values.
    """
    for i in range(block.shape[0]):
        share = row_shares[i]
        best = np.float32(-np.inf)
        for j in range(block.shape[1]):
            value = block[i, j]
            best = max(best, value + column_shares[j])
            column_maxima[j] = max(column_maxima[j], value + share)
        row_maxima[i] = best


@njit(nogil=True, cache=True)
def add_table_sums(words, tables, out):  # type: ignore[no-untyped-def]
    """Adds to out[i] the sum of the table entries of the bytes of item i.

    Args:
        words: (N, W) uint64, eight bytes each, the least significant first.
        tables: (W * 8 * 256,) int64, 256 entries per byte.
        out: (N,) int64, changed in place.
    """
    low = np.uint64(255)  # unsigned indices spare the check for negative ones
    for i in range(words.shape[0]):
        first, second, start = 0, 0, np.uint64(0)
        for number in range(words.shape[1]):
            word = words[i, number]
            first += tables[start + (word & low)]
            second += tables[start + np.uint64(256) + ((word >> np.uint64(8)) & low)]
            first += tables[start + np.uint64(512) + ((word >> np.uint64(16)) & low)]
            second += tables[start + np.uint64(768) + ((word >> np.uint64(24)) & low)]
            first += tables[start + np.uint64(1024) + ((word >> np.uint64(32)) & low)]
            second += tables[start + np.uint64(1280) + ((word >> np.uint64(40)) & low)]
            first += tables[start + np.uint64(1536) + ((word >> np.uint64(48)) & low)]
            second += tables[start + np.uint64(1792) + (word >> np.uint64(56))]
            start += np.uint64(2048)
        out[i] += first + second


STRIP = 256  # pairs whose bounds are computed together


@njit(nogil=True, cache=True, forceinline=True)
def _weighed_differences(words, query, planes, out):  # type: ignore[no-untyped-def]
    """Writes the sums over planes p of 2 ** p times the bits of plane p in which codes, (n, W), differ from `query`."""
    out[: len(words)] = 0
    for plane in range(len(planes)):
        factor = np.int64(1) << plane
        if words.shape[1] == 2:  # without an inner loop it becomes vector instructions
            q0, q1, m0, m1 = query[0], query[1], planes[plane, 0], planes[plane, 1]
            for j in range(len(words)):
                out[j] += factor * (_count_ones((words[j, 0] ^ q0) & m0) + _count_ones((words[j, 1] ^ q1) & m1))  # type: ignore
            continue
        for j in range(len(words)):
            count = np.int64(0)
            for word in range(words.shape[1]):
                count += _count_ones((words[j, word] ^ query[word]) & planes[plane, word])  # type: ignore
            out[j] += factor * count


@njit(nogil=True, cache=True)
def scan_pairs(rows, columns, weights, level, last, first_row, most, found):  # type: ignore[no-untyped-def]
    """Finds pairs that come before an outfit in the ranking, among those whose bound reaches a level.

    Rows and columns are sorted by what they can reach, descending, so that the columns of a row whose pairs reach the
    level, reach + value >= level, are its first ones. Every row goes on where it stopped at the level before.

    Args:
        rows: (reach, value, place, starts, words): (A,) int64 each, and (A, W) uint64, in which bits with a negative
            weight are flipped. A row reaches at most value + c with any column, less the column's value. `starts` is
            changed in place: how many columns were looked at.
        columns: (value, place, words).
        weights: (planes, top, step, tables): planes, (P, W) uint64, with c <= top - step * (weighed differences), and
            what every byte of differences takes from `top` exactly, (W * 8 * 256,) int64.
        level: int64.
        last: (numerator, place of the row, place of the column) of the outfit to come before.
        first_row: where to begin.
        most: pairs to look at before returning.
        found: (row place, column place, numerator), (F,) int64 each, written.

    Returns:
        The row to go on with (A when the level is done), the number found, and the number of pairs looked at.
    """
    reach, values, places, starts, words = rows
    column_values, column_places, column_words = columns
    planes, top, step, tables = weights
    numerator, last_row, last_column = last
    found_rows, found_columns, found_numerators = found
    differences, low = np.empty(STRIP, dtype=np.int64), np.uint64(255)
    stop, count, seen = len(column_values), 0, 0
    for i in range(first_row, len(reach)):
        while stop > 0 and reach[i] + column_values[stop - 1] < level:
            stop -= 1
        if stop == 0:
            break
        query, need = words[i], numerator - values[i] - top
        for start in range(starts[i], stop, STRIP):
            end = min(start + STRIP, stop)
            if seen >= most or count + STRIP > len(found_rows):
                starts[i] = start
                return i, count, seen
            seen += end - start
            _weighed_differences(column_words[start:end], query, planes, differences)
            for j in range(start, end):
                if column_values[j] - step * differences[j - start] < need:
                    continue
                total, entry = values[i] + column_values[j] + top, np.uint64(0)
                for word in range(words.shape[1]):
                    bits = query[word] ^ column_words[j, word]
                    for _ in range(8):
                        total -= tables[entry + (bits & low)]
                        bits >>= np.uint64(8)
                        entry += np.uint64(256)
                if (total, -places[i], -column_places[j]) <= (numerator, -last_row, -last_column):
                    continue
                found_rows[count], found_columns[count], found_numerators[count] = places[i], column_places[j], total
                count += 1
        starts[i] = max(starts[i], stop)
    return len(reach), count, seen
