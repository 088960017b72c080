"""The hash heads of a trained model as plain arrays, to hash new items without torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from fashion_hash.core.outfits import EMPTY
from fashion_hash.features.pictures import GREY
from fashion_hash.inference.content_heads import ATTRIBUTES, FEATURES, TITLES, TRAINED, ContentHeads, Heads, IdHeads
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser
from fashion_hash.models.hashing import SHARED, ContentHashing, IdHashing
from fashion_hash.models.network import Network
from fashion_hash.training.export.pictures import pictures_encoder, source_of
from fashion_hash.training.runs.item_inputs import ItemInputs


def export_heads(model: Network, inputs: ItemInputs, onnx: bool | None = None) -> dict[str, Heads]:
    """The heads of each modality, in the order of the codes.

    Args:
        model: trained, in evaluation mode.
        inputs: the inputs of its hashing modules.
        onnx: whether to export the network that reads pictures; None where the extra `onnx` is installed.
    """
    heads: dict[str, Heads] = {}
    for modality in model.modalities:
        hashing = model.hashing[modality]
        if isinstance(hashing, IdHashing):
            # the last row of each type is its unknown item
            tables = hashing.embeddings.named_parameters()
            last = {name.removesuffix(".weight"): _array(weight[EMPTY]) for name, weight in tables}
            heads[modality] = IdHeads({item_type: last[item_type] for item_type in model.types})
        else:
            assert isinstance(hashing, ContentHashing)
            content = _content_heads(modality, hashing, model, inputs)
            if modality == "image":
                content = replace(content, pictures=pictures_encoder(content, inputs, onnx))
            heads[modality] = content
    return heads


def _content_heads(modality: str, hashing: ContentHashing, model: Network, inputs: ItemInputs) -> ContentHeads:
    by_name = {name: _layers(head) for name, head in hashing.heads.items()}
    layers = {item_type: by_name[SHARED if SHARED in by_name else item_type] for item_type in model.types}
    config = inputs.config
    if modality == "image":
        assert config.image is not None
        source = source_of(config.image)
    elif modality == "attributes":
        columns = inputs.tables[modality].attributes
        assert columns is not None
        source = f"columns of the catalogue: {', '.join(columns.names)}"
    elif modality == "cooccurrence":
        source = "who wore it, of the training split: a new item has none"
    else:
        assert config.text is not None
        source = "titles" if config.text.source == "titles" else "the data set's own text vectors"
    if modality in inputs.tables:
        table = inputs.tables[modality]
        takes = TITLES if table.encoder is not None else ATTRIBUTES if table.attributes is not None else FEATURES
        unknown = table.unknown
        if table.components is not None:  # new items have features of full length
            layers = {item_type: _of_full_length(of_type, table.components) for item_type, of_type in layers.items()}
            unknown = {item_type: of_type @ table.components.T for item_type, of_type in unknown.items()}
        heads = ContentHeads(layers, table.normaliser, unknown, takes, source, table.encoder)
        return replace(heads, attributes=table.attributes)
    assert hashing.backbone is not None
    assert config.image is not None
    # in training, an item without a picture counted as plain grey
    grey = torch.tensor(GREY, dtype=torch.uint8, device=inputs.device).view(1, 3, 1, 1)
    with torch.no_grad():
        feature = _array(hashing.backbone(grey.repeat(1, 1, config.image.size, config.image.size))[0])
    nothing = Normaliser("none", np.zeros_like(feature), np.ones_like(feature))
    return ContentHeads(layers, nothing, dict.fromkeys(model.types, feature), TRAINED, source)


def _layers(head: nn.Module) -> tuple[Layer, ...]:
    """The linear layers of a head; ReLU stands between them, and dropout is not used after training."""
    linear = [layer for layer in head.children() if isinstance(layer, nn.Linear)]
    between = [layer for layer in head.children() if not isinstance(layer, nn.Linear | nn.Dropout)]
    assert len(between) == len(linear) - 1, head
    assert all(isinstance(layer, nn.ReLU) for layer in between), head
    return tuple(Layer(_array(layer.weight), None if layer.bias is None else _array(layer.bias)) for layer in linear)


def _of_full_length(layers: tuple[Layer, ...], components: np.ndarray) -> tuple[Layer, ...]:
    """The layers of a head that reads components, as one that reads the features: the first one takes them on."""
    first, *others = layers
    return (Layer(first.weight @ components.T, first.bias), *others)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float32)
