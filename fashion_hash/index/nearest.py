"""Finds the packed codes nearest to a code by Hamming distance, exactly and with all ties."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fashion_hash.core.codes import Packed

COMPILED_FROM = 50_000  # codes; with fewer, numpy is faster than loading the compiled scan


class Near(NamedTuple):
    """Rows in ascending order and their distances, (K',) int64 each."""

    rows: np.ndarray
    distances: np.ndarray


def nearest(codes: Packed, code: Packed, k: int, allowed: np.ndarray | None = None) -> Near:
    """The k nearest codes and all that tie with the k-th, in order of rows.

    Args:
        codes: (N, D / 8) uint8.
        code: (D / 8,) uint8.
        k: at least 1; the answer is shorter when fewer codes are allowed.
        allowed: (N,) bool; by default all.
    """
    if len(codes) >= COMPILED_FROM and codes.shape[1] % 8 == 0 and codes.flags.c_contiguous:
        near = _compiled(codes, code, k, allowed)
    else:
        distances = distances_to(codes, code)
        rows = np.arange(len(codes)) if allowed is None else np.flatnonzero(allowed)
        near = Near(rows, distances[rows].astype(np.int64))
    return within(near, k)


def within(near: Near, k: int) -> Near:
    """The k nearest of `near`, and all that tie with the k-th."""
    if len(near.rows) <= k:
        return near
    kept = near.distances <= kth_least(near.distances, k)
    return Near(near.rows[kept], near.distances[kept])


def kth_least(distances: np.ndarray, k: int) -> int:
    """The k-th least of at least k distances, small whole numbers: counted, several times faster than a partition."""
    return int(np.searchsorted(np.cumsum(np.bincount(distances)), k))


def _compiled(codes: Packed, code: Packed, k: int, allowed: np.ndarray | None) -> Near:
    from fashion_hash.index.kernels import scan

    rows, distances = np.empty(len(codes), dtype=np.int32), np.empty(len(codes), dtype=np.int32)
    mask = np.zeros(0, dtype=bool) if allowed is None else allowed
    count = scan(codes.view(np.uint64), np.ascontiguousarray(code).view(np.uint64), mask, k, rows, distances)
    return Near(rows[:count].astype(np.int64), distances[:count].astype(np.int64))


def distances_to(codes: Packed, code: Packed) -> np.ndarray:
    """Hamming distances of codes, (N, W), to a code, (W,): int32 (N,); eight bytes at a time if possible."""
    if codes.shape[1] % 8 == 0 and codes.flags.c_contiguous:
        codes, code = codes.view(np.uint64), np.ascontiguousarray(code).view(np.uint64)
    out = np.zeros(len(codes), dtype=np.int32)
    for column in range(codes.shape[1]):
        out += np.bitwise_count(codes[:, column] ^ code[column])
    return out
