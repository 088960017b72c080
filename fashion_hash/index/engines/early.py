"""Answers before compiled kernels are there, and loads them in the background.

Importing numba and loading the kernels of the scan takes most of a second, compiling them, once a machine, several. A
process that asks a few questions and ends needs neither: numpy answers them. Only when its searches have taken
LOAD_AFTER seconds does a thread begin to load the kernels, and when they are there the compiled engine takes over, also
in the middle of a batch. Answers are the same to the last bit, whichever engine gives them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.index.engines.contract import NOTHING, Engine, Ranking
from fashion_hash.index.engines.factored import Factored
from fashion_hash.index.engines.sums.files import ScanFiles, open_scan, own_bits
from fashion_hash.index.pool import Pool

_log = logging.getLogger(__name__)

LOAD_AFTER = 0.1  # seconds of searches without kernels; loading takes a few times as long
AT_ONCE = 64  # users answered without kernels before looking again whether they are there

_loaded = threading.Event()


class _Background:
    """The thread that loads kernels, at most one in a process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seconds = 0.0
        self.thread: threading.Thread | None = None


_background = _Background()


def _after_fork() -> None:
    global _background
    _background = _Background()  # threads stay in the parent


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def are_kernels_loaded() -> bool:
    """Whether the kernels of the engine "sums" are loaded in this process."""
    return _loaded.is_set()


def load_kernels() -> None:
    """Loads the kernels of the engine "sums"; where that was never done on this machine, compiles them."""
    from fashion_hash.index.engines.sums.loading import load

    load()
    _loaded.set()


def count_seconds(seconds: float) -> None:
    """Counts the time of a search without kernels, and begins to load them when it is time."""
    with _background.lock:
        _background.seconds += seconds
        if _background.seconds < LOAD_AFTER or _background.thread is not None or _loaded.is_set():
            return
        # no daemon: an exit waits, since compiled code must not be torn down while it is made
        _background.thread = threading.Thread(target=_load_quietly, name="fashion_hash kernels")
        _background.thread.start()


def _load_quietly() -> None:
    try:
        load_kernels()
    except Exception:  # whatever numba or LLVM raise: answers go on without
        _log.warning("the compiled scan could not be loaded; searches go on without it, slower", exc_info=True)


class EarlyEngine(Engine):
    """The engine "factored" until kernels are loaded, then "sums"; for an index with the files of the scan.

    Args:
        bundle: the bundle that the index was built from, or a view of it.
        pool: the open index.
        numpy_engine: the engine to begin with; by default a new one.
        files: the files of the scan, if they are open already.

    Raises:
        BundleError: the files of the scan are absent or broken.
    """

    def __init__(
        self, bundle: Bundle, pool: Pool, *, numpy_engine: Factored | None = None, files: ScanFiles | None = None
    ) -> None:
        super().__init__(bundle, pool)
        self._files = files or open_scan(pool.path, bundle.num_bits, len(pool), own_bits(bundle))
        self._numpy_engine = numpy_engine or Factored(bundle, pool)
        self._compiled: Engine | None = None
        self._opening = threading.Lock()

    @property
    def tests_items(self) -> bool:
        """See Engine.tests_items."""
        return are_kernels_loaded()

    @property
    def present(self) -> Engine:
        """The engine that answers now."""
        if self._compiled is None and are_kernels_loaded():
            from fashion_hash.index.engines.sums.engine import SumScan

            with self._opening:
                self._compiled = self._compiled or SumScan(self._bundle, self._pool, files=self._files)
        return self._compiled or self._numpy_engine

    def over(self, view: Bundle) -> Engine:
        """See Engine.over."""
        if are_kernels_loaded():
            return self.present.over(view)
        return EarlyEngine(view, self._pool, numpy_engine=self._numpy_engine.over(view), files=self._files)

    def search_many(
        self,
        user_keys: np.ndarray,
        k: int,
        excludes: Sequence[np.ndarray] | None = None,
        allowed: np.ndarray | None = None,
    ) -> list[Ranking]:
        """See Engine.search_many."""
        excludes = [NOTHING] * len(user_keys) if excludes is None else excludes
        rankings: list[Ranking] = []
        while (done := len(rankings)) < len(user_keys):
            engine = self.present
            if engine is not self._numpy_engine:
                return rankings + engine.search_many(user_keys[done:], k, excludes[done:], allowed)
            begin = time.perf_counter()
            some = slice(done, done + AT_ONCE)
            rankings += engine.search_many(user_keys[some], k, excludes[some], allowed)
            count_seconds(time.perf_counter() - begin)
        return rankings
