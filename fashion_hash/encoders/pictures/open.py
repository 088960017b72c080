"""Opening the saved encoder of pictures of a bundle, without torch where it can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.encoders.contract import FORMAT, FORMAT_VERSION, MANIFEST, manifest_of
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.encoders.pictures.onnx_model import OnnxEncoder
from fashion_hash.errors import FeatureError


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


def open_pictures_encoder(folder: Path) -> PictureEncoder:
    """Opens the encoder of pictures that a bundle carries.

    Raises:
        FeatureError: the folder is not readable, or another version of `descriptors` made the features.
    """
    path = folder / MANIFEST
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (about["format"], about["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise FeatureError(f"{path} is not {FORMAT!r} of version {FORMAT_VERSION}: export the bundle again")
        kind, fingerprint = about["kind"], str(about["fingerprint"])
        if kind == NotExported.kind:
            return NotExported(str(about["name"]), int(about["dim"]), fingerprint)
        if kind == OnnxEncoder.kind:
            return OnnxEncoder.open(folder, about)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeatureError(f"{path} is not readable ({error}): export the bundle again") from None
    if kind != DescriptorEncoder.kind:
        raise FeatureError(f"{path} names the encoder {kind!r}, which this release does not have")
    encoder = DescriptorEncoder()
    if fingerprint != encoder.fingerprint:
        raise FeatureError(
            f"{path} was made by {fingerprint}, this release computes {encoder.fingerprint}: train and export again"
        )
    return encoder
