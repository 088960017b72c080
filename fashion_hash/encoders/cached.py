"""A store of vectors in front of an encoder, so that a slow encoder reads each text and picture only once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fashion_hash.data.stores.features import FeatureStore, FeatureWriter
from fashion_hash.encoders.contract import TextEncoder, Words

BATCH = 256


class Cached:
    """An encoder with a store of its vectors (`fashion_hash.data.stores.features`), keyed by the content.

    Args:
        encoder: makes the vectors that the store lacks.
        store: the folder of the store.

    Raises:
        FeatureError: the store holds the vectors of another encoder (raised when encoding); the message names both.
    """

    def __init__(self, encoder: TextEncoder, store: str | Path) -> None:
        self._encoder, self._store = encoder, Path(store)
        self.kind, self.takes_pictures = encoder.kind, encoder.takes_pictures

    @property
    def name(self) -> str:
        """The name of the encoder."""
        return self._encoder.name

    @property
    def dim(self) -> int:
        """F, the length of a vector."""
        return self._encoder.dim

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the encoder."""
        return self._encoder.fingerprint

    def words(self, text: str) -> Words:
        """The words that the encoder knows and those it does not."""
        return self._encoder.words(text)

    def save(self, folder: Path) -> None:
        """Saves the encoder without the store."""
        self._encoder.save(folder)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F) float32: the encoder's vectors of texts, read from the store where it has them."""
        keys = [_key("text", text.encode()) for text in texts]
        with FeatureWriter(self._store, self.fingerprint, self.dim) as writer:
            missing = set(writer.missing(keys))
            new = {key: text for key, text in zip(keys, texts) if key in missing}
            for start in tqdm(range(0, len(new), BATCH), desc="texts", unit="batch", disable=None):
                batch = list(new)[start : start + BATCH]
                writer.put(batch, self._encoder.encode_texts([new[key] for key in batch]))
        return FeatureStore(self._store).matrix(keys) if keys else np.zeros((0, self.dim), dtype=np.float32)

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32: the encoder's vectors of pictures, read from the store where it has them."""
        vectors = np.zeros((len(pictures), self.dim), dtype=np.float32)
        by_key = {_key("picture", picture): picture for picture in pictures if picture is not None}
        with FeatureWriter(self._store, self.fingerprint, self.dim) as writer:
            missing = writer.missing(by_key)
            for start in tqdm(range(0, len(missing), BATCH), desc="pictures", unit="batch", disable=None):
                batch = missing[start : start + BATCH]
                writer.put(batch, self._encoder.encode_pictures([by_key[key] for key in batch]))
        rows = [row for row, picture in enumerate(pictures) if picture is not None]
        if rows:
            vectors[rows] = FeatureStore(self._store).matrix([_key("picture", pictures[row] or b"") for row in rows])
        return vectors


def _key(what: str, content: bytes) -> str:
    return f"{what} {hashlib.blake2b(content, digest_size=16).hexdigest()}"
