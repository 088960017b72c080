"""What a fitted click model says of outfits and of the items of an open slot.

A model over outfits scores the pool as it is; one over items scores an outfit by the mean of its items, so it can score
outfits that nobody had in training. An open slot is scored by the user and by the chosen items: see `slot_scores`.
Shapes: B users or outfits of a block, N outfits or items, C columns, S slots.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from fashion_hash.core.outfits import EMPTY, Outfits
from fashion_hash.data.dataset import Dataset
from fashion_hash.evaluation.baselines.clicks import Floats, Integers, ItemColumns, ScoreColumns
from fashion_hash.evaluation.baselines.neighbours import similarities
from fashion_hash.evaluation.protocols import Score
from fashion_hash.evaluation.ranking.scores import ScoreItems, ScoreOutfits

USERS_AT_ONCE = 64
PARTNERS, SHRINKAGE = 1000, 10.0
"""Of co-occurrence: how many partners an item keeps, and what draws the similarity of rare items to 0."""


def pool_scores(by_item: ScoreColumns, dataset: Dataset) -> ScoreOutfits:
    """The outfits of the pool by the mean of their items."""
    outfits = dataset.outfits
    columns = ItemColumns.of(dataset)
    of_items = columns.columns(outfits.slots, outfits.items)
    rows, slots = np.nonzero(of_items != EMPTY)
    share = (1.0 / np.maximum(outfits.mask.sum(axis=1), 1)).astype(np.float32)
    members = csr_matrix((share[rows], (rows, of_items[rows, slots])), shape=(len(outfits), columns.total))

    def score(users: Integers) -> Floats:
        return np.asarray((members @ np.ascontiguousarray(by_item(users).T)).T)

    return score


def outfit_scores(by_item: ScoreColumns, dataset: Dataset) -> Score:
    """Any outfits by the mean of their items; empty slots are skipped."""
    columns = ItemColumns.of(dataset)

    def score(outfits: Outfits) -> npt.NDArray[np.float64]:
        order = np.argsort(outfits.users, kind="stable")
        users, first = np.unique(outfits.users[order], return_index=True)
        ends = np.append(first[1:], len(order))
        of_items = columns.columns(outfits.slots, outfits.items)
        scores = np.zeros(len(outfits))
        for start in range(0, len(users), USERS_AT_ONCE):
            block = users[start : start + USERS_AT_ONCE].astype(np.int64)
            table = by_item(block)
            rows = order[first[start] : ends[start + len(block) - 1]]
            place = np.searchsorted(block, outfits.users[rows])
            values = np.where(of_items[rows] == EMPTY, 0.0, table[place[:, None], of_items[rows]])
            scores[rows] = values.sum(axis=1, dtype=np.float64)
        return np.asarray(scores / np.maximum(outfits.mask.sum(axis=1), 1))

    return score


def co_occurrence(dataset: Dataset) -> csr_matrix:
    """(C, C) how often items are worn together in training outfits, as a shrunk cosine; see `similarities`."""
    train, columns = dataset.split("train").positives, ItemColumns.of(dataset)
    outfits = train.distinct()
    of_items = columns.columns(outfits.slots, outfits.items)
    rows, slots = np.nonzero(of_items != EMPTY)
    ones = np.ones(len(rows), np.float32)
    worn = csr_matrix((ones, (of_items[rows, slots], rows)), shape=(columns.total, len(outfits)))
    worn.data[:] = 1.0
    return similarities(worn, PARTNERS, SHRINKAGE)


def slot_scores(by_item: ScoreColumns, dataset: Dataset, together: csr_matrix, weight: float) -> ScoreItems:
    """All items of an open slot's type, by what the user has and by what the chosen items are worn with.

    Either part of a row is divided by its greatest absolute value, so that `weight` says how much the second counts:
    user + weight * sum over the chosen items of their co-occurrence with the candidate.

    Args:
        by_item: scores of all items for users.
        dataset: the data.
        together: see `co_occurrence`.
        weight: of the co-occurrence; 0 leaves the user alone.
    """
    columns = ItemColumns.of(dataset)
    by_type = {item_type: together[:, columns.slice(item_type)].tocsr() for item_type in dataset.types}

    def score(outfits: Outfits, slot: int) -> Floats:
        item_type = outfits.slots[slot]
        users, which = np.unique(outfits.users.astype(np.int64), return_inverse=True)
        scores = _to_one(by_item(users)[:, columns.slice(item_type)])[which]
        if not weight:
            return scores
        of_items = columns.columns(outfits.slots, outfits.items)
        of_items[:, slot] = EMPTY
        rows, slots = np.nonzero(of_items != EMPTY)
        shape = (len(outfits), columns.total)
        chosen = csr_matrix((np.ones(len(rows), np.float32), (rows, of_items[rows, slots])), shape=shape)
        return scores + np.float32(weight) * _to_one((chosen @ by_type[item_type]).toarray())

    return score


def _to_one(scores: npt.NDArray[np.floating]) -> Floats:
    """Each row divided by its greatest absolute value; a row of zeros stays."""
    largest = np.abs(scores).max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(scores / np.where(largest > 0, largest, 1.0), dtype=np.float32)
