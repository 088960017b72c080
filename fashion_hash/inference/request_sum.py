"""What counts beside the bits of a request, where validation found that it helps.

Within a tier of hard facts items are ordered by

    share of agreeing bits + words and soft facts (understanding/facts.py)
    + words * share of bits that agree with the words alone
    + taste * n / (n + half) * share of bits that agree with the taste alone
    + encoder * cosine of the encoder's vectors of request and item
    + popular * log(1 + how often the item was taken)

where n is how many items the user took. So an untrained encoder, or what everybody takes, leads where training could
not do better (training/requests/weights.py). The folder requests/sum/ of a bundle, missing in older ones:

    sum.json              format version, weights, half
    TYPE.vectors.npy      (N, F) int8       the encoder's vectors of items, rounded to 1/127
    TYPE.popular.npy      (N,) float32      log(1 + how often each was taken)

Vectors are rounded so that sums of products are integers, exact in float32 in any order. Rounding changes a cosine by
less than .004 on average; 256 random signs would estimate it with a standard error of pi / 2 / sqrt(256), about .1.

Shapes: N items of a type, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fashion_hash.core.arrays import open_array
from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import read_part
from fashion_hash.errors import BundleError, shown

FORMAT, FORMAT_VERSION = "fashion_hash sum", 1
STEPS = 127
AT_ONCE = 65_536
"""How many items are multiplied at once."""


@dataclass(frozen=True)
class SumWeights:
    """The weights beside 1 for the share of agreeing bits; each at least 0.

    Attributes:
        words, taste, encoder, popular: see above.
        half: how many items a user must have taken for half the weight of the taste; 0 for all of it from the first.
    """

    words: float = 0.0
    taste: float = 0.0
    encoder: float = 0.0
    popular: float = 0.0
    half: float = 0.0

    def known(self, taken: int | np.ndarray) -> np.ndarray:
        """How much is known of users who took so many items: 0 of nobody, towards 1."""
        count = np.asarray(taken, dtype=np.float64)
        return np.where(count > 0, count / np.maximum(count + self.half, 1), 0.0)


@dataclass(frozen=True)
class RequestSum:
    """What counts beside the bits.

    Attributes:
        weights: of the terms.
        vectors: by item type, (N, F) int8; (N, 0) where the encoder does not count.
        popular: by item type, (N,) float32.
    """

    weights: SumWeights
    vectors: Mapping[str, np.ndarray]
    popular: Mapping[str, np.ndarray]


def rounded(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors as int8."""
    return np.asarray(np.rint(np.clip(vectors, -1, 1) * STEPS), dtype=np.int8)


def cosines(items: np.ndarray, request: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """(n,) float64, cosines of rounded vectors; the same for an item, whichever others are asked for.

    Args:
        items: (N, F) int8.
        request: (F,) int8.
        rows: (n,) of the items; all by default.
    """
    exact: type[np.floating[Any]] = np.float32 if STEPS**2 * items.shape[1] <= 2**24 else np.float64
    asked, count = request.astype(exact), len(items) if rows is None else len(rows)
    products = np.zeros(count)
    for start in range(0, count, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        products[part] = np.dot(items[part if rows is None else rows[part]].astype(exact), asked)
    return products / STEPS**2


def write_sum(folder: Path, contents: RequestSum) -> None:
    """Writes a new folder."""
    folder.mkdir()
    for item_type, counts in contents.popular.items():
        vectors = contents.vectors[item_type] if contents.weights.encoder else np.zeros((len(counts), 0), np.int8)
        np.save(folder / f"{_file_name(item_type)}.vectors.npy", vectors)
        np.save(folder / f"{_file_name(item_type)}.popular.npy", counts.astype(np.float32))
    weights = {field.name: float(getattr(contents.weights, field.name)) for field in fields(SumWeights)}
    write_json(folder / "sum.json", {"format": FORMAT, "format_version": FORMAT_VERSION, "weights": weights})


def read_sum(folder: Path, sizes: Mapping[str, int], features: int) -> RequestSum | None:
    """Opens the folder, its arrays memory-mapped; None for a bundle without one, in which nothing else counts.

    Args:
        folder: requests/sum of a bundle.
        sizes: how many items of each type the bundle holds.
        features: F.

    Raises:
        BundleError: a file is missing, cannot be read, or does not fit the others.
    """
    if not folder.is_dir():
        return None
    path = folder / "sum.json"
    weights = _weights(path, read_part(path, FORMAT, FORMAT_VERSION, f"{path} is missing: export the bundle again"))
    length = features if weights.encoder else 0
    vectors, popular = {}, {}
    for item_type, size in sizes.items():
        stem = folder / _file_name(item_type)
        vectors[item_type] = open_array(Path(f"{stem}.vectors.npy"), "requests/sum/*.vectors.npy", N=size, F=length)
        popular[item_type] = open_array(Path(f"{stem}.popular.npy"), "requests/sum/*.popular.npy", N=size)
        if not np.isfinite(popular[item_type]).all():
            raise BundleError(f"{stem}.popular.npy holds a value that is not finite: export the bundle again")
    return RequestSum(weights, vectors, popular)


def _weights(path: Path, manifest: Mapping[str, object]) -> SumWeights:
    values = manifest.get("weights")
    names = [field.name for field in fields(SumWeights)]
    if not isinstance(values, dict) or set(values) != set(names):
        raise BundleError(f"{path} must hold the weights {', '.join(names)}: export the bundle again")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < np.inf:
            raise BundleError(f"{path}: the weight {name} must be a number of at least 0, got {shown(value)}")
    return replace(SumWeights(), **{name: float(values[name]) for name in names})


def _file_name(item_type: str) -> str:
    return quote(item_type, safe=" ")
