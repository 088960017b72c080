"""The heads of a modality as plain arrays, and the features that they read.

Shapes: N items, F features, D bits.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fashion_hash.errors import FeatureError, counted
from fashion_hash.inference.layers import Layer
from fashion_hash.inference.normaliser import Normaliser

if TYPE_CHECKING:
    from fashion_hash.encoders.attributes import AttributeVectors
    from fashion_hash.encoders.pictures.contract import PictureEncoder
    from fashion_hash.encoders.titles import TitleVectors

log = logging.getLogger(__name__)

FEATURES, TITLES, ATTRIBUTES, TRAINED = "features", "titles", "attributes", "trained pictures"


@dataclass(frozen=True)
class ContentHeads:
    """The heads of a modality that is computed from the content of items.

    Attributes:
        layers: by item type, the layers of its head; types may share a head.
        normaliser: applied to raw features.
        unknown: by type, (F,) float32: the normalised feature of an item without content.
        takes: "features" (vectors made elsewhere), "titles", "attributes" (columns of the catalogue), or "trained
            pictures": features of a backbone that was trained with the heads and needs torch.
        source: where the features come from, for messages ("alexnet at 291 px, weights hub").
        titles: the encoder of titles, if the heads take titles.
        pictures: the encoder that made the features from pictures; None where nothing is known of it.
        attributes: the encoder of columns, if the heads take attributes.
    """

    layers: Mapping[str, tuple[Layer, ...]]
    normaliser: Normaliser
    unknown: Mapping[str, np.ndarray]
    takes: str
    source: str
    titles: TitleVectors | None = None
    pictures: PictureEncoder | None = None
    attributes: AttributeVectors | None = None

    @property
    def dim(self) -> int:
        """F, the length of a raw feature."""
        return int(self.normaliser.centre.shape[0])


@dataclass(frozen=True)
class IdHeads:
    """The modality id: a new item gets the code of the unknown item of its type.

    Attributes:
        unknown: by type, (D,) float32; the signs are the code of the unknown item.
    """

    unknown: Mapping[str, np.ndarray]


Heads = ContentHeads | IdHeads


class Content(NamedTuple):
    """What is known of N items in one modality, None where nothing is."""

    features: Sequence[np.ndarray | None]
    titles: Sequence[str | None]
    pictures: Sequence[bytes | None]
    details: Sequence[Mapping[str, object] | None]


def content_inputs(modality: str, heads: ContentHeads, item_type: str, content: Content) -> np.ndarray:
    """The inputs of the heads, (N, F) float32: normalised, with unknown features filled in."""
    features = content.features
    has_feature = np.array([feature is not None for feature in features], dtype=bool)
    if heads.attributes is not None:
        raw, known = _of_columns(modality, heads.attributes, content)
    elif heads.titles is not None:
        if has_feature.any():
            raise FeatureError(f"the {modality} of this bundle comes from titles: give titles instead of features")
        raw, known = heads.titles.encode([title or "" for title in content.titles])
    else:
        if has_feature.any() and heads.takes == TRAINED:
            raise FeatureError(
                f"the {modality} features of this bundle come from a backbone that was trained with it "
                f"({heads.source}), so a feature made elsewhere would give a wrong code: leave {modality} out "
                f"(the item then counts as unknown), or train with {modality}.mode frozen"
            )
        raw, known = np.zeros((len(features), heads.dim), dtype=np.float32), has_feature
        for row, feature in enumerate(features):
            if feature is not None:
                raw[row] = _checked(modality, heads, row, feature)
        rows = [row for row, picture in enumerate(content.pictures) if picture is not None and not has_feature[row]]
        if rows and heads.pictures is not None:
            raw[rows] = heads.pictures.encode_pictures([content.pictures[row] for row in rows])
            known = known.copy()
            known[rows] = True
        elif rows:
            log.warning(
                "the pictures of %s are shown, but have no part in their codes: this bundle does not say what "
                "made its image features; export it again, or give features",
                counted(len(rows), "item"),
            )
        if modality == "text":  # as in training, a text vector of zeros means unknown
            known = known & (raw != 0).any(axis=1)
    inputs = heads.normaliser(raw)
    return np.where(known[:, None], inputs, heads.unknown[item_type])


def _of_columns(modality: str, columns: AttributeVectors, content: Content) -> tuple[np.ndarray, np.ndarray]:
    if any(feature is not None for feature in content.features):
        raise FeatureError(
            f"the {modality} of this bundle come from columns of the catalogue: give {', '.join(columns.names)}, not "
            "features"
        )
    return columns.encode([details or {} for details in content.details])


def _checked(modality: str, heads: ContentHeads, row: int, feature: np.ndarray) -> np.ndarray:
    feature = np.asarray(feature)
    if feature.shape != (heads.dim,):
        raise FeatureError(
            f"the {modality} feature of item {row} has shape {feature.shape}, but this bundle takes ({heads.dim},): "
            f"{heads.source}"
        )
    if feature.dtype.kind not in "fiu" or not np.isfinite(feature).all():
        raise FeatureError(
            f"the {modality} feature of item {row} has values that are not finite numbers: make it again"
        )
    return feature
