"""The contract of encoders of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np


class PictureEncoder(Protocol):
    """Turns pictures into vectors. Shapes: N pictures, F feature."""

    @property
    def kind(self) -> str:
        """Which variant: "descriptors", "torchvision", "onnx" or "open_clip"."""

    @property
    def name(self) -> str:
        """The encoder and its settings, for display."""

    @property
    def dim(self) -> int:
        """F, the length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Identifies what made a vector: kind, weights and settings."""

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32: vectors of encoded pictures (the bytes of their files); zeros for None.

        Raises FeatureError for bytes that are not a picture.
        """

    def save(self, folder: Path) -> None:
        """Writes what is needed to open the encoder again, without its weights where they are large."""
