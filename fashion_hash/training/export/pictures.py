"""The encoder of pictures that a bundle carries, so that new items are looked at without torch."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from fashion_hash.config.network import ImageConfig
from fashion_hash.core.extras import require_extra
from fashion_hash.core.seeds import generator
from fashion_hash.data.stores.decoding import decode
from fashion_hash.data.stores.features import FeatureStore
from fashion_hash.encoders.clip import ClipEncoder
from fashion_hash.encoders.pictures.contract import PictureEncoder
from fashion_hash.encoders.pictures.descriptors import DescriptorEncoder
from fashion_hash.encoders.pictures.onnx_model import OnnxEncoder, Preparation
from fashion_hash.encoders.pictures.open import NotExported
from fashion_hash.errors import BundleError, FeatureError
from fashion_hash.features.backbone import name_with_pooling
from fashion_hash.features.extraction import feature_store_path, picture_encoder, picture_store
from fashion_hash.features.picture_encoders import BackboneEncoder
from fashion_hash.inference.content_heads import ContentHeads
from fashion_hash.inference.layers import apply_layers
from fashion_hash.training.runs.item_inputs import ItemInputs

PACKAGES = ("onnxruntime", "onnx", "onnxscript")  # of the extra `onnx`
COMPARED = 16
"""How many pictures are compared before a network is handed over."""
FLIPPED = 1e-3
"""Share of bits that may differ, because a number is zero up to rounding."""

log = logging.getLogger(__name__)


def pictures_encoder(heads: ContentHeads, inputs: ItemInputs, onnx: bool | None) -> PictureEncoder | None:
    """The encoder of a run's pictures in a form that needs no torch.

    Networks are exported as ONNX if `onnx` is True, or None and the extra `onnx` is installed, and the bits of sample
    pictures are compared; otherwise the bundle only names them. None when the features come from a store of another
    program, which does not say what made them.

    Raises:
        BundleError: the exported network gives other bits than torch.
        MissingExtraError: `onnx` is True, and the extra is not installed.
    """
    config = inputs.config
    assert config.image is not None
    if config.image.encoder == DescriptorEncoder.kind:
        encoder = DescriptorEncoder()
        return encoder if _made_with(inputs) == encoder.fingerprint else None
    source = source_of(config.image)
    trained = inputs.backbone
    made_with = "trained with the heads" if trained is not None else _made_with(inputs)
    if not made_with:
        return None
    dim = inputs.feature_dims["image"]
    if onnx:
        require_extra("onnx", f"exporting {source}", *PACKAGES)
    installed = all(find_spec(package) for package in PACKAGES)
    if onnx is False or not installed:
        if not installed:
            log.warning("%s is not exported, so new items need features: pip install 'fashion_hash[onnx]'", source)
        return NotExported(source, dim, made_with)
    if trained is not None:
        encoder_of_run: PictureEncoder = BackboneEncoder(trained, config.image.size, inputs.device)
    else:
        encoder_of_run = picture_encoder(config.image, config.seed)
        if encoder_of_run.fingerprint != made_with:
            log.warning("the features in %s were made by another network than %s", feature_store_path(config), source)
            return NotExported(source, dim, made_with)
    exported = as_onnx(encoder_of_run, source)
    differ = check_bits(heads, exported, encoder_of_run, inputs)
    log.info("%s is exported as ONNX; %.3f%% of the bits of %d pictures differ", source, 100 * differ, COMPARED)
    return exported


def source_of(image: ImageConfig) -> str:
    """The encoder of a configuration, for messages."""
    if image.encoder == DescriptorEncoder.kind:
        return "the encoder descriptors"
    if image.encoder is not None:
        return f"{image.encoder}, weights {image.weights}"
    return f"{name_with_pooling(image.backbone, image.pooling)} at {image.size} px, weights {image.weights}"


def as_onnx(encoder: PictureEncoder, source: str) -> OnnxEncoder:
    """A network as ONNX, one picture at a time: (1, 3, size, size) uint8 -> (1, F)."""
    if isinstance(encoder, BackboneEncoder):
        network: nn.Module = encoder.backbone
        preparation = Preparation(encoder.size)
    else:
        assert isinstance(encoder, ClipEncoder)
        model, prepare, _ = encoder.parts
        steps = {type(step).__name__: step for step in prepare.transforms}
        mean, std = (torch.tensor(list(values)) for values in (steps["Normalize"].mean, steps["Normalize"].std))
        network = _ClipPictures(model, mean, std)
        resize = steps["Resize"]
        size = resize.size if isinstance(resize.size, int) else resize.size[0]
        preparation = Preparation(int(size), True, str(resize.interpolation.value))
    device = next(network.parameters()).device
    example = torch.zeros(1, 3, preparation.size, preparation.size, dtype=torch.uint8)
    try:
        program = torch.onnx.export(network.cpu().eval(), (example,), dynamo=True, verbose=False)
    finally:
        network.to(device)
    assert program is not None
    return OnnxEncoder(program.model_proto.SerializeToString(), preparation, encoder.dim, source, encoder.fingerprint)


def check_bits(heads: ContentHeads, encoder: OnnxEncoder, torch_encoder: PictureEncoder, inputs: ItemInputs) -> float:
    """Compares the bits of sample pictures by torch and by ONNX; returns the share that differs.

    Raises:
        BundleError: more differ than rounding explains.
    """
    pictures = _sample(inputs)
    by_torch, by_onnx = (heads.normaliser(one.encode_pictures(pictures)) for one in (torch_encoder, encoder))
    layers = list({id(head): head for head in heads.layers.values()}.values())
    differ = float(
        np.mean([(apply_layers(head, by_torch) >= 0) != (apply_layers(head, by_onnx) >= 0) for head in layers])
    )
    if differ > FLIPPED:
        raise BundleError(
            f"{encoder.source} as ONNX gives other bits than torch: {differ:.2%} of them differ on {len(pictures)} "
            "pictures; use another backbone, or remove the extra onnx to export without it"
        )
    return differ


class _ClipPictures(nn.Module):
    """The half of CLIP that reads pictures, from pixels to unit vectors."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.visual = model.visual
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """(1, 3, S, S) uint8 -> (1, F)."""
        features: Tensor = self.visual((pictures.float() / 255 - self.mean) / self.std)
        return nn.functional.normalize(features, dim=-1)


def _made_with(inputs: ItemInputs) -> str:
    """The fingerprint in the store of the features."""
    return FeatureStore(feature_store_path(inputs.config)).fingerprint


def _sample(inputs: ItemInputs) -> Sequence[bytes]:
    """Pictures of items, and drawn noise where there are too few."""
    store = picture_store(inputs.dataset)
    ids = [item_id for item_type in inputs.dataset.types for item_id in inputs.dataset.items[item_type].ids]
    rng = generator(0, "pictures compared at export")
    chosen = (store.get(ids[row]) for row in rng.permutation(len(ids))[:COMPARED])
    pictures = [picture for picture in chosen if picture is not None and _readable(picture)]
    while len(pictures) < COMPARED:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file, "PNG")
        pictures.append(file.getvalue())
    return pictures


def _readable(picture: bytes) -> bool:
    try:
        decode(picture)
    except FeatureError:
        return False
    return True
