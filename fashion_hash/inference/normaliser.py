"""Normalises raw features for a hash head, both in training and for new items.

Shapes: N items, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Normalise = Literal["none", "l2", "standard"]
KINDS = frozenset(get_args(Normalise))


@dataclass(frozen=True)
class Normaliser:
    """The normalisation of raw features.

    Attributes:
        kind: "none"; "l2" (unit length); "standard" (mean 0 and standard deviation 1 over the training items).
        centre: (F,) float32, what "standard" subtracts.
        scale: (F,) float32, what "standard" divides by; 1 for a constant feature.
    """

    kind: Normalise
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, kind: Normalise, dim: int, blocks: Callable[[], Iterable[np.ndarray]]) -> Normaliser:
        """Fits the normalisation to training items.

        Args:
            kind: the kind of normalisation.
            dim: F.
            blocks: returns an iterator over the raw features in blocks of (N, F); called several times.
        """
        centre, variance = np.zeros(dim), np.ones(dim)
        if kind == "standard":
            count = sum(len(block) for block in blocks())
            centre = np.sum([block.sum(axis=0, dtype=np.float64) for block in blocks()], axis=0) / count
            variance = np.sum([np.square(block - centre).sum(axis=0) for block in blocks()], axis=0) / count
        scale = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
        return cls(kind, centre.astype(np.float32), scale.astype(np.float32))

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Normalises raw features: (N, F) -> (N, F) float32."""
        raw = np.asarray(raw, dtype=np.float32)
        if self.kind == "none":
            return raw
        if self.kind == "l2":
            lengths = np.linalg.norm(raw, axis=1, keepdims=True)
            return raw / np.where(lengths > 0, lengths, np.float32(1))
        return np.asarray((raw - self.centre) / self.scale)
