"""Which part of a product picture shows the garment, without a trained network.

The colours at the border of a picture model its background, those near its middle the garment; both histograms are
improved in turns, as GrabCut (Rother et al., SIGGRAPH 2004) does it, but with smoothed Lab histograms, no graph cut and
no randomness. A white product shot has one colour at its border, so its garment comes out whole.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

BIN = 8.0
"""Width of a bin of the histograms, in units of Lab."""
MIDDLE = 0.55
"""Standard deviation of the weight of the middle, where half the side of a picture is 1."""
CERTAIN = 0.25
"""Prior probability of the garment far away from the middle; it is 1 in the middle."""
BLUR = 1.5
"""Standard deviation of the smoothing of the mask, in pixels."""
ROUNDS = 2
"""How often both histograms are improved."""
_LEAST = 1e-6  # density of a colour that neither histogram knows


def foreground(lab: np.ndarray) -> np.ndarray:
    """The probability that each pixel belongs to the garment.

    Args:
        lab: (S, S, 3) float, a square picture in Lab.

    Returns:
        (S, S) float64 from 0 to 1. In a picture of one colour it is large in the middle.
    """
    side = lab.shape[0]
    bins = np.floor(lab.reshape(-1, 3) / BIN).astype(np.int64)
    bins -= bins.min(axis=0)
    shape = tuple(int(most) + 1 for most in bins.max(axis=0))
    colours = np.ravel_multi_index(tuple(bins.T), shape)
    axis = np.linspace(-1.0, 1.0, side)
    middle = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * MIDDLE**2)).ravel()
    border = _border(side)
    prior = CERTAIN + (1 - CERTAIN) * middle
    garment, background = middle, border
    for _ in range(ROUNDS + 1):
        likely = prior * _density(colours, garment, shape)
        probability = likely / (likely + _density(colours, background, shape) + _LEAST)
        mask = gaussian_filter(probability.reshape(side, side), BLUR).ravel()
        garment, background = mask * middle, np.maximum((1 - mask) ** 2, border / 2)
    return np.asarray(mask.reshape(side, side))


def _border(side: int) -> np.ndarray:
    """(S * S,): 1 for pixels at the border, a sixteenth of the side wide, 0 inside."""
    width = max(side // 16, 1)
    border = np.ones((side, side))
    border[width:-width, width:-width] = 0
    return border.ravel()


def _density(colours: np.ndarray, weights: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The density of each pixel's colour in the smoothed histogram of weighted pixels."""
    histogram = np.bincount(colours, weights, int(np.prod(shape))).reshape(shape)
    smooth = gaussian_filter(histogram, 1.0, mode="constant", truncate=2.5)
    return np.asarray(smooth.ravel()[colours] / max(float(weights.sum()), _LEAST))
