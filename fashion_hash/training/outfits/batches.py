"""From rows of outfits to what a training step needs: distinct items, and where each one goes.

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
    """Items that take the place of one slot's item in every positive of a batch.

    Attributes:
        slot: the slot.
        items: (C,) rows of items of its type.
        liked: (F,) rows of the batch and (F,) candidates: pairs that are no negatives, since the user
            is known to like the item.
    """

    slot: int
    items: np.ndarray
    liked: tuple[np.ndarray, np.ndarray]


class Shared(NamedTuple):
    """Candidates as tensors: positions (C,) within the batch's items; liked pairs as in `Candidates`."""

    slot: int
    positions: Tensor
    liked: tuple[Tensor, Tensor]


class Taught(NamedTuple):
    """What a teacher says of a batch: distances, float32.

    Attributes:
        reference: (B,) r'.
        positive: (B,) of the positives themselves.
        own: (B, K) of each positive's own negatives.
        shared: (B, C) of the candidates that all share; None where it does not judge them.
    """

    reference: Tensor
    positive: Tensor
    own: Tensor
    shared: Tensor | None = None


class Batch(NamedTuple):
    """One step's worth of outfits.

    Attributes:
        users: (B,) int64 rows.
        rows: by type, (N,) int64 rows of the distinct items.
        hidden: by type, (N,) bool: items that stand behind the unknown item of their type.
        positions: (B, L, S) int64 positions within `rows` of each slot's type, EMPTY if none.
        shared: negatives that all positives share, if there are any.
        views: (V, 2, S) positions of two views of each of the first V positives, for contrastive learning.
        taught: what a teacher says of the negatives.
    """

    users: Tensor
    rows: Mapping[str, Tensor]
    hidden: Mapping[str, Tensor]
    positions: Tensor
    shared: Shared | None = None
    views: Tensor | None = None
    taught: Taught | None = None


def make_batch(
    slots: Sequence[str],
    num_items: Mapping[str, int],
    users: np.ndarray,
    items: np.ndarray,
    hide: np.ndarray | None = None,
    candidates: Candidates | None = None,
    views: np.ndarray | None = None,
) -> Batch:
    """Gathers the distinct items of some outfits.

    Args:
        slots: item type of each slot.
        num_items: vocabulary size by type.
        users: (B,) rows.
        items: (B, L, S) rows, EMPTY where a slot is empty.
        hide: (B, S) bool, slots whose items are hidden, alike in the positive and its negatives;
            None for none.
        candidates: items that all positives are compared with, if there are any.
        views: (V, 2, S) rows of views of the first V positives, if there are any.
    """
    outfits = items.shape[1]
    if views is not None:
        nothing = np.full((len(items) - len(views), *views.shape[1:]), EMPTY, dtype=views.dtype)
        items = np.concatenate([items, np.concatenate([views, nothing])], axis=1)
    positions = np.full(items.shape, EMPTY, dtype=np.int64)
    rows, hidden, shared = {}, {}, None
    for kind in item_types(slots):
        here = [slot for slot, one in enumerate(slots) if one == kind]
        own = items[:, :, here].astype(np.int64)
        count = num_items[kind]
        # a hidden item is another one than the same item in sight: its key is raised by the count
        key = own if hide is None else own + count * hide[:, None, here]
        present = own != EMPTY
        wanted = key[present]
        offered = candidates is not None and slots[candidates.slot] == kind
        if candidates is not None and offered:
            wanted = np.concatenate([wanted, candidates.items])
        distinct, inverse = np.unique(wanted, return_inverse=True)
        count_here = int(present.sum())
        positions[:, :, here] = _spread(present, inverse[:count_here])
        if candidates is not None and offered:
            at = torch.from_numpy(inverse[count_here:])
            rows_of, columns = candidates.liked
            shared = Shared(candidates.slot, at, (torch.from_numpy(rows_of), torch.from_numpy(columns)))
        rows[kind] = torch.from_numpy(distinct % count)
        hidden[kind] = torch.from_numpy(distinct >= count)
    places = torch.from_numpy(positions)
    seen = None if views is None else places[: len(views), outfits:]
    return Batch(torch.from_numpy(users.astype(np.int64)), rows, hidden, places[:, :outfits], shared, seen)


def _spread(present: np.ndarray, values: np.ndarray) -> np.ndarray:
    spread = np.full(present.shape, EMPTY, dtype=np.int64)
    spread[present] = values
    return spread
