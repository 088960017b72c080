"""Opening the saved encoder of pictures of a bundle, without torch where it can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.core.manifest import Within, check_fields
from fashion_hash.encoders.contract import MANIFEST, manifest_of, read_manifest
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.encoders.pictures.onnx_model import OnnxEncoder
from fashion_hash.errors import FeatureError, shown


class NotExported:
    """A network of torchvision or CLIP that a bundle names but does not hold.

    Args:
        name: the network and its weights, for display.
        dim: F, the length of its vectors.
        fingerprint: of what made the vectors of the bundle.
    """

    kind = "not exported"
    takes_pictures = False

    def __init__(self, name: str, dim: int, fingerprint: str) -> None:
        self.name, self.dim, self.fingerprint = name, dim, fingerprint

    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """Raises FeatureError: says how to make the bundle hold the network."""
        raise FeatureError(
            f"the pictures of this bundle are encoded by {self.name}, which the bundle does not hold: "
            "pip install 'fashion_hash[onnx]' and run `fashion-hash build-index` again; or give "
            'features={"image": vector}, or features={"image": None} to show the picture without encoding it'
        )

    def save(self, folder: Path) -> None:
        """Writes encoder.json."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, manifest_of(self))


FIELDS: dict[str, dict[str, Any]] = {  # of encoder.json, by kind
    NotExported.kind: {"name": str},
    OnnxEncoder.kind: {
        "size": Within(1, 1 << 12),
        "crop": bool,
        "filter": frozenset({"bilinear", "bicubic"}),
        "source": str,
    },
}


def open_pictures_encoder(folder: Path) -> PictureEncoder:
    """Opens the encoder of pictures that a bundle carries.

    Raises:
        FeatureError: the folder is not readable, or another version of `descriptors` made the features.
    """
    path, about = folder / MANIFEST, read_manifest(folder)
    kind, fingerprint = about["kind"], about["fingerprint"]
    check_fields(path, about, FIELDS.get(kind, {}), FeatureError)
    if kind == NotExported.kind:
        return NotExported(about["name"], about["dim"], fingerprint)
    if kind == OnnxEncoder.kind:
        return OnnxEncoder.open(folder, about)
    if kind != DescriptorEncoder.kind:
        raise FeatureError(f"{path} names the encoder {shown(kind)}, which this release does not have")
    encoder = DescriptorEncoder()
    if fingerprint != encoder.fingerprint:
        raise FeatureError(
            f"{path} was made by {fingerprint}, this release computes {encoder.fingerprint}: train and export again"
        )
    return encoder
