"""What is done to raw features before a hash head, alike in training and for an item that arrives later.

Shapes: N items, F feature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Normalise = Literal["none", "l2", "standard"]


@dataclass(frozen=True)
class Normaliser:
    """What is done to raw features before the hash heads; the same for an item that arrives later.

    Attributes:
        kind: "none"; "l2" (unit length); "standard" (mean 0 and deviation 1 over training items).
        centre: (F,) float32, what "standard" takes away.
        scale: (F,) float32, what "standard" divides by; 1 where a feature never changes.
    """

    kind: Normalise
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, kind: Normalise, dim: int, blocks: Callable[[], Iterable[np.ndarray]]) -> Normaliser:
        """From the raw features of training items: `blocks` goes through them, (N, F) by (N, F)."""
        centre, variance = np.zeros(dim), np.ones(dim)
        if kind == "standard":
            count = sum(len(block) for block in blocks())
            centre = np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks()], axis=0) / count
            variance = np.sum([np.square(block - centre).sum(axis=0) for block in blocks()], axis=0) / count
        scale = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
        return cls(kind, centre.astype(np.float32), scale.astype(np.float32))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """(N, F) raw features -> (N, F) float32."""
        raw = np.asarray(raw, dtype=np.float32)
        if self.kind == "none":
            return raw
        if self.kind == "l2":
            lengths = np.linalg.norm(raw, axis=1, keepdims=True)
            return raw / np.where(lengths > 0, lengths, np.float32(1))
        return np.asarray((raw - self.centre) / self.scale)
