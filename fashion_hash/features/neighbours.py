"""The nearest items of each item by a feature, for views of outfits in which an item is replaced.

Shapes: N items of one type, F feature, K neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import FeatureError
from fashion_hash.features.table import FeatureTable

EXACT_AT_MOST = 20_000  # items; above this, comparing all pairs takes longer than an epoch
AT_ONCE = 1024
PROBED = 16  # cells of the inverted file


def nearest_items(features: np.ndarray, usable: np.ndarray, neighbours: int, exact: bool | None = None) -> np.ndarray:
    """The K nearest items of each item by cosine, nearest first.

    Args:
        features: (N, F) float32; they need not be normalised.
        usable: (N,) bool: the items that get neighbours and can be neighbours.
        neighbours: K.
        exact: compare all pairs (numpy), or search only the nearest cells (an inverted file of faiss);
            None decides by the number of items.

    Returns:
        (N, K) int32 rows, padded with EMPTY (-1).

    Raises:
        FeatureError: the feature of a usable item is not finite.
    """
    nearest = np.full((len(features), neighbours), EMPTY, dtype=np.int32)
    rows = np.flatnonzero(usable)
    unit = np.ascontiguousarray(features[rows], dtype=np.float32)
    if not np.isfinite(unit).all():
        raise FeatureError("cannot find nearest items: a feature is NaN or infinite; extract or convert it again")
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    count = min(neighbours, len(rows) - 1)
    if count < 1:
        return nearest
    exact = len(rows) <= EXACT_AT_MOST if exact is None else exact
    positions = _all_pairs(unit, count) if exact else _cells(unit, count)
    nearest[rows, :count] = np.where(positions >= 0, rows[positions], EMPTY)
    return nearest


def _all_pairs(unit: np.ndarray, count: int) -> np.ndarray:
    """(N, count) positions; ties go to the lower position."""
    nearest = np.empty((len(unit), count), dtype=np.int64)
    for start in range(0, len(unit), AT_ONCE):
        similarity = unit[start : start + AT_ONCE] @ unit.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf  # an item is not its own neighbour
        best = np.sort(np.argpartition(-similarity, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
        nearest[start : start + len(similarity)] = np.take_along_axis(best, order, axis=1)
    return nearest


def _cells(unit: np.ndarray, count: int) -> np.ndarray:
    """(N, count) positions, -1 where the searched cells contain too few items."""
    import faiss  # takes half a second; small data sets do not need it

    quantiser = faiss.IndexFlatIP(unit.shape[1])
    index = faiss.IndexIVFFlat(quantiser, unit.shape[1], int(4 * len(unit) ** 0.5), faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = 5
    index.cp.min_points_per_centroid = 1
    index.train(unit)
    index.add(unit)
    index.nprobe = PROBED
    nearest = np.empty((len(unit), count), dtype=np.int64)
    for start in tqdm(range(0, len(unit), AT_ONCE), desc="nearest items", leave=False, disable=None):
        hits = index.search(unit[start : start + AT_ONCE], count + 1)[1]
        itself = np.arange(start, start + len(hits))[:, None]
        others = np.argsort(hits == itself, axis=1, kind="stable")[:, :count]  # the item itself is cut off
        nearest[start : start + len(hits)] = np.take_along_axis(hits, others, axis=1)
    return nearest


def content_features(
    dataset: Dataset, tables: Sequence[FeatureTable]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The features of all modalities by type: (N, F), and (N,) bool, True where every modality is known.

    Each modality has the same weight: its features are scaled to length 1, then concatenated.
    """
    features, known = {}, {}
    for item_type in dataset.types:
        parts = [table.features[item_type] for table in tables]
        units = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]
        features[item_type] = np.concatenate(units, axis=1)
        known[item_type] = np.all([table.known[item_type] for table in tables], axis=0)
    return features, known


def neighbour_tables(
    features: Mapping[str, np.ndarray], usable: Mapping[str, np.ndarray], neighbours: int
) -> dict[str, np.ndarray]:
    """`nearest_items` of every type."""
    return {item_type: nearest_items(features[item_type], usable[item_type], neighbours) for item_type in features}
