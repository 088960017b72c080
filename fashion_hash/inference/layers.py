"""Linear layers in numpy, shared by hash heads and request towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """x -> x W' + b; between layers stands a ReLU.

    Attributes:
        weight: (outputs, inputs) float32.
        bias: (outputs,) float32, or None.
    """

    weight: np.ndarray
    bias: np.ndarray | None = None


def apply_layers(layers: Sequence[Layer], inputs: np.ndarray) -> np.ndarray:
    """(N, F) float32 through a head: (N, D) float32."""
    for number, layer in enumerate(layers):
        if number:
            inputs = np.maximum(inputs, 0)
        inputs = inputs @ layer.weight.T
        if layer.bias is not None:
            inputs = inputs + layer.bias
    return inputs
