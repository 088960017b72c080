"""Where pictures and features lie: LMDB environments, or a folder of picture files.

Stores hold a path and nothing else: they may be pickled into workers or forked, and open the
environment on first use in the process that uses it (see `lmdb_files`).
Shapes: N keys, F feature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fashion_hash.data.stores import lmdb_files
from fashion_hash.errors import DataError, FeatureError, shown, suggest

_ABOUT = "__features__"  # the key of the record that says what made the features
_DIGEST = "\0"  # begins the keys of the records that say of which picture a feature was made


class FeatureStore:
    """Features by key, read-only: an LMDB of raw little-endian float32.

    Besides, "__features__" says what made them, and a key that begins with NUL, of which picture each is.

    Attributes:
        path: the environment.
        dim: F.
        fingerprint: of what made the features; "" for a store that does not say.

    Raises:
        DataError: no such environment, or a truncated one.
        FeatureError: it holds no features.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        about = _about(self.path)
        if about is None:
            raise FeatureError(f"{self.path} holds no features: extract them first")
        self.fingerprint, self.dim = about

    def get(self, key: str) -> np.ndarray | None:
        """(F,) float32, or None when there is none."""
        value = lmdb_files.get_all(self.path, [key])[0]
        return None if value is None else self._vector(key, value)

    def matrix(self, keys: Sequence[str]) -> np.ndarray:
        """(N, F) float32. Raises FeatureError, with how many there are, when keys are missing."""
        values = lmdb_files.get_all(self.path, keys)
        if missing := [key for key, value in zip(keys, values) if value is None]:
            near = suggest(missing[0], self.keys())
            raise FeatureError(
                f"{self.path} lacks {len(missing)} of {len(keys)} features, first {missing[0]!r}{near}: "
                "extract again, what is there is kept"
            )
        rows = [self._vector(key, value) for key, value in zip(keys, values) if value is not None]
        return np.stack(rows) if rows else np.zeros((0, self.dim), dtype=np.float32)

    def __contains__(self, key: str) -> bool:
        return lmdb_files.get_all(self.path, [key])[0] is not None

    def keys(self) -> Iterator[str]:
        """All keys, in the order of their bytes."""
        return (key for key in lmdb_files.iterate_keys(self.path) if key != _ABOUT and not key.startswith(_DIGEST))

    def __len__(self) -> int:
        return sum(1 for _ in self.keys())

    def _vector(self, key: str, value: bytes) -> np.ndarray:
        if len(value) != 4 * self.dim:
            raise FeatureError(
                f"{self.path}: {key!r} has {len(value)} bytes, not {4 * self.dim} ({self.dim} float32): "
                "delete the store and extract again"
            )
        return np.frombuffer(value, dtype="<f4").astype(np.float32)


class FeatureWriter:
    """Writes features in batches, each batch whole or not at all; goes on where it was stopped.

        with FeatureWriter(path, fingerprint, dim) as writer:
            for keys in batches(writer.missing(all_keys)):
                writer.put(keys, extract(keys))

    Args:
        path: a folder, made when absent.
        fingerprint: of the extractor, its weights and its preparation of pictures.
        dim: F.

    Raises:
        FeatureError: the store holds features of another extractor.
        DataError: the store is truncated.
    """

    def __init__(self, path: str | Path, fingerprint: str, dim: int) -> None:
        self.path, self.fingerprint, self.dim = Path(path), fingerprint, dim

    def __enter__(self) -> FeatureWriter:
        file = self.path / "data.mdb"
        if file.exists() and (not file.is_file() or file.stat().st_size):  # an empty one: killed when it was made
            about = _about(self.path)  # through the reader, which finds a truncated file
            if about is not None and about != (self.fingerprint, self.dim):
                raise FeatureError(
                    f"{self.path} holds features of another extractor ({about[0]!r}, {about[1]} floats), "
                    f"not of {self.fingerprint!r} ({self.dim} floats): choose another path or delete it"
                )
            lmdb_files.release(self.path)
        self._writer = lmdb_files.open_writer(self.path)
        says = json.dumps({"fingerprint": self.fingerprint, "dim": self.dim})
        lmdb_files.put_all(self._writer, [(_ABOUT.encode(), says.encode())])
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def missing(self, keys: Iterable[str], digests: Mapping[str, bytes] | None = None) -> list[str]:
        """The keys that are not in the store yet, each once, in their order.

        With `digests` (`picture_digest` by key) also those whose feature is of another or an unknown
        picture. A key without a digest no longer has a picture: its feature stays.
        """
        digests = digests or {}
        try:
            with self._writer.begin() as transaction:

                def lacks(key: str) -> bool:
                    exists = transaction.get(lmdb_files.encode_key(key)) is not None
                    same = key not in digests or transaction.get(_digest_key(key)) == digests[key]
                    return not (exists and same)

                return [key for key in dict.fromkeys(keys) if lacks(key)]
        except lmdb_files.import_lmdb().Error as error:
            raise DataError(f"cannot read {self.path}: {error}; it is broken: delete it and extract again") from None

    def put(self, keys: Sequence[str], features: np.ndarray, digests: Mapping[str, bytes] | None = None) -> None:
        """Writes N features, (N, F) floats, and the digests of their pictures where there are any.

        Raises FeatureError when they do not fit or are not finite.
        """
        if features.shape != (len(keys), self.dim):
            raise FeatureError(f"features of shape {features.shape} for {len(keys)} keys of {self.dim} floats")
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise FeatureError(f"the feature of {keys[int(np.argmin(finite))]!r} is not finite")
        rows = np.ascontiguousarray(features, dtype="<f4")
        records: list[tuple[bytes, bytes | None]] = []
        for key, row in zip(keys, rows):
            digest = (digests or {}).get(key)
            records += [(lmdb_files.encode_key(key), row.tobytes()), (_digest_key(key), digest)]
        lmdb_files.put_all(self._writer, records)

    def remove(self, keys: Iterable[str]) -> None:
        """Removes features, where they are there."""
        lmdb_files.put_all(
            self._writer,
            [(one, None) for key in keys for one in (lmdb_files.encode_key(key), _digest_key(key))],
        )


def _digest_key(key: str) -> bytes:
    """Of 17 bytes, so that no id is too long for it."""
    return _DIGEST.encode() + hashlib.blake2b(key.encode(), digest_size=16).digest()


def _about(path: Path) -> tuple[str, int] | None:
    """Fingerprint and F of a feature store, None for one without features."""
    value = lmdb_files.get_all(path, [_ABOUT])[0]
    if value is not None:
        try:
            says = json.loads(value)
            fingerprint, dim = str(says["fingerprint"]), int(says["dim"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise FeatureError(
                f"{path}: the record {_ABOUT!r} is {shown(value)}, expected JSON with fingerprint and dim: "
                "delete the store and extract again"
            ) from None
        if dim < 1:
            raise FeatureError(f"{path}: features of {dim} floats: delete the store and extract again")
        return fingerprint, dim
    # a store made elsewhere: keys and floats only
    first = next(lmdb_files.iterate_keys(path), None)
    if first is None:
        return None
    size = len(lmdb_files.get_all(path, [first])[0] or b"")
    if not size or size % 4:
        raise FeatureError(f"{path}: {first!r} has {size} bytes, not a whole number of float32 values")
    return "", size // 4
