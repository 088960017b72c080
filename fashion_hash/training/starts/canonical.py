"""Codes of content that say what is worn together: canonical correlation of features, turned into bits.

What the features of a top say of the bottom that it is worn with is found by canonical correlation (Hotelling, 1936)
over the pairs of items of the training outfits: directions of both, the most telling ones first, each as long as what
it tells. One rotation (ITQ) then turns the space so that signs lose as little as possible, and the product of the bits
of two items says how well they go together. More than two item types are correlated all with all at once.
Shapes: N training items of a type, F feature, R directions, D bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from fashion_hash.core.outfits import EMPTY, Outfits, item_types, slot_pairs
from fashion_hash.training.starts.spectral import turned

RIDGE = 0.1  # of the variance of a feature, relative to their mean; chosen on validation of IQON3000
MOST = 256  # principal components of a type that are correlated

Numbers = npt.NDArray[np.float64]


def worn_together(
    positives: Outfits, features: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], num_bits: int, seed: int
) -> dict[str, Numbers]:
    """(N, D) by type: the training items where bits of items that are worn together agree.

    Args:
        positives: the training outfits.
        features: of all items by type, (., F).
        seen: by type, which items occur in training.
        num_bits: D.
        seed: of the rotation.
    """
    types = item_types(positives.slots)
    counts = _pairs(positives, seen)
    whitened = {}
    for name in types:
        often = sum(np.asarray(of.sum(axis=1)).ravel() for pair, of in counts.items() if pair[0] == name)
        whitened[name] = _whitened(features[name][seen[name]].astype(np.float64), np.asarray(often))
    total = sum(of.sum() for of in counts.values())
    rows = [
        np.concatenate([_cross(whitened[a], counts.get((a, b)), whitened[b]) for b in types], axis=1) for a in types
    ]
    values, vectors = np.linalg.eigh(np.concatenate(rows) / max(total, 1.0))
    first = np.argsort(-values)[:num_bits]
    first = first[values[first] > 0]
    bounds = np.cumsum([whitened[name].shape[1] for name in types])[:-1]
    directions = zip(types, np.split(vectors[:, first] * values[first], bounds))
    placed = [whitened[name] @ of_type for name, of_type in directions]
    return dict(zip(types, np.split(turned(np.concatenate(placed), num_bits, seed), _ends(placed))))


def _pairs(positives: Outfits, seen: Mapping[str, np.ndarray]) -> dict[tuple[str, str], csr_matrix]:
    """How often two training items are worn together and compared, by their types, in both orders."""
    row = {name: np.cumsum(mask) - 1 for name, mask in seen.items()}
    counts: dict[tuple[str, str], csr_matrix] = {}
    for a, b in slot_pairs(positives.slots):
        both = (positives.items[:, [a, b]] != EMPTY).all(axis=1)
        for one, other in ((a, b), (b, a)):
            pair = positives.slots[one], positives.slots[other]
            rows, columns = (row[positives.slots[of]][positives.items[both, of]] for of in (one, other))
            shape = tuple(int(seen[name].sum()) for name in pair)
            found = csr_matrix((np.ones(len(rows)), (rows, columns)), shape)
            counts[pair] = found if pair not in counts else counts[pair] + found
    return counts


def _whitened(features: Numbers, often: Numbers) -> Numbers:
    """(N, R) the principal components of features (N, F), each of variance 1 or, where they vary little, less."""
    weights = often / max(often.sum(), 1.0)
    features = features - weights @ features
    values, vectors = np.linalg.eigh((features * weights[:, None]).T @ features)
    values, vectors = np.maximum(values[::-1][:MOST], 0), vectors[:, ::-1][:, :MOST]
    ridge = RIDGE * values.sum() / features.shape[1] + 1e-12
    return np.asarray(features @ (vectors / np.sqrt(values + ridge)))


def _cross(left: Numbers, counts: csr_matrix | None, right: Numbers) -> Numbers:
    """(R, R') how the directions of two types go together; 0 where they are not compared."""
    if counts is None:
        return np.zeros((left.shape[1], right.shape[1]))
    return np.asarray(left.T @ (counts @ right))


def _ends(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.cumsum([len(part) for part in parts])[:-1]
