"""Every encoder of pictures by its name: `descriptors`, torchvision's networks, and CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fashion_hash.core.files import write_json
from fashion_hash.encoders.clip import ClipEncoder
from fashion_hash.encoders.contract import MANIFEST, manifest_of
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.features.backbone import Backbone, backbone_names, build_backbone
from fashion_hash.features.pictures import decode_picture

CLIP = "open_clip/"


class BackboneEncoder:
    """A torchvision network behind the contract of `fashion_hash.encoders.pictures`.

    Args:
        backbone: the network; it is moved to `device` and put into evaluation mode.
        size: pictures are resized to size x size pixels.
        device: where the network runs.

    Raises:
        ConfigError: the network cannot read pictures of this size.
    """

    kind = "torchvision"
    takes_pictures = True

    def __init__(self, backbone: Backbone, size: int, device: str | torch.device = "cpu") -> None:
        self.backbone, self.size = backbone.to(device).eval(), size
        self.backbone.check_size(size)
        self.dim = backbone.dim
        self.fingerprint = backbone.fingerprint(size)

    @property
    def name(self) -> str:
        """The network and the size of its pictures."""
        return f"{self.backbone.name} at {self.size} px"

    @torch.inference_mode()
    def encode_pictures(self, pictures: Sequence[bytes | None]) -> np.ndarray:
        """(N, F) float32; zeros for None. Raises FeatureError for bytes that are not a picture."""
        vectors = np.zeros((len(pictures), self.dim), dtype=np.float32)
        rows = [row for row, picture in enumerate(pictures) if picture is not None]
        if rows:
            pixels = torch.stack([decode_picture(pictures[row] or b"", self.size) for row in rows])
            vectors[rows] = self.backbone(pixels.to(self.backbone.mean.device)).cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Writes encoder.json, which names the network; the weights are not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MANIFEST, manifest_of(self, model=self.backbone.name, size=self.size))


def open_picture_encoder(
    name: str, weights: str | None = None, size: int = 291, seed: int = 0, device: str | torch.device = "cpu"
) -> PictureEncoder:
    """Opens an encoder of pictures.

    Args:
        name: "descriptors"; the torchvision name of a network, such as "resnet18"; or "open_clip/" and the name of a
            model, such as "open_clip/ViT-B-32".
        weights: of a network: "hub" (published weights, downloaded once; the default), "random", or the path of a file;
            for CLIP the name of published weights or a path. `descriptors` has none.
        size: pixels of a side, for torchvision's networks.
        seed: of random weights.
        device: where a torchvision network runs.

    Raises:
        ConfigError: an unknown name, or weights for `descriptors`.
        FeatureError: the weights cannot be read or downloaded.
        MissingExtraError: a package is not installed.
    """
    if name == DescriptorEncoder.kind:
        if weights is not None:
            raise ConfigError(f"the encoder `descriptors` has no weights, got {weights!r}: leave them out")
        return DescriptorEncoder()
    if name.startswith(CLIP):
        return ClipEncoder(name.removeprefix(CLIP), clip_weights(weights))
    if name not in (known := backbone_names()):
        near = suggest(name, [DescriptorEncoder.kind, *known])
        raise ConfigError(
            f"unknown encoder {name!r}{near}: name `descriptors`, a classification model of torchvision, or "
            "open_clip/MODEL"
        )
    return BackboneEncoder(build_backbone(name, weights or "hub", seed), size, device)


def clip_weights(weights: str | None) -> str | None:
    """The weights argument of ClipEncoder: "random" is None there, and "hub" is the release of OpenAI."""
    return {"random": None, "hub": "openai", None: "openai"}.get(weights, weights)
