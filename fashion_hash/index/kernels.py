"""Compiled kernels shared by several indexes: products, greatest values, nearest codes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# sums may be reordered, since callers allow for rounding; infinities must stay valid
_FAST = {"nnan", "nsz", "reassoc", "contract"}


_WIDTH, _ROWS, _VECTORS = 16, 4, 4  # of a tile of a product: numbers a vector, rows, vectors a row
_COLUMNS = _WIDTH * _VECTORS
_F32, _I32, _I64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_LANES = ir.VectorType(_F32, _WIDTH)


@intrinsic
def _write_tile(
    _: Any, left: Any, right: Any, out: Any, features: Any, left_step: Any, right_step: Any, step: Any
) -> Any:
    """Writes the product of 4 rows and 64 columns to a tile: addresses, the number of features, bytes from row to row.

    numba has no vector types, and its loops write every sum to memory; written in LLVM's language, the sums of a tile
    stay in registers.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right, out, features, left_step, right_step, step = arguments

        def at(address: Any, offset: Any, kind: Any) -> Any:
            return builder.inttoptr(builder.add(address, offset), kind.as_pointer())

        numbers, vectors = range(_ROWS), [_I64(4 * _WIDTH * vector) for vector in range(_VECTORS)]
        lines = [builder.mul(step, _I64(row)) for row in numbers]
        places = [[at(out, builder.add(line, vector), _LANES) for vector in vectors] for line in lines]
        zeros = ir.Constant(_LANES, [0.0] * _WIDTH)
        sums = [[cgutils.alloca_once_value(builder, zeros) for _ in vectors] for _ in numbers]  # type: ignore[no-untyped-call]
        starts = [builder.mul(left_step, _I64(row)) for row in numbers]
        none = ir.Constant(_LANES, ir.Undefined)
        first = ir.Constant(ir.VectorType(_I32, _WIDTH), [0] * _WIDTH)
        with cgutils.for_range(builder, features, intp=_I64) as loop:
            line, column = builder.mul(loop.index, right_step), builder.mul(loop.index, _I64(4))
            theirs = [builder.load(at(right, builder.add(line, vector), _LANES), align=4) for vector in vectors]
            for row in numbers:
                ours = builder.load(at(left, builder.add(starts[row], column), _F32), align=4)
                ours = builder.shuffle_vector(builder.insert_element(none, ours, _I32(0)), none, first)
                for total, vector in zip(sums[row], theirs):
                    product = builder.fmul(ours, vector, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        for row in numbers:
            for place, total in zip(places[row], sums[row]):
                builder.store(builder.load(total), place, align=4)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), build


@njit(nogil=True, cache=True, fastmath=_FAST)
def _write_rest(left, right, out, first_row, first_column):  # type: ignore[no-untyped-def]
    """As write_product, in rows from the first on and columns from the first on only."""
    for i in range(first_row, left.shape[0]):
        line = out[i, first_column:]
        line[:] = 0
        for f in range(left.shape[1]):
            value, theirs = left[i, f], right[f, first_column:]
            for j in range(len(line)):
                line[j] += value * theirs[j]


@njit(nogil=True, cache=True)
def write_product(left, right, out):  # type: ignore[no-untyped-def]
    """Computes out = left @ right in float32: (N, F), (F, C) and (N, C), rows contiguous.

    It is as fast as one thread of OpenBLAS for the few hundred columns used here. It never starts or waits for
    threads, which costs OpenBLAS tens of milliseconds per product on a busy machine.
    """
    features, ours_step, theirs_step, step = left.shape[1], left.strides[0], right.strides[0], out.strides[0]
    rows, columns = left.shape[0] - left.shape[0] % _ROWS, right.shape[1] - right.shape[1] % _COLUMNS
    ours, theirs, sums = left.ctypes.data, right.ctypes.data, out.ctypes.data
    for j in range(0, columns, _COLUMNS):  # what all rows read of `right` stays in the nearest cache
        for i in range(0, rows, _ROWS):
            place = sums + i * step + 4 * j
            _write_tile(ours + i * ours_step, theirs + 4 * j, place, features, ours_step, theirs_step, step)  # type: ignore[call-arg]
    _write_rest(left[:rows], right, out, 0, columns)
    _write_rest(left, right, out, rows, 0)


@njit(nogil=True, cache=True)
def greatest(block, length, rows, values):  # type: ignore[no-untyped-def]
    """Writes the `length` greatest values of every row of a block, descending, and their columns; ties by column.

    A sample says about where the cut is, so that few more than `length` values are sorted; where too
    many or too few are above it, all values are looked at.
    """
    few, found = 16, 0
    step, most = max(1, length * 2 // few), 8 * length
    places, top = np.empty(block.shape[1], dtype=np.int32), np.empty(few, dtype=block.dtype)
    keys = np.empty(max(most, 1), dtype=np.int64)
    for i in range(block.shape[0]):
        line, found = block[i], 0
        if line.shape[0] >= 2 * few * step:
            cut = _nth_of_sample(line, step, top)
            found = _at_least(line, cut, places)
        if length <= found <= most:
            bits = line[places[:found]].view(np.int32)
            for place in range(found):  # the key is smaller where the value is greater, or the column smaller
                bit = np.int64(bits[place])
                keys[place] = ((-bit if bit >= 0 else bit & 0x7FFFFFFF) << 32) + places[place]
            keys[:found].sort()
            for j in range(length):
                column = np.int32(keys[j] & 0x7FFFFFFF)
                rows[i, j], values[i, j] = column, line[column]
        else:
            _greatest_of_line(line, length, places, rows[i], values[i])


@njit(nogil=True, cache=True)
def _nth_of_sample(line, step, top):  # type: ignore[no-untyped-def]
    """The n-th greatest of every `step`-th value of a line, n the length of `top`, which is written."""
    top[:] = -np.inf
    for j in range(0, line.shape[0], step):
        value = line[j]
        if value > top[-1]:
            place = len(top) - 1
            while place > 0 and top[place - 1] < value:
                top[place] = top[place - 1]
                place -= 1
            top[place] = value
    return top[-1]


@njit(nogil=True, cache=True)
def _at_least(line, cut, places):  # type: ignore[no-untyped-def]
    """Writes the columns of a line whose values are at least the cut, ascending; returns how many there are."""
    found = 0
    for start in range(0, line.shape[0], 64):
        part, hits = line[start : start + 64], np.int32(0)
        for j in range(len(part)):
            hits += np.int32(part[j] >= cut)
        if hits:
            for j in range(len(part)):
                if part[j] >= cut:
                    places[found] = start + j
                    found += 1
    return found


@njit(nogil=True, cache=True)
def _greatest_of_line(line, length, places, rows, values):  # type: ignore[no-untyped-def]
    """`greatest` of one line by a histogram of all its values."""
    bins = 2048
    low, high = line.min(), line.max()
    if low == high:
        for j in range(length):
            rows[j], values[j] = j, high
        return
    counts = np.zeros(bins, dtype=np.int64)
    step = np.float32(bins - 1) / (high - low)
    for j in range(line.shape[0]):
        counts[int((line[j] - low) * step)] += 1
    cut, found = bins - 1, counts[bins - 1]
    while found < length:
        cut -= 1
        found += counts[cut]
    found = 0
    for j in range(line.shape[0]):
        if int((line[j] - low) * step) >= cut:
            places[found] = j
            found += 1
    order = np.argsort(-line[places[:found]], kind="mergesort")
    for j in range(length):
        column = places[order[j]]
        rows[j], values[j] = column, line[column]


BLOCK = 256  # codes whose distances are computed together


@intrinsic
def _count_ones(_: Any, word: Any) -> Any:
    """The number of set bits of a 64-bit word, by a single instruction."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@numba.njit(cache=True, nogil=True, forceinline=True)
def _distances(words, query, out):  # type: ignore[no-untyped-def]
    """Hamming distances of codes, (n, W), to a code, (W,): int32 (n,)."""
    if words.shape[1] == 2:  # 128 bits: without an inner loop it becomes vector instructions
        first, second = query[0], query[1]
        for row in range(len(words)):
            out[row] = _count_ones(words[row, 0] ^ first) + _count_ones(words[row, 1] ^ second)  # type: ignore
        return
    for row in range(len(words)):
        distance = np.int64(0)
        for word in range(words.shape[1]):
            distance += _count_ones(words[row, word] ^ query[word])  # type: ignore
        out[row] = distance


@numba.njit(cache=True, nogil=True)
def scan(words, query, allowed, k, rows, distances):  # type: ignore[no-untyped-def]
    """Finds the k nearest codes, ties included, and some that are farther.

    Args:
        words: (N, W) uint64, the codes.
        query: (W,) uint64.
        allowed: (N,) bool, or (0,) to allow all.
        k: at least 1.
        rows: (N,) int32, written: the rows found, ascending.
        distances: (N,) int32, written: their distances.

    Returns:
        The number of codes found.
    """
    width, block = words.shape[1], np.empty(BLOCK, dtype=np.int32)
    counts = np.zeros(64 * width + 1, dtype=np.int64)  # of the distances found that are at most `cut`
    cut, within, found = 64 * width, 0, 0
    for start in range(0, len(words), BLOCK):
        size = min(BLOCK, len(words) - start)
        _distances(words[start : start + size], query, block)
        if block[:size].min() > cut:
            continue
        for place in range(size):
            distance = block[place]
            if distance > cut or (len(allowed) and not allowed[start + place]):
                continue
            rows[found] = start + place
            distances[found] = distance
            found += 1
            counts[distance] += 1
            within += 1
            while within - counts[cut] >= k:  # k are nearer than the cut: what lies at it is not among them
                within -= counts[cut]
                cut -= 1
    return found


@numba.njit(cache=True, nogil=True)
def multiply(sums: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """Computes out[row] = sums[row] @ query: (A, D) int8 or int16, (D,) int32, (A,) int32."""
    for row in range(len(sums)):
        total = np.int32(0)
        for bit in range(len(query)):
            total += np.int32(sums[row, bit]) * query[bit]
        out[row] = total
