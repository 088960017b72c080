"""Batches of outfits: the distinct items of a step, and their positions in the outfits.

An item that occurs ten times in a batch is hashed once. Shapes: B positives, L outfits for each
(the positive first, then its negatives), S slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fashion_hash.core.outfits import EMPTY, item_types


class Candidates(NamedTuple):
    """Items that replace the item of one slot in every positive of a batch.

    Attributes:
        slot: the slot.
        items: (C,) rows of items of its type.
        liked: (F,) rows of the batch and (F,) candidates: pairs that are not negatives, because the user is
            known to like the item.
    """

    slot: int
    items: np.ndarray
    liked: tuple[np.ndarray, np.ndarray]


class Shared(NamedTuple):
    """Candidates as tensors: positions (C,) within the batch's items; liked pairs as in `Candidates`."""

    slot: int
    positions: Tensor
    liked: tuple[Tensor, Tensor]


class Judged(NamedTuple):
    """The distances of a batch by a teacher, float32.

    Attributes:
        reference: (B,) the references r'.
        positive: (B,) of the positives.
        negative: (B, K) of each positive's own negatives.
        shared: (B, C) of the candidates that all positives share; None if the teacher does not judge them.
    """

    reference: Tensor
    positive: Tensor
    negative: Tensor
    shared: Tensor | None = None


class Batch(NamedTuple):
    """The outfits of a training step.

    Attributes:
        users: (B,) int64 rows.
        rows: by type, (N,) int64 rows of the distinct items.
        hidden: by type, (N,) bool: items that are replaced by the unknown item of their type.
        positions: (B, L, S) int64 positions within `rows` of each slot's type, EMPTY if none.
        shared: negatives that all positives share, if there are any.
        views: (V, 2, S) positions of two views of each of the first V positives, for contrastive learning.
        judged: the distances by a teacher, if there is one.
        weights: (B,) float32, how much each positive counts; None when all count the same.
    """

    users: Tensor
    rows: Mapping[str, Tensor]
    hidden: Mapping[str, Tensor]
    positions: Tensor
    shared: Shared | None = None
    views: Tensor | None = None
    judged: Judged | None = None
    weights: Tensor | None = None


class Drawn(NamedTuple):
    """The outfits of a step as rows of the data set.

    Attributes:
        users: (B,) rows.
        items: (B, L, S) rows, EMPTY where a slot is empty.
        hide: (B, S) bool, slots whose items are hidden, both in the positive and in its negatives; None for none.
        candidates: items that all positives are compared with, if there are any.
        views: (V, 2, S) rows of views of the first V positives, if there are any.
    """

    users: np.ndarray
    items: np.ndarray
    hide: np.ndarray | None = None
    candidates: Candidates | None = None
    views: np.ndarray | None = None


def make_batch(slots: Sequence[str], num_items: Mapping[str, int], drawn: Drawn) -> Batch:
    """Collects the distinct items of outfits.

    Args:
        slots: item type of each slot.
        num_items: vocabulary size by type.
        drawn: the outfits.
    """
    outfits, items, candidates = drawn.items.shape[1], drawn.items, drawn.candidates
    if drawn.views is not None:
        filler = np.full((len(items) - len(drawn.views), *drawn.views.shape[1:]), EMPTY, dtype=drawn.views.dtype)
        items = np.concatenate([items, np.concatenate([drawn.views, filler])], axis=1)
    positions = np.full(items.shape, EMPTY, dtype=np.int64)
    rows, hidden, shared = {}, {}, None
    for item_type in item_types(slots):
        columns = [slot for slot, slot_type in enumerate(slots) if slot_type == item_type]
        of_type = items[:, :, columns].astype(np.int64)
        count = num_items[item_type]
        # a hidden item is distinct from the same item in sight: the count is added to its key
        key = of_type if drawn.hide is None else of_type + count * drawn.hide[:, None, columns]
        present = of_type != EMPTY
        keys = key[present]
        offered = candidates is not None and slots[candidates.slot] == item_type
        if candidates is not None and offered:
            keys = np.concatenate([keys, candidates.items])
        distinct, inverse = np.unique(keys, return_inverse=True)
        num_present = int(present.sum())
        positions[:, :, columns] = _spread(present, inverse[:num_present])
        if candidates is not None and offered:
            liked = (torch.from_numpy(candidates.liked[0]), torch.from_numpy(candidates.liked[1]))
            shared = Shared(candidates.slot, torch.from_numpy(inverse[num_present:]), liked)
        rows[item_type] = torch.from_numpy(distinct % count)
        hidden[item_type] = torch.from_numpy(distinct >= count)
    places = torch.from_numpy(positions)
    views = None if drawn.views is None else places[: len(drawn.views), outfits:]
    return Batch(torch.from_numpy(drawn.users.astype(np.int64)), rows, hidden, places[:, :outfits], shared, views)


def _spread(present: np.ndarray, values: np.ndarray) -> np.ndarray:
    spread = np.full(present.shape, EMPTY, dtype=np.int64)
    spread[present] = values
    return spread
