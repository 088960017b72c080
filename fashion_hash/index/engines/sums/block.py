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
from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fashion_hash.index.engines.sums.codes import LANES, NIBBLES, SIXES

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_HALF = LANES // 2
_WORDS = ir.VectorType(_I16, _HALF)


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


def _totals(
    users: int, width: int, entries: int, shuffle_name: str, codes_of: Callable[..., Any], table: Callable[..., Any]
) -> Callable[..., Any]:
    """Makes an intrinsic (codes, groups, tables, stride, constants, totals) of addresses and numbers.

    It adds up the entries of a block for `users` users, whose tables are `stride` bytes apart, for `width`
    outfits at once, and writes (users, 64) uint16. The entries of a group fit in a byte, so bytes are
    added before 16-bit words: `low` sums whole words, that is both bytes with the upper one shifted up,
    and `high` sums the upper bytes alone.
    """
    wide, words = ir.VectorType(_I8, width), ir.VectorType(_I16, width // 2)

    def part(builder: ir.IRBuilder, arguments: Any, at: int) -> None:
        codes, groups, tables, stride, constants, out = arguments
        kind = ir.FunctionType(wide, [wide, wide])
        shuffle = cgutils.get_or_insert_function(builder.module, kind, shuffle_name)  # type: ignore[no-untyped-call]
        low = [cgutils.alloca_once_value(builder, _vector(words, 0)) for _ in range(users)]  # type: ignore[no-untyped-call]
        high = [cgutils.alloca_once_value(builder, _vector(words, 0)) for _ in range(users)]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, groups, intp=_I64) as loop:
            first = builder.mul(loop.index, _I64(3 * LANES))
            three = (_load(builder, codes, builder.add(first, _I64(byte * LANES + at)), wide) for byte in range(3))
            indices = codes_of(builder, *three)
            group = builder.mul(loop.index, _I64(len(indices) * entries))
            for user in range(users):
                start = builder.add(builder.mul(stride, _I64(user)), group)
                total = _vector(wide, 0)
                for number, index in enumerate(indices):
                    values = table(builder, tables, builder.add(start, _I64(number * entries)))
                    total = builder.add(total, builder.call(shuffle, [values, index]))
                both = builder.bitcast(total, words)
                upper = builder.lshr(both, _vector(words, 8))
                builder.store(builder.add(builder.load(low[user]), both), low[user])
                builder.store(builder.add(builder.load(high[user]), upper), high[user])
        for user in range(users):
            odd = builder.load(high[user])
            even = builder.sub(builder.load(low[user]), builder.shl(odd, _vector(words, 8)))
            for offset, value in ((at, even), (LANES + at, odd)):
                known = _load(builder, constants, _I64(offset), words)
                _store(builder, builder.add(value, known), out, user * 2 * LANES + offset)

    @intrinsic
    def totals(_: Any, codes: Any, groups: Any, tables: Any, stride: Any, constants: Any, out: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            for at in range(0, LANES, width):
                part(builder, arguments, at)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return totals


@intrinsic
def at_least(_: Any, totals: Any, bound: Any) -> Any:
    """A word with bit i set where the i-th of 64 totals, uint16 at an address, is at least the bound."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> Any:
        totals, bound = arguments
        undefined = ir.Constant(_WORDS, ir.Undefined)
        one = builder.insert_element(undefined, bound, _I32(0))
        bounds = builder.shuffle_vector(one, undefined, _vector(ir.VectorType(_I32, _HALF), 0))
        halves = [
            builder.zext(
                builder.bitcast(
                    builder.icmp_unsigned(">=", _load(builder, totals, _I64(at), _WORDS), bounds),
                    ir.IntType(_HALF),
                ),
                _I64,
            )
            for at in (0, LANES)
        ]
        return builder.or_(halves[0], builder.shl(halves[1], _I64(_HALF)))

    return types.uint64(types.intp, types.uint16), generate


@intrinsic
def lowest_bit(_: Any, word: Any) -> Any:
    """The number of the lowest set bit of a word that is not 0."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


_VPERMB = (64, 64, "llvm.x86.avx512.permvar.qi.512", _sixes, _wide_table)
_PSHUFB = (32, 16, "llvm.x86.avx2.pshuf.b", _nibbles, _twice_table)
_six_totals_of_4, _six_totals_of_1 = _totals(4, *_VPERMB), _totals(1, *_VPERMB)
_nibble_totals_of_4, _nibble_totals_of_1 = _totals(4, *_PSHUFB), _totals(1, *_PSHUFB)


@numba.njit(nogil=True, cache=True, forceinline=True)
def six_totals(codes, block, tables, first, last, constants, totals):  # type: ignore[no-untyped-def]
    """Computes the totals of a block with tables of SIXES; needs AVX-512 VBMI.

    Args:
        codes: (blocks, 3 * G, 64) uint8.
        block: the number of the block.
        tables: (U, G * C * E) uint8.
        first: the first user.
        last: the user after the last one.
        constants: (blocks, 64) uint16.
        totals: (at least last - first, 64) uint16, written.
    """
    groups, stride = codes.shape[1] // 3, tables.shape[1]
    at = codes.ctypes.data + block * codes.shape[1] * LANES
    known = constants.ctypes.data + block * 2 * LANES
    user = first
    while user < last:
        table, out = tables.ctypes.data + user * stride, totals.ctypes.data + (user - first) * 2 * LANES
        if last - user >= 4:
            _six_totals_of_4(at, groups, table, stride, known, out)
            user += 4
        else:
            _six_totals_of_1(at, groups, table, stride, known, out)
            user += 1


@numba.njit(nogil=True, cache=True, forceinline=True)
def nibble_totals(codes, block, tables, first, last, constants, totals):  # type: ignore[no-untyped-def]
    """Like six_totals, with tables of NIBBLES; needs AVX2."""
    groups, stride = codes.shape[1] // 3, tables.shape[1]
    at = codes.ctypes.data + block * codes.shape[1] * LANES
    known = constants.ctypes.data + block * 2 * LANES
    user = first
    while user < last:
        table, out = tables.ctypes.data + user * stride, totals.ctypes.data + (user - first) * 2 * LANES
        if last - user >= 4:
            _nibble_totals_of_4(at, groups, table, stride, known, out)
            user += 4
        else:
            _nibble_totals_of_1(at, groups, table, stride, known, out)
            user += 1


@numba.njit(nogil=True, cache=True, forceinline=True)
def plain_totals(codes, block, tables, first, last, constants, totals):  # type: ignore[no-untyped-def]
    """Like six_totals, with tables of SIXES, on any processor."""
    for user in range(first, last):
        out, table = totals[user - first], tables[user]
        for place in range(LANES):
            out[place] = constants[block, place]
        for group in range(codes.shape[1] // 3):
            start = group * 256
            for lane in range(LANES):
                x = codes[block, 3 * group, lane]
                y = codes[block, 3 * group + 1, lane]
                z = codes[block, 3 * group + 2, lane]
                last_code = x >> 6 | y >> 6 << 2 | z >> 6 << 4
                # lanes 0, 2, 4 ... are outfits 0 to 31, lanes 1, 3, 5 ... are 32 to 63
                out[(lane >> 1) + (lane & 1) * _HALF] += (
                    table[start + (x & 63)]
                    + table[start + 64 + (y & 63)]
                    + table[start + 128 + (z & 63)]
                    + table[start + 192 + last_code]
                )


if {"avx512vbmi", "avx512bw"} <= features():
    block_totals, CODES = six_totals, SIXES
elif "avx2" in features():
    block_totals, CODES = nibble_totals, NIBBLES
else:
    block_totals, CODES = plain_totals, SIXES
