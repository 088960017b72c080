"""The contract of encoders of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from fashion_hash.encoders.contract import Encoder


class PictureEncoder(Encoder, Protocol):
    """Turns pictures into vectors. Shapes: N pictures, F feature."""

    @property
    def takes_pictures(self) -> bool:
        """Whether `encode_pictures` works: not for a network that a bundle only names."""

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32: vectors of encoded pictures (the bytes of their files); zeros for None.

        Raises FeatureError for bytes that are not a picture.
        """

    def save(self, folder: Path) -> None:
        """Writes what is needed to open the encoder again."""
