"""Choosing an engine by name."""

from __future__ import annotations

from typing import Literal

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.errors import QueryError
from fashion_hash.index.engines.contract import Engine
from fashion_hash.index.engines.factored import Factored
from fashion_hash.index.engines.plain import Scan
from fashion_hash.index.engines.vectors import VectorScan
from fashion_hash.index.pool import Pool

EngineName = Literal["auto", "sums", "factored", "hamming", "scan"]


def open_engine(name: EngineName, bundle: Bundle, pool: Pool) -> Engine:
    """One of the engines over a pool; "auto" is the fastest. Raises QueryError for another name.

    A bundle with an outfit encoder has one only.
    """
    if bundle.encoder is not None:
        if name != "auto":
            raise QueryError(f"engine {name!r} adds up codes of items; outfits of an encoder are searched by: auto")
        return VectorScan(bundle, pool)
    if name == "auto":
        name = "sums" if (pool.path / "scan").exists() else "factored"
    if name == "factored":
        return Factored(bundle, pool)
    if name == "sums":
        from fashion_hash.index.engines.sums.engine import SumScan

        return SumScan(bundle, pool)
    if name == "hamming":
        from fashion_hash.index.engines.hamming import Hamming

        return Hamming(bundle, pool)
    if name == "scan":
        return Scan(bundle, pool)
    raise QueryError(f"no engine {name!r}: choose auto, sums, factored, hamming or scan")
