"""The encoder of pictures that needs no weights: outline, folds, texture and colours of the garment (scikit-image).

A picture is made 64 x 64 pixels and turned into Lab; `foreground` finds the garment, so that the background counts
little, be it white or a wooden floor. The parts of a vector:

    outline   1344   histograms of oriented gradients (HOG; Dalal and Triggs, CVPR 2005) of the mask of the garment
    folds      216   HOG of the lightness within the garment: collars, pockets, pleats, prints
    texture     20   histograms of uniform local binary patterns (Ojala et al., PAMI 2002) within the garment
    colours    100   a histogram of Lab within the garment, square roots of shares (Hellinger)
    layout      24   the colour layout: mean Lab of the garment in 4 x 4 fields

HOG and layout are averaged over the picture and its mirror image, and what then stands in them twice is left out. Each
part has length 1 times its weight, and the whole vector length 1. Equal bytes give equal vectors. Shapes: N pictures,
S = 64 pixels a side, F feature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import write_json
from fashion_hash.data.stores.decoding import decoded
from fashion_hash.encoders.contract import MANIFEST, manifest_of
from fashion_hash.encoders.pictures.foreground import foreground

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 64
WEIGHTS = {"outline": 1.0, "folds": 0.5, "texture": 0.15, "colours": 0.3, "layout": 0.2}
"""Chosen by 5-NN accuracy on one division of photographs into folds; bench_descriptors.py measures on others."""
LENGTHS = {"outline": 1344, "folds": 216, "texture": 20, "colours": 100, "layout": 24}
VERSION = 1  # raise it with any change of the vectors
_SHORTEST = 1e-9


class DescriptorEncoder:
    """Vectors of pictures by fixed formulas; see the module. They are always the same: nothing is fitted.

    Raises:
        MissingExtraError: scikit-image is not installed (raised when pictures are encoded).
    """

    kind = "descriptors"
    takes_pictures = True
    dim = sum(LENGTHS.values())
    name = f"descriptors ({dim} floats)"

    @property
    def fingerprint(self) -> str:
        """A digest of the version, the size of the pictures and the weights of the parts."""
        settings = json.dumps([VERSION, SIDE, WEIGHTS, LENGTHS])
        return f"descriptors {hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()}"

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32 unit vectors of encoded pictures; zeros for None.

        Raises FeatureError for bytes that are not a picture.
        """
        vectors = np.zeros((len(pictures), self.dim), dtype=np.float32)
        for row, picture in enumerate(pictures):
            if picture is not None:
                with decoded(picture) as image:
                    vectors[row] = describe(image)
        return vectors

    def save(self, folder: Path) -> None:
        """Writes encoder.json."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, manifest_of(self))


def describe(image: Image) -> np.ndarray:
    """The (F,) float32 unit vector of a picture in RGB."""
    parts = describe_parts(image)
    weighted = [WEIGHTS[name] * part / max(float(np.linalg.norm(part)), _SHORTEST) for name, part in parts.items()]
    vector = np.concatenate(weighted)
    return np.asarray(vector / max(float(np.linalg.norm(vector)), _SHORTEST), dtype=np.float32)


def describe_parts(image: Image) -> dict[str, np.ndarray]:
    """The parts of a picture's vector before they are weighted, float64, in the order of LENGTHS."""
    require_extra("descriptors", "the encoder `descriptors`", "skimage")
    from PIL.Image import Resampling
    from skimage.color import rgb2lab

    pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Resampling.BILINEAR))
    lab = rgb2lab(pixels)
    mask = foreground(lab)
    mean = float((lab[..., 0] * mask).sum() / max(mask.sum(), _SHORTEST))
    return {
        "outline": _hog(mask, cell=8, orientations=12),
        "folds": _hog((lab[..., 0] - mean) / 50 * mask, cell=16, orientations=9),
        "texture": _texture(lab[..., 0], mask),
        "colours": _colours(lab, mask),
        "layout": _layout(lab, mask),
    }


def _hog(values: np.ndarray, cell: int, orientations: int) -> np.ndarray:
    """HOG averaged over a picture and its mirror image, without the right half, which equals the left half.

    Mirroring reverses the columns of blocks, the columns of cells in them, and the orientations.
    """
    from skimage.feature import hog

    blocks = hog(values, orientations, (cell, cell), (2, 2), feature_vector=False)
    blocks = (blocks + blocks[:, ::-1, :, ::-1, ::-1]) / 2
    return _left_half(blocks)


def _left_half(fields: np.ndarray) -> np.ndarray:
    """The left half of symmetric fields, weighted so that distances stay those of the whole."""
    columns = fields.shape[1]
    left = fields[:, : (columns + 1) // 2].copy()
    left[:, : columns // 2] *= np.sqrt(2.0)
    return left.ravel()


def _texture(lightness: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Square roots of the shares of uniform local binary patterns: 10 each of radius 1 and 2."""
    from skimage.feature import local_binary_pattern

    values = np.rint(lightness * 2.55).astype(np.uint8)
    histograms = []
    for radius in (1, 2):
        patterns = local_binary_pattern(  # type: ignore[no-untyped-call]
            values, 8, radius, "uniform"
        ).astype(np.int64)
        histograms.append(np.bincount(patterns.ravel(), mask.ravel(), 10))
    return _shares(np.concatenate(histograms))


def _colours(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Square roots of the shares of 4 x 5 x 5 bins of Lab; a pixel counts for the bins around it."""
    bins = np.array([4, 5, 5])
    places = np.clip((lab.reshape(-1, 3) - [12.5, -40.0, -40.0]) / [25.0, 20.0, 20.0], 0, bins - 1.0)
    first = np.minimum(places.astype(np.int64), bins - 2)
    above = (places - first).T
    share = (1 - above, above)
    histogram = np.zeros(int(bins.prod()))
    for corner in np.ndindex(2, 2, 2):
        weight = mask.ravel() * share[corner[0]][0] * share[corner[1]][1] * share[corner[2]][2]
        bin_of = np.ravel_multi_index(tuple((first + corner).T), tuple(bins))
        histogram += np.bincount(bin_of, weight, len(histogram))
    return _shares(histogram)


def _layout(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean Lab of the garment in 4 x 4 fields, weighted by how much of a field it fills, in units of 100."""
    field = SIDE // 4
    weighted = lab * mask[..., None] / 100
    means = weighted.reshape(4, field, 4, field, 3).mean(axis=(1, 3))
    return _left_half((means + means[:, ::-1]) / 2)


def _shares(histogram: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(histogram / max(float(histogram.sum()), _SHORTEST)))
