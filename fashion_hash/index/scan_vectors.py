"""The innermost step of the fast scan: the scores of a block of 64 outfits, in vector instructions.

numba has no vectors, so the step is written in LLVM's language through llvmlite. With AVX-512 VBMI a
table of 64 bytes is looked up by 64 outfits in one instruction; elsewhere `plain_totals` gives the
same numbers from an ordinary loop. See scan_codes.py for the layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fashion_hash.index.scan_codes import CODE_BITS, ENTRIES, LANES

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_WORDS = ir.VectorType(_I16, LANES // 2)
_HALF = LANES // 2


def has_byte_shuffle() -> bool:
    """Whether numba compiles for a processor with vpermb (and was not told to compile for another)."""
    config: Any = numba.config
    if config.CPU_NAME or config.CPU_FEATURES or not config.ENABLE_AVX:
        return False
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512vbmi") and features.get("avx512bw"))


def _vector(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


def _load(builder: ir.IRBuilder, address: Any, offset: Any, kind: ir.VectorType) -> Any:
    place = builder.inttoptr(builder.add(address, offset), kind.as_pointer())
    return builder.load(place, align=1)


def _shifted(builder: ir.IRBuilder, value: Any, by: int, mask: int) -> Any:
    words = builder.lshr(builder.bitcast(value, _WORDS), _vector(_WORDS, by))
    return builder.and_(builder.bitcast(words, _BYTES), _vector(_BYTES, mask))


def _shuffled_totals(users: int) -> Callable[..., Any]:
    """An intrinsic (codes, groups, tables, stride, constants, totals), all addresses and numbers.

    Adds up the entries of one block for `users` users, whose tables lie `stride` bytes apart, and
    writes (users, 64) uint16. Four entries fit in a byte, so bytes are added before 16-bit words:
    `low` gathers both bytes of a word, the upper one shifted up, `high` the upper one alone.
    """

    @intrinsic
    def totals(_: Any, codes: Any, groups: Any, tables: Any, stride: Any, constants: Any, out: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            codes, groups, tables, stride, constants, out = arguments
            shuffle = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_BYTES, [_BYTES, _BYTES]), "llvm.x86.avx512.permvar.qi.512"
            )
            low = [cgutils.alloca_once_value(builder, _vector(_WORDS, 0)) for _ in range(users)]
            high = [cgutils.alloca_once_value(builder, _vector(_WORDS, 0)) for _ in range(users)]
            with cgutils.for_range(builder, groups, intp=_I64) as loop:
                first = builder.mul(loop.index, _I64(3 * LANES))
                x, y, z = (_load(builder, codes, builder.add(first, _I64(byte * LANES)), _BYTES) for byte in range(3))
                last = builder.or_(_shifted(builder, x, 6, 3), _shifted(builder, y, 4, 12))
                last = builder.or_(last, _shifted(builder, z, 2, 48))
                for user in range(users):
                    table = builder.add(builder.mul(stride, _I64(user)), builder.mul(loop.index, _I64(4 * ENTRIES)))
                    # the shuffle ignores the high two bits of an index
                    a, b, c, d = (
                        builder.call(
                            shuffle,
                            [_load(builder, tables, builder.add(table, _I64(i * ENTRIES)), _BYTES), code],
                        )
                        for i, code in enumerate((x, y, z, last))
                    )
                    both = builder.bitcast(builder.add(builder.add(a, b), builder.add(c, d)), _WORDS)
                    upper = builder.lshr(both, _vector(_WORDS, 8))
                    builder.store(builder.add(builder.load(low[user]), both), low[user])
                    builder.store(builder.add(builder.load(high[user]), upper), high[user])
            for user in range(users):
                odd = builder.load(high[user])
                even = builder.sub(builder.load(low[user]), builder.shl(odd, _vector(_WORDS, 8)))
                for half, value in ((0, even), (1, odd)):
                    known = _load(builder, constants, _I64(half * LANES), _WORDS)
                    place = builder.add(out, _I64(user * 2 * LANES + half * LANES))
                    place = builder.inttoptr(place, _WORDS.as_pointer())
                    builder.store(builder.add(value, known), place, align=1)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), generate

    return totals


@intrinsic
def at_least(_: Any, totals: Any, bound: Any) -> Any:
    """Bit i is set where the i-th of 64 totals, uint16 at an address, is at least the bound."""

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


_totals_of_4 = _shuffled_totals(4)
_totals_of_1 = _shuffled_totals(1)


@numba.njit(nogil=True, cache=True)
def shuffled_totals(codes, block, tables, first, last, constants, totals):  # type: ignore[no-untyped-def]
    """The totals of a block for users first to last; needs AVX-512 VBMI.

    Args:
        codes: (blocks, 3 * G, 64) uint8.
        tables: (U, 4 * G * 64) uint8.
        constants: (blocks, 64) uint16.
        totals: (at least last - first, 64) uint16, written.
    """
    groups, stride = codes.shape[1] // 3, tables.shape[1]
    at = codes.ctypes.data + block * codes.shape[1] * LANES
    known = constants.ctypes.data + block * 2 * LANES
    user = first
    while last - user >= 4:
        out = totals.ctypes.data + (user - first) * 2 * LANES
        _totals_of_4(at, groups, tables.ctypes.data + user * stride, stride, known, out)
        user += 4
    while user < last:
        out = totals.ctypes.data + (user - first) * 2 * LANES
        _totals_of_1(at, groups, tables.ctypes.data + user * stride, stride, known, out)
        user += 1


@numba.njit(nogil=True, cache=True)
def plain_totals(codes, block, tables, first, last, constants, totals):  # type: ignore[no-untyped-def]
    """As shuffled_totals, on any processor."""
    for user in range(first, last):
        out, table = totals[user - first], tables[user]
        for lane in range(LANES):
            # lanes 0, 2, 4 ... are outfits 0 to 31, lanes 1, 3, 5 ... are 32 to 63
            out[(lane >> 1) + (lane & 1) * _HALF] = 0
        for group in range(codes.shape[1] // 3):
            start = group * 4 * ENTRIES
            for lane in range(LANES):
                x = codes[block, 3 * group, lane]
                y = codes[block, 3 * group + 1, lane]
                z = codes[block, 3 * group + 2, lane]
                last_code = x >> CODE_BITS | y >> CODE_BITS << 2 | z >> CODE_BITS << 4
                out[(lane >> 1) + (lane & 1) * _HALF] += (
                    table[start + (x & (ENTRIES - 1))]
                    + table[start + ENTRIES + (y & (ENTRIES - 1))]
                    + table[start + 2 * ENTRIES + (z & (ENTRIES - 1))]
                    + table[start + 3 * ENTRIES + last_code]
                )
        for place in range(LANES):
            out[place] += constants[block, place]


block_totals = shuffled_totals if has_byte_shuffle() else plain_totals
