"""Feature tables: for one modality, the feature of every item of every type, ready for the heads.

Shapes: N items of a type, F feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.encoders.titles import TitleVectors
from fashion_hash.errors import FeatureError
from fashion_hash.inference.normaliser import Normalise, Normaliser


@dataclass(frozen=True)
class FeatureTable:
    """The features of one modality, row by row of the item vocabularies.

    An item of which nothing is known has the mean feature of its type's training items, so that
    every item has a code in every modality; `known` tells which are real.

    Attributes:
        modality: "image" or "text".
        features: by type, (N, F) float32, normalised.
        known: by type, (N,) bool.
        normaliser: how raw features became these.
        unknown: by type, (F,) float32: what stands for an item of which nothing is known.
        encoder: what made the raw features of titles, for titles that arrive later.
    """

    modality: str
    features: Mapping[str, np.ndarray]
    known: Mapping[str, np.ndarray]
    normaliser: Normaliser
    unknown: Mapping[str, np.ndarray]
    encoder: TitleVectors | None = None

    @property
    def dim(self) -> int:
        """F, the length of a feature."""
        return int(self.normaliser.centre.shape[0])

    @property
    def imputed(self) -> dict[str, int]:
        """By type, the number of items of which nothing is known."""
        return {item_type: int((~known).sum()) for item_type, known in self.known.items()}

    def prepare(self, item_type: str, raw: np.ndarray | None) -> np.ndarray:
        """The (F,) feature of an item that is not in the table, from its raw one or from nothing."""
        return self.unknown[item_type] if raw is None else self.normaliser(raw[None])[0]


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
    """Normalises raw features and fills in what is not known.

    Args:
        dataset: whose items; its training outfits give the statistics.
        modality: for messages, "image" or "text".
        raw: by type, (N, F) float32, handed over for good; rows of unknown items are not looked at.
        known: by type, (N,) bool.
        normalise: "none", "l2" or "standard" (over all types' training items together).

    Raises:
        FeatureError: no training item is known at all, or a known feature is not finite.
    """
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
            f"none of the {total} training items of {dataset.name} has a known {modality}: "
            f"check where its {modality} content comes from, or leave this modality out"
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
    everything = np.mean(list(means.values()), axis=0)  # for a type that has no known training item
    unknown = {item_type: np.asarray(means.get(item_type, everything), dtype=np.float32) for item_type in dataset.types}
    features = {}
    for item_type in dataset.types:
        features[item_type] = normaliser(raw[item_type])
        features[item_type][~known[item_type]] = unknown[item_type]
    return FeatureTable(modality, features, dict(known), normaliser, unknown)


def _blocks(raw: np.ndarray, rows: np.ndarray, size: int = 4096) -> Iterator[np.ndarray]:
    """Some rows of an array, (size, F) at a time: there may be gigabytes of them."""
    for start in range(0, len(rows), size):
        yield raw[rows[start : start + size]]


def usable_outfits(outfits: Outfits, known: Sequence[Mapping[str, np.ndarray]]) -> np.ndarray:
    """Which outfits a model can learn from: those of whose every item some modality is known.

    Args:
        outfits: N outfits; empty slots do not count.
        known: for each modality the masks by type: `FeatureTable.known` of image and text,
            `train_items(dataset)` of ids.

    Returns:
        (N,) bool.

    Raises:
        FeatureError: no outfit remains.
    """
    usable = np.ones(len(outfits), dtype=bool)
    for position, item_type in enumerate(outfits.slots):
        rows = outfits.items[:, position]
        is_known = np.any([mask[item_type] for mask in known], axis=0)
        usable &= np.append(is_known, True)[rows]  # EMPTY, -1, reads the last entry
    if len(outfits) and not usable.any():
        raise FeatureError(
            f"each of the {len(outfits)} outfits holds an item of which neither picture nor words are known: "
            "nothing remains to learn from"
        )
    return usable
