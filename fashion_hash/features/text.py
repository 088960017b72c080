"""Text features: the vectors of the data set, or vectors of its titles.

Shapes: N items of a type, F feature.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from fashion_hash.config.experiment import Config
from fashion_hash.core.seeds import derive
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.stores import vectors as stored
from fashion_hash.encoders.titles import TitleVectors
from fashion_hash.errors import ConfigError, FeatureError, counted
from fashion_hash.features.table import FeatureTable, make_table, train_items

log = logging.getLogger(__name__)

Vectors = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


def given_vectors(dataset: Dataset) -> Vectors:
    """The text vectors that came with the data set.

    Returns:
        By type, (N, F) float32 in row order, and (N,) bool: False for an item without a vector or with a
        zero vector.

    Raises:
        DataError: the file is broken, or contains more than vectors.
        FeatureError: the file does not exist, or has a vector for none of the items.
    """
    path = dataset.content.text_vectors
    if path is None:
        raise FeatureError(
            f"{dataset.name} has no text vectors (sentence_vector/semantic.pkl): add them, or set "
            "text.source to titles, or remove the section text from the configuration"
        )
    keys = list(dict.fromkeys(item_id for vocabulary in dataset.items.values() for item_id in vocabulary))
    vectors = stored.given_vectors(path, keys)
    dim = len(next(iter(vectors.values())))
    raw: dict[str, np.ndarray] = {}
    known: dict[str, np.ndarray] = {}
    for item_type, vocabulary in dataset.items.items():
        raw[item_type] = np.zeros((len(vocabulary), dim), dtype=np.float32)
        for row, item_id in enumerate(vocabulary):
            if item_id in vectors:
                raw[item_type][row] = vectors[item_id]
        known[item_type] = (raw[item_type] != 0).any(axis=1)
    if not any(mask.any() for mask in known.values()):
        total = sum(len(mask) for mask in known.values())
        raise FeatureError(
            f"{path} has a vector for none of the {total} items of {dataset.name}; its first key is "
            f"{next(iter(vectors))!r}: check that it belongs to this data set"
        )
    return raw, known


def titles_of(dataset: Dataset) -> dict[str, list[str]]:
    """By type, the title of every item in row order; empty for an item without a title."""
    return {
        item_type: [
            str(dataset.content.details.get(item_type, {}).get(item_id, {}).get("title", "")) for item_id in vocabulary
        ]
        for item_type, vocabulary in dataset.items.items()
    }


def fit_titles(dataset: Dataset, dim: int, seed: int = 0) -> TitleVectors:
    """An encoder fitted on the titles of the items that occur in training.

    Raises:
        FeatureError: none of them has a title.
    """
    titles, seen = titles_of(dataset), train_items(dataset)
    fitted = [
        title
        for item_type in dataset.types
        for title, in_training in zip(titles[item_type], seen[item_type])
        if in_training and title
    ]
    if not fitted:
        raise FeatureError(
            f"no training item of {dataset.name} has a title: add titles (items.csv, column title), "
            "or remove the section text from the configuration"
        )
    return TitleVectors.fit(fitted, dim, derive(seed, "titles"))


def title_vectors(dataset: Dataset, encoder: TitleVectors) -> Vectors:
    """The vectors of all titles: by type, (N, F) float32 and (N,) bool, False for a title without a known word."""
    encoded = {item_type: encoder.encode(titles) for item_type, titles in titles_of(dataset).items()}
    vectors = {item_type: of_type for item_type, (of_type, _) in encoded.items()}
    known = {item_type: mask for item_type, (_, mask) in encoded.items()}
    return vectors, known


def text_table(config: Config, dataset: Dataset, encoder: TitleVectors | None = None) -> FeatureTable:
    """The text features of all items, as set in the section text of the configuration.

    Args:
        config: chooses between vectors and titles.
        dataset: the items.
        encoder: an already fitted title encoder; None fits one.

    Raises:
        ConfigError: the configuration has no section text.
        FeatureError: the data set has no vectors or no titles.
    """
    if config.text is None:
        raise ConfigError("the configuration has no section text, so there are no text features")
    if config.text.source == "vectors":
        encoder = None
        raw, known = given_vectors(dataset)
    else:
        encoder = encoder or fit_titles(dataset, config.text.dim, config.seed)
        raw, known = title_vectors(dataset, encoder)
    table = replace(make_table(dataset, "text", raw, known, config.text.normalise), encoder=encoder)
    if without := sum(table.imputed.values()):
        items = counted(without, "item has", "items have")
        log.warning("%s: %s no known words; each gets the mean feature of its type", dataset.name, items)
    return table
