"""Given vectors of items by key: the pickle of the Polyvore-U release, or an LMDB of raw float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_hash.data.parsing.restricted_pickle import load_vectors
from fashion_hash.data.stores.lmdb_files import get_all
from fashion_hash.errors import DataError, shown


def is_vector_lmdb(path: Path) -> bool:
    """Whether a path is an LMDB: a folder with data.mdb, or a file that is called .mdb or .lmdb."""
    return (path / "data.mdb").is_file() or (path.suffix in (".mdb", ".lmdb") and path.is_file())


def given_vectors(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """{key: (F,) float32} of the keys that have a vector, and perhaps of others.

    Args:
        path: a pickle, or an LMDB whose values are F little-endian 32-bit floats.
        keys: of the items.

    Raises:
        DataError: the file is broken, holds something else, or vectors have different lengths.
    """
    if not is_vector_lmdb(path):
        return load_vectors(path)
    vectors: dict[str, np.ndarray] = {}
    dim = 0
    for key, value in zip(keys, get_all(path, keys)):
        if value is None:
            continue
        if not value or len(value) % 4:
            raise DataError(f"{path}: {shown(key)} has {len(value)} bytes: expected 32-bit floats")
        vector = np.frombuffer(value, dtype="<f4").astype(np.float32)
        dim = dim or len(vector)
        if len(vector) != dim:
            raise DataError(f"{path}: {shown(key)} has {len(vector)} numbers, the others have {dim}")
        if not np.isfinite(vector).all():
            raise DataError(f"{path}: {shown(key)} holds a number that is not finite")
        vectors[key] = vector
    if not vectors:
        raise DataError(f"{path} has a vector for none of the {len(keys):,} items, such as {shown(keys[0])}")
    return vectors
