"""Opens an engine by name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pkgutil import resolve_name

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.errors import QueryError, suggest
from fashion_hash.index.engines.contract import Engine
from fashion_hash.index.engines.early import EarlyEngine, are_kernels_loaded
from fashion_hash.index.pool import Pool
from fashion_hash.index.scoring import scoring_of

# "auto", one of ENGINES, or a call that opens an engine of another kind over a bundle and its pool
EngineName = str | Callable[[Bundle, Pool], Engine]

# by name the module in this folder and its class; imported on use, since kernels and faiss load slowly
ENGINES = {
    "sums": "sums.engine:SumScan",
    "factored": "factored:Factored",
    "hamming": "hamming:Hamming",
    "scan": "plain:Scan",
    "vectors": "vectors:VectorScan",
}


# outfits that are searched without kernels while these are loaded; more take longer, and gigabytes of sums
EARLY_UP_TO = 10_000_000

_without_kernels = threading.Event()


def defer_kernels(deferring: bool = True) -> None:
    """Keeps "auto" from loading compiled code, also in the background, or lets it again.

    Loading kernels takes most of a second, and where they were never compiled much longer. A process that just started
    answers at once without; the answers are the same, bit for bit. An engine that is opened meanwhile stays without.
    """
    if deferring:
        _without_kernels.set()
    else:
        _without_kernels.clear()


def are_kernels_deferred() -> bool:
    """Whether "auto" loads no compiled code."""
    return _without_kernels.is_set()


def engine_class(name: str) -> type[Engine]:
    """The class of an engine. Raises QueryError for a name that is not in the table."""
    if name not in ENGINES:
        raise QueryError(f"no engine {name!r}{suggest(str(name), ENGINES)}: choose one of auto, {', '.join(ENGINES)}")
    engine: type[Engine] = resolve_name(f"{__package__}.{ENGINES[name]}")
    return engine


def open_engine(name: EngineName, bundle: Bundle, pool: Pool) -> Engine:
    """An engine over a pool.

    Args:
        name: one of ENGINES, or "auto" for the fastest, which begins without compiled code (see early.py); or a call
            that opens the engine.
        bundle: the bundle that the pool was built from, or a view of it.
        pool: an open pool index.

    Raises:
        QueryError: an unknown name, or an engine for bundles with another scoring or with own codes.
        BundleError: the index lacks the files that the engine reads.
    """
    if not isinstance(name, str):
        return name(bundle, pool)
    if name == "auto":
        name = scoring_of(bundle).fastest_engine(pool)
        if name == "sums" and not are_kernels_loaded() and len(pool) <= EARLY_UP_TO:
            if not are_kernels_deferred():
                return EarlyEngine(bundle, pool)
            name = "factored"
    engine = engine_class(name)
    if engine.scoring != bundle.scoring:
        raise QueryError(
            f"engine {name!r} searches bundles that score outfits by {engine.scoring}, but {bundle.path} scores them "
            f'by {bundle.scoring}: choose "auto"'
        )
    if bundle.own is not None and not engine.knows_own:
        raise QueryError(
            f'engine {name!r} does not add up the own codes of outfits, which {bundle.path} has: choose "auto"'
        )
    return engine(bundle, pool)
