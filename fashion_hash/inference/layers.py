"""Linear layers in numpy; hash heads and request towers use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A linear layer x -> x W' + b.

    Attributes:
        weight: (outputs, inputs) float32.
        bias: (outputs,) float32, or None.
    """

    weight: np.ndarray
    bias: np.ndarray | None = None


def apply_layers(layers: Sequence[Layer], inputs: np.ndarray) -> np.ndarray:
    """Applies layers with a ReLU between them: (N, F) float32 -> (N, D) float32."""
    for number, layer in enumerate(layers):
        if number:
            inputs = np.maximum(inputs, 0)
        inputs = inputs @ layer.weight.T
        if layer.bias is not None:
            inputs = inputs + layer.bias
    return inputs
