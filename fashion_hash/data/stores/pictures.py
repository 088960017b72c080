"""Encoded pictures by item id, from a folder of image files or an LMDB environment."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from fashion_hash.data.stores import lmdb_files
from fashion_hash.data.stores.decoding import decode
from fashion_hash.errors import DataError, FeatureError


class PictureStore:
    """Encoded pictures by key: the file name in a folder (or its path below it), or the key of an LMDB.

    Args:
        path: the folder or the LMDB.
        names: other names of some keys, such as the ids of items.
        newer: encoded pictures by key, which go before those of the folder or LMDB.

    Raises:
        DataError: the folder or file does not exist.
    """

    def __init__(
        self,
        path: str | Path,
        names: Mapping[str, str] | None = None,
        newer: Mapping[str, bytes] | None = None,
    ) -> None:
        self.path = Path(path)
        self._names = names or {}
        self._newer = newer or {}
        if not self.path.exists():
            raise DataError(f"no pictures at {self.path}: expected a folder of picture files or an LMDB")
        self.is_lmdb = lmdb_files.is_lmdb(self.path)

    def get(self, key: str) -> bytes | None:
        """The encoded picture, or None when there is none. Raises DataError when the store is broken."""
        if key in self._newer:
            return self._newer[key]
        if self.is_lmdb:
            return lmdb_files.get_all(self.path, [self._names.get(key, key)])[0]
        file = self._file(key)
        try:
            return file.read_bytes() if file is not None else None
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror}") from None

    def __contains__(self, key: str) -> bool:
        if self.is_lmdb or key in self._newer:
            return self.get(key) is not None
        return self._file(key) is not None

    def keys(self) -> Iterator[str]:
        """All keys, sorted."""
        if self.is_lmdb:
            yield from lmdb_files.iterate_keys(self.path)
        else:
            files = (file for file in self.path.rglob("*") if file.is_file())
            yield from sorted(file.relative_to(self.path).as_posix() for file in files)

    def __len__(self) -> int:
        return lmdb_files.count(self.path) if self.is_lmdb else sum(1 for _ in self.keys())

    def _file(self, key: str) -> Path | None:
        """The file of a key; None when it is not there, or would lie outside of the folder."""
        key = self._names.get(key, key)
        outside = Path(key).is_absolute() or ".." in Path(key).parts
        return self.path / key if not outside and os.path.isfile(self.path / key) else None


class Survey(NamedTuple):
    """What a look at every picture found: keys without one, and keys of broken ones with the reason."""

    missing: list[str]
    undecodable: dict[str, str]


def survey(store: PictureStore, keys: Sequence[str], decoding: bool = True) -> Survey:
    """Looks for the picture of every key, and decodes it unless `decoding` is False."""
    missing: list[str] = []
    undecodable: dict[str, str] = {}
    for key in tqdm(keys, desc="pictures", unit="picture", disable=None):
        encoded = store.get(key) if decoding else b"" if key in store else None
        if encoded is None:
            missing.append(key)
        elif decoding:
            try:
                decode(encoded)
            except FeatureError as error:
                undecodable[key] = str(error)
    return Survey(missing, undecodable)


def picture_digest(encoded: bytes) -> bytes:
    """16 bytes that tell an encoded picture from every other."""
    return hashlib.blake2b(encoded, digest_size=16).digest()
