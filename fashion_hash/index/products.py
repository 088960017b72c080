"""Compatibility between many items at once: products of weighted codes in float32."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from fashion_hash.core.codes import WEIGHT_ONE, Packed, unpack

THREADS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
WORTH_A_THREAD = 1 << 28  # multiplications, about five milliseconds


def relaxed(packed: Packed) -> np.ndarray:
    """Packed codes (N, M, D / 8) as (N, M * D) float32 of -1 / +1."""
    return unpack(packed).reshape(len(packed), packed.shape[1] * packed.shape[2] * 8).astype(np.float32)


def pair_weights(weights: np.ndarray, num_modalities: int, scale: float = 1.0) -> np.ndarray:
    """Fixed-point bit weights (D,) as real numbers, times a scale, repeated per modality: (M * D,) float32."""
    return np.tile((weights * (scale / WEIGHT_ONE)).astype(np.float32), num_modalities)


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The product left @ right of float32 (N, F) and (F, C), F a multiple of 8; large ones use two threads."""
    from fashion_hash.index.kernels import write_product

    out = np.empty((len(left), right.shape[1]), dtype=np.float32)
    threads = THREADS if out.size * len(right) > WORTH_A_THREAD else 1

    def part(start: int, stop: int) -> None:
        write_product(left[start:stop], right, out[start:stop])

    in_parts(part, len(left), threads)
    return out


def in_parts(work: Callable[[int, int], None], size: int, threads: int) -> None:
    """Splits range(size) into one part per thread and calls work(start, stop) for each on its own thread."""
    if threads == 1:
        work(0, size)
        return
    cuts = [size * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, start, stop) for start, stop in pairwise(cuts)]:
            done.result()
