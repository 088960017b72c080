"""Feature tables: the normalised features of all items of all types in one modality.

Shapes: N items of a type, F feature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.encoders.attributes import AttributeVectors
from fashion_hash.encoders.titles import TitleVectors
from fashion_hash.errors import FeatureError
from fashion_hash.inference.normaliser import Normalise, Normaliser

_SMALL = 1e-10
"""Components of less than this share of the largest variance are rounding."""


@dataclass(frozen=True)
class FeatureTable:
    """The features of one modality, row by row of the item vocabularies.

    An item without a feature gets the mean feature of the training items of its type, so that every item
    has a code in every modality; `known` marks the items with a feature of their own.

    Attributes:
        modality: "image", "text", "cooccurrence" or "attributes".
        features: by type, (N, F) float32, normalised.
        known: by type, (N,) bool.
        normaliser: turns raw features into these.
        unknown: by type, (F,) float32: the feature of an item without one.
        encoder: makes the raw features of new titles; None unless the features come from titles.
        attributes: makes the raw features of columns; None unless the features come from them.
        components: (G, F) float32: the orthonormal directions that normalised features of length G were reduced to;
            None where they were not.
        digest: of the features before that.
    """

    modality: str
    features: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    normaliser: Normaliser
    unknown: Mapping[str, np.ndarray]
    encoder: TitleVectors | None = None
    attributes: AttributeVectors | None = None
    components: np.ndarray | None = None
    digest: str | None = None

    @property
    def dim(self) -> int:
        """F, the length of a feature."""
        return int(self.normaliser.centre.shape[0] if self.components is None else self.components.shape[1])

    @property
    def imputed(self) -> dict[str, int]:
        """By type, the number of items without a feature of their own."""
        return {item_type: int((~known).sum()) for item_type, known in self.known.items()}

    def prepare(self, item_type: str, raw: np.ndarray | None) -> np.ndarray:
        """The (F,) feature of a new item, from its raw feature; None stands for an unknown one."""
        if raw is None:
            return self.unknown[item_type]
        feature = self.normaliser(raw[None])[0]
        return feature if self.components is None else np.asarray(feature @ self.components)

    def digest_of_features(self, types: Sequence[str]) -> str:
        """What tells these features from others, before they were reduced to components."""
        if self.digest is not None:
            return self.digest
        digest = hashlib.sha256()
        for item_type in types:
            digest.update(np.ascontiguousarray(self.features[item_type]).data)
        return digest.hexdigest()


def reduced(table: FeatureTable, dataset: Dataset, count: int | None) -> FeatureTable:
    """The features by their first principal components over the known training items, all types together.

    Directions are those of the second moments about 0, so that a linear head on the components is one on the features.

    Args:
        table: of the features as they are.
        dataset: the items.
        count: how many components; None for the table itself.

    Returns:
        A table of at most `count` components, and no more than F or than there are training items.
    """
    if count is None:
        return table
    seen = train_items(dataset)
    known = np.concatenate([table.features[name][seen[name] & table.known[name]] for name in dataset.types])
    points = known.astype(np.float64)
    if len(points) < points.shape[1]:  # the smaller of the two matrices has the same values
        values, left = np.linalg.eigh(points @ points.T)
        kept = np.flatnonzero(values > _SMALL * values[-1])[::-1][:count]
        components = points.T @ (left[:, kept] / np.sqrt(values[kept]))
    else:
        values, right = np.linalg.eigh(points.T @ points)
        components = right[:, np.flatnonzero(values > _SMALL * values[-1])[::-1][:count]]
    largest = components[np.abs(components).argmax(axis=0), np.arange(components.shape[1])]
    components = (components * np.where(largest < 0, -1.0, 1.0)).astype(np.float32)
    return replace(
        table,
        features={name: of_type @ components for name, of_type in table.features.items()},
        unknown={name: of_type @ components for name, of_type in table.unknown.items()},
        components=components,
        digest=table.digest_of_features(dataset.types),
    )


def train_items(dataset: Dataset) -> dict[str, np.ndarray]:
    """By type, (N,) bool: True where the item occurs in a training outfit."""
    positives = dataset.split("train").positives
    seen = {item_type: np.zeros(len(dataset.items[item_type]), dtype=bool) for item_type in dataset.types}
    for position, item_type in enumerate(dataset.slots):
        rows = positives.items[:, position]
        seen[item_type][rows[rows != EMPTY]] = True
    return seen


def make_table(
    dataset: Dataset,
    modality: str,
    raw: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    normalise: Normalise = "none",
) -> FeatureTable:
    """Normalises raw features and fills in the unknown ones.

    Args:
        dataset: the items; the statistics come from its training outfits.
        modality: for messages, "image" or "text".
        raw: by type, (N, F) float32; may be overwritten; the rows of unknown items are ignored.
        known: by type, (N,) bool.
        normalise: "none", "l2" or "standard" (over all types' training items together).

    Raises:
        FeatureError: no training item has a known feature, or a known feature is not finite.
    """
    known = _with_given(dataset, modality, raw, known)
    seen = train_items(dataset)
    train = {item_type: np.flatnonzero(known[item_type] & seen[item_type]) for item_type in dataset.types}
    for item_type in dataset.types:
        finite = np.isfinite(raw[item_type].sum(axis=1, dtype=np.float64))
        if (broken := np.flatnonzero(known[item_type] & ~finite)).size:
            raise FeatureError(
                f"the {modality} feature of {item_type} {dataset.items[item_type].ids[broken[0]]!r} holds NaN or "
                f"infinity ({broken.size} such items): extract or convert it again"
            )
    if not any(rows.size for rows in train.values()):
        total = sum(int(mask.sum()) for mask in seen.values())
        raise FeatureError(
            f"no training item of {dataset.name} (of {total:,}) has a known {modality}: "
            f"check the source of its {modality} content, or leave this modality out"
        )

    dim = raw[dataset.types[0]].shape[1]
    normaliser = Normaliser.fit(
        normalise,
        dim,
        lambda: (block for item_type in dataset.types for block in _blocks(raw[item_type], train[item_type])),
    )
    means: dict[str, np.ndarray] = {}
    for item_type, rows in train.items():
        if rows.size:
            sums = [normaliser(block).sum(axis=0, dtype=np.float64) for block in _blocks(raw[item_type], rows)]
            means[item_type] = np.sum(sums, axis=0) / rows.size
    overall = np.mean(list(means.values()), axis=0)  # for a type that has no known training item
    unknown = {item_type: np.asarray(means.get(item_type, overall), dtype=np.float32) for item_type in dataset.types}
    features = {}
    for item_type in dataset.types:
        features[item_type] = normaliser(raw[item_type])
        features[item_type][~known[item_type]] = unknown[item_type]
    return FeatureTable(modality, features, dict(known), normaliser, unknown)


def _with_given(
    dataset: Dataset, modality: str, raw: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """Fills in the features that came with the items themselves; returns which items have one now."""
    known = dict(known)
    for item_type, features in dataset.content.features.get(modality, {}).items():
        known[item_type] = known[item_type].copy()
        for item_id, feature in features.items():
            row, dim = dataset.items[item_type].row(item_id), raw[item_type].shape[1]
            if feature.shape != (dim,):
                raise FeatureError(
                    f"the {modality} feature that came with {item_type} {item_id!r} has shape {feature.shape}, but "
                    f"those of {dataset.name} have ({dim},): make it from the same source, or leave the item out"
                )
            raw[item_type][row], known[item_type][row] = feature, True
    return known


def _blocks(raw: np.ndarray, rows: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
    """Rows of an array in blocks of (size, F), because all of them may not fit in memory twice."""
    for start in range(0, len(rows), size):
        yield raw[rows[start : start + size]]


def usable_outfits(outfits: Outfits, known: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """The outfits that a model can learn from: every item is known in at least one modality.

    Args:
        outfits: N outfits; empty slots do not count.
        known: for each modality, the masks by type: `FeatureTable.known` for image and text,
            `train_items(dataset)` for ids.

    Returns:
        (N,) bool.

    Raises:
        FeatureError: there is no such outfit.
    """
    usable = np.ones(len(outfits), dtype=bool)
    for position, item_type in enumerate(outfits.slots):
        rows = outfits.items[:, position]
        is_known = np.any([mask[item_type] for mask in known], axis=0)
        usable &= np.append(is_known, True)[rows]  # EMPTY, -1, reads the last entry
    if len(outfits) and not usable.any():
        raise FeatureError(
            f"each of the outfits ({len(outfits):,}) contains an item without a known picture or words: "
            "there is nothing to learn from"
        )
    return usable
