"""Binary codes as packed bytes: pack, unpack, Hamming distance, and weighted sums over bits.

A code has D bits, D a multiple of 8, valued -1 or +1. Packed, it is D / 8 bytes (uint8): bit d of
the code is bit d % 8 of byte d // 8, counted from the least significant (little bit order), and is
set where the code is +1.

Learned bit weights enter every score as fixed-point integers, `round(w * 2**16)`: sums of integers
do not depend on the order in which they are taken, so every engine returns the same score to the
last bit, and ties are true ties.

Items are always signs. A user may be more than signs, since one user is read where millions of items are: the
numbers of a user lie between -1 and +1 and are kept in one of these forms (UserForm), here with their bits a user:

    bits     D       signs: every number is -1 or +1
    bytes    8 D     numbers in steps of 1/127
    floats   32 D    float32 numbers

Example:
    >>> a, b = pack(np.ones((2, 16)) * [[1], [-1]])
    >>> a.nbytes, int(hamming(a, b)), int(inner(a, a))
    (2, 16, 16)
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

WEIGHT_STEP_BITS = 16
WEIGHT_ONE = 1 << WEIGHT_STEP_BITS

BYTE_ONE = 127  # what stands for 1 in a user's bytes

UserForm = Literal["bits", "bytes", "floats"]
Packed = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]


def check_num_bits(num_bits: int) -> int:
    """Returns `num_bits`. Raises ValueError unless it is a positive multiple of 8."""
    if num_bits < 8 or num_bits % 8:
        raise ValueError(f"num_bits must be a positive multiple of 8, got {num_bits}")
    return num_bits


def binarise(relaxed: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """The binary code of relaxed values: +1 where >= 0, else -1; (..., D) int8."""
    return np.where(np.asarray(relaxed) >= 0, np.int8(1), np.int8(-1))


def pack(codes: npt.NDArray[Any]) -> Packed:
    """Packs codes of -1 / +1, (..., D), to uint8 (..., D / 8)."""
    codes = np.asarray(codes)
    check_num_bits(codes.shape[-1])
    return np.packbits(codes > 0, axis=-1, bitorder="little")


def unpack(packed: Packed) -> npt.NDArray[np.int8]:
    """The inverse of pack: uint8 (..., D / 8) to int8 (..., D) of -1 / +1."""
    bits = np.unpackbits(np.asarray(packed), axis=-1, bitorder="little")
    return np.asarray((bits.astype(np.int8) << 1) - 1)


def hamming(a: Packed, b: Packed) -> Integers:
    """Number of differing bits over the last axis (broadcast over the others), int64."""
    # numpy counts bits in unsigned bytes: sum in int64 before anyone subtracts
    return np.asarray(np.bitwise_count(np.bitwise_xor(a, b)).sum(axis=-1, dtype=np.int64))


def inner(a: Packed, b: Packed) -> Integers:
    """Inner product of codes over the last axis: D - 2 * Hamming distance, int64."""
    return 8 * np.int64(a.shape[-1]) - 2 * hamming(a, b)


def fixed_point(weights: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Real weights to fixed-point integers, round(w * 2**16). Raises ValueError when one does not fit."""
    scaled = np.rint(np.asarray(weights, dtype=np.float64) * WEIGHT_ONE)
    if not np.isfinite(scaled).all() or np.abs(scaled).max(initial=0) >= 2**31:
        raise ValueError("every weight must be finite and within +-32768")
    return scaled.astype(np.int32)


def byte_tables(query: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """For an integer query of length D, the value of each byte of a code: (D / 8, 256) int64.

    The inner product of the query with a packed code is then a sum of D / 8 look-ups.
    """
    query = np.asarray(query, dtype=np.int64).reshape(-1, 8)
    patterns = unpack(np.arange(256, dtype=np.uint8)[:, None]).astype(np.int64)
    return query @ patterns.T


def weighted_inner(query: npt.NDArray[Any], packed: Packed) -> Integers:
    """Inner product of an integer query, (D,), with packed codes, (..., D / 8): int64 (...)."""
    tables = byte_tables(query)
    total = np.zeros(packed.shape[:-1], dtype=np.int64)
    for byte in range(len(tables)):
        total += tables[byte][packed[..., byte]]
    return total


def bits_a_user(form: UserForm, num_bits: int) -> int:
    """How many bits the code of a user takes."""
    return {"bits": num_bits, "bytes": 8 * num_bits, "floats": 32 * num_bits}[form]


def user_keys(form: UserForm, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The codes of users as a bundle keeps them.

    Args:
        form: what is kept of the numbers.
        numbers: (..., D) from -1 to +1; what is beyond is cut.

    Returns:
        (..., D / 8) uint8 packed signs (bits), (..., D) int8 (bytes) or (..., D) float32 (floats).
    """
    check_num_bits(numbers.shape[-1])
    numbers = np.clip(np.asarray(numbers, dtype=np.float32), -1, 1)
    if form == "floats":
        return numbers
    if form == "bytes":
        return np.asarray(np.rint(numbers * BYTE_ONE), dtype=np.int8)
    return pack(binarise(numbers))


def user_numbers(form: UserForm, keys: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The inverse of `user_keys`: the numbers of users, (..., D) float32; the same on every machine."""
    if form == "floats":
        return np.asarray(keys, dtype=np.float32)
    if form == "bytes":
        return np.asarray(keys, dtype=np.float32) / np.float32(BYTE_ONE)
    return unpack(keys).astype(np.float32)
