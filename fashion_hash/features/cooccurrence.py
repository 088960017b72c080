"""Features of items from the training outfits: who wears an item, what it is worn with, and how often.

There are two decompositions for two uses. The table is an input of models: it uses the wearers alone, adds
statistics, and is the same for every seed. The features find near items: they also use what an item is worn with.
Shapes: U users, N items of one type, F feature.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags

from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.seeds import derive
from fashion_hash.data.dataset import Dataset
from fashion_hash.features.table import FeatureTable, make_table, train_items

NEIGHBOUR_DIM = 64  # of the features that find near items
SEED = 0  # of the randomised SVD: a table belongs to the data, not to a run


def cooccurrence_table(dataset: Dataset, dim: int) -> FeatureTable:
    """The feature of every training item by its wearers; F = dim + 8, or less where users or items are few.

    The first numbers are a truncated SVD of log(1 + times worn), users by items, divided by the square roots of
    its row and column sums and multiplied by the singular values. The last eight are standardised statistics: the
    logarithms of 1 + times worn, 1 + wearers, 1 + most times worn by a single user, and 1 + mean number of items of
    its wearers; and whether it has one wearer, has two wearers, was worn at most once by each, and was worn once
    altogether. Items that do not occur in training are unknown.
    """
    from sklearn.utils.extmath import randomized_svd

    dim = min(dim, len(dataset.users) - 1, min(len(dataset.items[item_type]) for item_type in dataset.types) - 1)
    features = {}
    for item_type in dataset.types:
        items, users = _wearers(dataset, item_type)
        worn = _counts(users, items, (len(dataset.users), len(dataset.items[item_type])))
        weighted = worn.log1p()
        by_user, by_item = (np.maximum(np.asarray(weighted.sum(axis=axis)).ravel(), 1e-9) for axis in (1, 0))
        normalised = diags(by_user**-0.5) @ weighted @ diags(by_item**-0.5)
        state = derive(SEED, "cooccurrence", item_type) % 2**32
        _, values, vectors = randomized_svd(normalised, max(1, dim), random_state=state)
        placed = vectors.T * values
        placed /= max(float(placed.std()), 1e-9)
        features[item_type] = np.concatenate([placed, _statistics(worn)], axis=1).astype(np.float32)
    return make_table(dataset, "cooccurrence", features, train_items(dataset), "none")


def _statistics(worn: csr_matrix) -> np.ndarray:
    """(N, 8) standardised statistics of how often each user wears each item, (U, N)."""
    once = worn > 0
    wearers = np.asarray(once.sum(axis=0)).ravel()
    times = np.asarray(worn.sum(axis=0)).ravel()
    most = np.asarray(worn.max(axis=0).todense()).ravel()
    wardrobe = np.asarray(once.sum(axis=1)).ravel().astype(np.float64)
    mean_wardrobe = np.asarray(once.T @ wardrobe).ravel() / np.maximum(wearers, 1)
    counts = [np.log1p(values) for values in (times, wearers, most, mean_wardrobe)]
    statistics = np.stack([*counts, wearers == 1, wearers == 2, most == 1, times == 1], axis=1)
    return np.asarray((statistics - statistics.mean(axis=0)) / (statistics.std(axis=0) + 1e-9))


def cooccurrence_features(dataset: Dataset, seed: int) -> dict[str, np.ndarray]:
    """Features by who wears an item and what it is worn with in training: by type, (N, F) float32.

    A truncated SVD (scikit-learn) of the counts of items with users and with items of other types, weighted by
    TF-IDF; zero rows for items that do not occur in training.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    positives = dataset.split("train").positives
    starts, width = {}, len(dataset.users)
    for item_type in dataset.types:  # one column for each user, then one for each item of each type
        starts[item_type] = width
        width += len(dataset.items[item_type])
    features = {}
    for item_type in dataset.types:
        pairs = [_wearers(dataset, item_type)]
        for slot in (position for position, slot_type in enumerate(dataset.slots) if slot_type == item_type):
            for other_slot, other_type in enumerate(dataset.slots):
                if other_type != item_type:
                    column = positives.items[:, other_slot].astype(np.int64)
                    pairs.append(
                        (positives.items[:, slot], np.where(column == EMPTY, EMPTY, starts[other_type] + column))
                    )
        rows, columns = (np.concatenate(part) for part in zip(*pairs))
        counts = _counts(rows, columns, (len(dataset.items[item_type]), width))
        weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
        dim = max(1, min(NEIGHBOUR_DIM, min(weighted.shape) - 1))
        svd = TruncatedSVD(dim, n_iter=3, random_state=derive(seed, "cooccurrence", item_type) % 2**32)
        features[item_type] = svd.fit_transform(weighted).astype(np.float32)
    return features


def _wearers(dataset: Dataset, item_type: str) -> tuple[np.ndarray, np.ndarray]:
    """The items of a type in all training outfits, EMPTY for an empty slot, and the user of each."""
    positives = dataset.split("train").positives
    columns = [slot for slot, slot_type in enumerate(dataset.slots) if slot_type == item_type]
    return positives.items[:, columns].T.ravel(), np.tile(positives.users, len(columns))


def _counts(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> csr_matrix:
    """How often each pair occurs; pairs with EMPTY are not counted."""
    real = (rows != EMPTY) & (columns != EMPTY)
    return coo_matrix((np.ones(real.sum()), (rows[real], columns[real])), shape).tocsr()
