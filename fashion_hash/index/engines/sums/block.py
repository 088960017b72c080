"""The innermost step of the fast scan: the scores of a block of 64 outfits, in vector instructions.

numba has no vector types, so the step is written in LLVM's language through llvmlite. AVX-512 VBMI looks
up a table of 64 bytes for 64 outfits in one instruction, AVX2 a table of 16 bytes for 32 outfits. On
other processors `plain_totals` computes the former's numbers in an ordinary loop. See codes.py for the
layout.

numba caches compiled kernels beside kernels.py and checks only whether that file has changed: after
changing this file, touch that one. Kernels take flat arrays, the cheapest to pass, so they have many
arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fashion_hash.index.engines.sums.codes import HALVES, LANES, NIBBLES, SIXES

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_HALF = LANES // 2


class Blocks(NamedTuple):
    """The outfits, 64 a block.

    Attributes:
        codes: (blocks, 3 * G, 64) uint8, see codes.py.
        constants: (blocks, 64) uint16, see files.py.
    """

    codes: np.ndarray
    constants: np.ndarray


class Found(NamedTuple):
    """What is found in one block, by users one after the other.

    Attributes:
        totals: (users, 64) uint16, written for users with hits.
        hits: (users,) uint64; bit i tells whether total i is at least the user's bound.
    """

    totals: np.ndarray
    hits: np.ndarray


def features() -> set[str]:
    """The processor features that numba compiles for: by default those of this machine."""
    config: Any = numba.config
    if config.CPU_FEATURES:
        return {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if config.CPU_NAME or not config.ENABLE_AVX:
        return set()
    return {name for name, there in binding.get_host_cpu_features().items() if there}


def _vector(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def _load(builder: ir.IRBuilder, address: Any, offset: Any, kind: ir.VectorType) -> Any:
    place = builder.inttoptr(builder.add(address, offset), kind.as_pointer())
    return builder.load(place, align=1)


def _store(builder: ir.IRBuilder, value: Any, address: Any, offset: int) -> None:
    place = builder.inttoptr(builder.add(address, _I64(offset)), value.type.as_pointer())
    builder.store(value, place, align=1)


def _shifted(builder: ir.IRBuilder, value: Any, by: int, mask: int) -> Any:
    words = ir.VectorType(_I16, value.type.count // 2)
    moved = builder.bitcast(builder.lshr(builder.bitcast(value, words), _vector(words, by)), value.type)
    return builder.and_(moved, _vector(value.type, mask))


def _sixes(builder: ir.IRBuilder, x: Any, y: Any, z: Any) -> list[Any]:
    """The codes of three bytes as indices of 64 entries; the shuffle ignores the two high bits of an index."""
    last = builder.or_(_shifted(builder, x, 6, 3), _shifted(builder, y, 4, 12))
    return [x, y, z, builder.or_(last, _shifted(builder, z, 2, 48))]


def _nibbles(builder: ir.IRBuilder, x: Any, y: Any, z: Any) -> list[Any]:
    """The codes of three bytes as indices of 16 entries."""
    low = _vector(x.type, 15)
    return [code for byte in (x, y, z) for code in (builder.and_(byte, low), _shifted(builder, byte, 4, 15))]


def _wide_table(builder: ir.IRBuilder, address: Any, offset: Any) -> Any:
    return _load(builder, address, offset, ir.VectorType(_I8, 64))


def _twice_table(builder: ir.IRBuilder, address: Any, offset: Any) -> Any:
    """16 entries, repeated: the shuffle works on halves of 16 bytes."""
    table = _load(builder, address, offset, ir.VectorType(_I8, 16))
    lanes = ir.Constant(ir.VectorType(_I32, 32), [*range(16), *range(16)])
    return builder.shuffle_vector(table, table, lanes)


def _average(builder: ir.IRBuilder, one: Any, other: Any) -> Any:
    """The means of bytes, rounded up; LLVM knows the instruction by this pattern."""
    words = ir.VectorType(_I16, one.type.count)
    total = builder.add(builder.zext(one, words), builder.zext(other, words))
    return builder.trunc(builder.lshr(builder.add(total, _vector(words, 1)), _vector(words, 1)), one.type)


def _half(builder: ir.IRBuilder, value: Any) -> Any:
    """Halves of bytes, rounded up."""
    return builder.sub(value, _shifted(builder, value, 1, 127))


def _everywhere(builder: ir.IRBuilder, value: Any, count: int) -> Any:
    """A vector of one value."""
    undefined = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    one = builder.insert_element(undefined, value, _I32(0))
    return builder.shuffle_vector(one, undefined, _vector(ir.VectorType(_I32, count), 0))


class _Step(NamedTuple):
    """How a kind of processor looks up: `width` outfits at once, tables of `entries`, the halves of a group's codes."""

    width: int
    entries: int
    shuffle: str
    high_product: str
    codes_of: Callable[..., Any]
    table: Callable[..., Any]
    halves: tuple[tuple[int, ...], ...]


class _Arguments(NamedTuple):
    """What an intrinsic is given, addresses and numbers: see six_totals. Tables of users are `stride` bytes apart."""

    codes: Any
    groups: Any
    tables: Any
    stride: Any
    constants: Any
    multiplier: Any
    bounds: Any
    totals: Any
    hits: Any


class _Sums(NamedTuple):
    """16-bit sums of bytes: `low` of whole words (both bytes, the upper one shifted up), `high` of the upper bytes."""

    low: Any
    high: Any


def _called(builder: ir.IRBuilder, name: str, *values: Any) -> Any:
    """What an instruction of the processor makes of two vectors."""
    kind = ir.FunctionType(values[0].type, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)  # type: ignore[no-untyped-call]


def _group_mean(builder: ir.IRBuilder, step: _Step, tables: Any, places: list[Any]) -> Any:
    """The mean of the two half sums of a group, whose tables start at an address, for the codes at `places`."""
    sums = []
    for half in step.halves:
        of_codes = ((step.table(builder, tables, _I64(code * step.entries)), places[code]) for code in half)
        sums.append(reduce(builder.add, [_called(builder, step.shuffle, *pair) for pair in of_codes]))
    return _average(builder, *sums)


def _add_groups(
    builder: ir.IRBuilder, step: _Step, given: _Arguments, at: int, groups: list[Any], sums: list[_Sums]
) -> None:
    """Adds two groups to the sums of users, or the last group alone, which counts half, as a pair with zeros would."""
    wide, words = ir.VectorType(_I8, step.width), ir.VectorType(_I16, step.width // 2)
    size, places = sum(map(len, step.halves)) * step.entries, []
    for group in groups:
        first = builder.mul(group, _I64(3 * LANES))
        offsets = (builder.add(first, _I64(byte * LANES + at)) for byte in range(3))
        places.append(step.codes_of(builder, *(_load(builder, given.codes, offset, wide) for offset in offsets)))
    for user, (low, high) in enumerate(sums):
        of_user = builder.add(given.tables, builder.mul(given.stride, _I64(user)))
        starts = (builder.add(of_user, builder.mul(group, _I64(size))) for group in groups)
        means = [_group_mean(builder, step, start, some) for start, some in zip(starts, places)]
        mean = _average(builder, *means) if len(means) == 2 else _half(builder, means[0])
        both = builder.bitcast(mean, words)
        builder.store(builder.add(builder.load(low), both), low)
        builder.store(builder.add(builder.load(high), builder.lshr(both, _vector(words, 8))), high)


def _part(
    builder: ir.IRBuilder, step: _Step, users: int, given: _Arguments, at: int
) -> list[tuple[list[tuple[int, Any]], Any]]:
    """For each user the totals of `width` outfits, each with its place in the output, and the hits."""
    words = ir.VectorType(_I16, step.width // 2)
    zeros = ((cgutils.alloca_once_value(builder, _vector(words, 0)) for _ in range(2)) for _ in range(users))  # type: ignore[no-untyped-call]
    sums = [_Sums(*pair) for pair in zeros]
    with cgutils.for_range(builder, builder.lshr(given.groups, _I64(1)), intp=_I64) as loop:
        first = builder.shl(loop.index, _I64(1))
        _add_groups(builder, step, given, at, [first, builder.add(first, _I64(1))], sums)
    with builder.if_then(builder.trunc(given.groups, ir.IntType(1))):
        _add_groups(builder, step, given, at, [builder.sub(given.groups, _I64(1))], sums)
    scale = _everywhere(builder, builder.trunc(given.multiplier, _I16), words.count)
    found = []
    for user, (low, high) in enumerate(sums):
        odd = builder.load(high)
        even = builder.sub(builder.load(low), builder.shl(odd, _vector(words, 8)))
        place = builder.inttoptr(builder.add(given.bounds, _I64(2 * user)), _I16.as_pointer())
        bound = _everywhere(builder, builder.load(place, align=2), words.count)
        totals, hits = [], _I64(0)
        for offset, value in ((at, even), (LANES + at, odd)):
            units = _called(builder, step.high_product, builder.shl(value, _vector(words, 2)), scale)
            known = _load(builder, given.constants, _I64(offset), words)
            total = _called(builder, f"llvm.uadd.sat.v{words.count}i16", units, known)
            mask = builder.bitcast(builder.icmp_unsigned(">=", total, bound), ir.IntType(words.count))
            hits = builder.or_(hits, builder.shl(builder.zext(mask, _I64), _I64(offset // 2)))
            totals.append((offset, total))
        found.append((totals, hits))
    return found


def _totals(users: int, step: _Step) -> Callable[..., Any]:
    """Makes an intrinsic for `users` users that takes a tuple of the fields of _Arguments: see six_totals."""

    @intrinsic
    def totals(_: Any, arguments: Any) -> Any:
        def generate(_: Any, builder: ir.IRBuilder, __: Any, values: Any) -> Any:
            given = _Arguments(*cgutils.unpack_tuple(builder, values[0]))  # type: ignore[no-untyped-call]
            parts = [_part(builder, step, users, given, at) for at in range(0, LANES, step.width)]
            hits = [reduce(builder.or_, (some[user][1] for some in parts)) for user in range(users)]
            every = reduce(builder.or_, hits)
            for user in range(users):
                place = builder.inttoptr(builder.add(given.hits, _I64(8 * user)), _I64.as_pointer())
                builder.store(hits[user], place, align=8)
            with builder.if_then(builder.icmp_unsigned("!=", every, _I64(0)), likely=False):  # hits are rare
                for user in range(users):
                    for offset, total in (pair for some in parts for pair in some[user][0]):
                        _store(builder, total, given.totals, user * 2 * LANES + offset)
            return every

        return types.uint64(arguments), generate

    return totals


_VPERMB = _Step(
    64, 64, "llvm.x86.avx512.permvar.qi.512", "llvm.x86.avx512.pmulhu.w.512", _sixes, _wide_table, HALVES[4]
)
_PSHUFB = _Step(32, 16, "llvm.x86.avx2.pshuf.b", "llvm.x86.avx2.pmulhu.w", _nibbles, _twice_table, HALVES[6])
_six_totals_of_4, _six_totals_of_1 = _totals(4, _VPERMB), _totals(1, _VPERMB)
_nibble_totals_of_4, _nibble_totals_of_1 = _totals(4, _PSHUFB), _totals(1, _PSHUFB)


@numba.njit(nogil=True, cache=True, forceinline=True)
def six_totals(blocks, block, tables, multiplier, first, last, bounds, found):  # type: ignore[no-untyped-def]
    """Computes the totals of a block with tables of SIXES; needs AVX-512 VBMI.

    Args:
        blocks: Blocks.
        block: the number of the block.
        tables: (U, G * C * E) uint8.
        multiplier: of the sums, see codes.py.
        first: the first user.
        last: the user after the last one.
        bounds: (U,) uint16.
        found: Found, written.

    Returns:
        The hits of any of the users.
    """
    groups, stride = blocks.codes.shape[1] // 3, tables.shape[1]
    codes = blocks.codes.ctypes.data + block * 3 * groups * LANES
    constants = blocks.constants.ctypes.data + block * 2 * LANES
    user, every = first, np.uint64(0)
    while user < last:
        table, bound = tables.ctypes.data + user * stride, bounds.ctypes.data + 2 * user
        totals = found.totals.ctypes.data + (user - first) * 2 * LANES
        hits = found.hits.ctypes.data + (user - first) * 8
        given = (codes, groups, table, stride, constants, multiplier, bound, totals, hits)
        if last - user >= 4:
            every |= _six_totals_of_4(given)
            user += 4
        else:
            every |= _six_totals_of_1(given)
            user += 1
    return every


@numba.njit(nogil=True, cache=True, forceinline=True)
def nibble_totals(blocks, block, tables, multiplier, first, last, bounds, found):  # type: ignore[no-untyped-def]
    """Like six_totals, with tables of NIBBLES; needs AVX2."""
    groups, stride = blocks.codes.shape[1] // 3, tables.shape[1]
    codes = blocks.codes.ctypes.data + block * 3 * groups * LANES
    constants = blocks.constants.ctypes.data + block * 2 * LANES
    user, every = first, np.uint64(0)
    while user < last:
        table, bound = tables.ctypes.data + user * stride, bounds.ctypes.data + 2 * user
        totals = found.totals.ctypes.data + (user - first) * 2 * LANES
        hits = found.hits.ctypes.data + (user - first) * 8
        given = (codes, groups, table, stride, constants, multiplier, bound, totals, hits)
        if last - user >= 4:
            every |= _nibble_totals_of_4(given)
            user += 4
        else:
            every |= _nibble_totals_of_1(given)
            user += 1
    return every


@numba.njit(nogil=True, cache=True, forceinline=True)
def plain_totals(blocks, block, tables, multiplier, first, last, bounds, found):  # type: ignore[no-untyped-def]
    """Like six_totals, with tables of SIXES, on any processor."""
    codes, constants = blocks.codes, blocks.constants
    groups, every = codes.shape[1] // 3, np.uint64(0)
    sums, means = np.empty(LANES, dtype=np.int64), np.empty(LANES, dtype=np.int64)
    for user in range(first, last):
        table = tables[user]
        sums[:] = 0
        for group in range(groups):
            start = group * 256
            for lane in range(LANES):
                x = codes[block, 3 * group, lane]
                y = codes[block, 3 * group + 1, lane]
                z = codes[block, 3 * group + 2, lane]
                last_code = x >> 6 | y >> 6 << 2 | z >> 6 << 4
                outer = np.int64(table[start + (x & 63)]) + table[start + 192 + last_code]
                inner = np.int64(table[start + 64 + (y & 63)]) + table[start + 128 + (z & 63)]
                mean = (outer + inner + 1) >> 1
                if group & 1 == 1:
                    sums[lane] += (means[lane] + mean + 1) >> 1
                elif group == groups - 1:
                    sums[lane] += (mean + 1) >> 1
                means[lane] = mean
        hits = np.uint64(0)
        for lane in range(LANES):
            # lanes 0, 2, 4 ... are outfits 0 to 31, lanes 1, 3, 5 ... are 32 to 63
            place = (lane >> 1) + (lane & 1) * _HALF
            total = min((4 * sums[lane] * multiplier >> 16) + constants[block, place], 65535)
            found.totals[user - first, place] = total
            if total >= bounds[user]:
                hits |= np.uint64(1) << np.uint64(place)
        found.hits[user - first] = hits
        every |= hits
    return every


if {"avx512vbmi", "avx512bw"} <= features():
    block_totals, CODES = six_totals, SIXES
elif "avx2" in features():
    block_totals, CODES = nibble_totals, NIBBLES
else:
    block_totals, CODES = plain_totals, SIXES
