"""Loads the kernels of the scan for the types of arrays that the engine passes, and compiles them where that is due.

numba keeps what it compiled in a cache on disk, by default beside the package. Two processes that add to one cache at
the same time may confuse their entries, so whoever loads holds a lock in that folder: the first one compiles, those who
wait for it read what it wrote.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from fashion_hash.index.engines.sums import kernels
from fashion_hash.index.engines.sums.block import CODES
from fashion_hash.index.engines.sums.codes import LANES

LOCK = "fashion_hash.lock"
WAIT = 300.0  # seconds; then a process compiles for itself


def load() -> None:
    """Runs every kernel on a block of nothing, so that it is compiled, or read from the cache."""
    with _alone():
        run_all()


def run_all() -> None:
    """Runs every kernel that a search needs with arrays of the types that the engine passes."""
    codes, constants = np.zeros((1, 3, LANES), dtype=np.uint8), np.zeros((1, LANES), dtype=np.uint16)
    rows, items = np.zeros(LANES, dtype=np.int32), np.zeros(LANES, dtype=np.int32)
    for mapped in (codes, constants, rows, items):
        mapped.flags.writeable = False  # as arrays of files are
    query = kernels.Query(
        tables=np.zeros((1, CODES.size // CODES.shape[1] * (1 << CODES.shape[1])), dtype=np.uint8),
        multiplier=1,
        offsets=np.zeros(1, dtype=np.int64),
        exact=np.zeros((1, 3, 8), dtype=np.int64),
        shifts=np.zeros(1, dtype=np.int64),
        factor=1.0,
        excluded=np.zeros(0, dtype=np.int64),
        starts=np.zeros(2, dtype=np.int64),
        error=1.0,
        excess=1.0,
        rows=rows,
        items=items,
        width=1,
        bits=np.zeros(1, dtype=np.uint32),
        slots=np.zeros(0, dtype=np.int64),
        firsts=np.zeros(0, dtype=np.int64),
    )
    found = kernels.no_candidates(1, 1)
    kernels.scan_sums(codes, constants, np.zeros(1, dtype=np.uint64), 0, 1, query, found)
    kernels.collect(found)
    kernels.weigh(codes, np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int32), query.exact)


def _alone() -> AbstractContextManager[object]:
    """Holds the lock of the cache, where there is a folder that can be written to."""
    from filelock import FileLock, Timeout  # imported here, since queries do not need it

    folder = Path(str(kernels.scan_sums.stats.cache_path))
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return lock.acquire(timeout=WAIT)
    except (OSError, Timeout, NotImplementedError):  # no lock here: each process compiles for itself, and is right too
        return nullcontext()
