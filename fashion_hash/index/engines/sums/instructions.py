"""Instructions of the scan for single outfits and words, in LLVM's language: see block.py.

After changing this file, touch kernels.py.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fashion_hash.index.engines.sums.codes import LANES

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))


@intrinsic
def lowest_bit(_: Any, word: Any) -> Any:
    """The number of the lowest set bit of a word that is not 0."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


@intrinsic
def prefetch(_: Any, address: Any, count: Any) -> Any:
    """Asks for `count` rows of 64 bytes at an address, to be in the second-level cache when they are needed."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> Any:
        address, count = arguments
        pointer, flag = _I8.as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            place = builder.add(address, builder.mul(loop.index, _I64(LANES)))
            builder.call(ask, [builder.inttoptr(place, pointer), flag(0), flag(2), flag(1)])
        return _I64(0)

    return types.int64(types.intp, types.intp), generate


@intrinsic
def weighed(_: Any, codes: Any, count: Any, weights: Any) -> Any:
    """The sum of the weights, int64 (count, 8) at an address, of the bits of `count` bytes, 64 apart at an address."""

    def generate(_: Any, builder: ir.IRBuilder, __: Any, arguments: Any) -> Any:
        codes, count, weights = arguments
        eight = ir.VectorType(_I64, 8)
        none = ir.Constant(eight, [0] * 8)
        sums = cgutils.alloca_once_value(builder, none)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, count, intp=_I64) as loop:
            place = builder.inttoptr(builder.add(codes, builder.mul(loop.index, _I64(LANES))), _I8.as_pointer())
            bits = builder.bitcast(builder.load(place), ir.VectorType(ir.IntType(1), 8))
            row = builder.add(weights, builder.mul(loop.index, _I64(64)))
            known = builder.load(builder.inttoptr(row, eight.as_pointer()), align=1)
            chosen = builder.select(bits, known, none)
            builder.store(builder.add(builder.load(sums), chosen), sums)
        total = builder.load(sums)
        return reduce(builder.add, (builder.extract_element(total, _I32(bit)) for bit in range(8)))

    return types.int64(types.intp, types.intp, types.intp), generate
