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
from fashion_hash.training.processes.group import part, rank, world


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


class OutfitCandidates(NamedTuple):
    """Outfits that every positive of a batch is compared with.

    Attributes:
        items: (C, S) rows, EMPTY where a slot is empty.
        liked: (F,) rows of the batch and (F,) candidates: pairs that are not negatives, because the user is known
            to like the outfit.
        log_weight: (C,) float32, what is added to the scores: minus the log of how often a candidate is drawn.
        numbers: (C,) which of the distinct training outfits they are.
        hide: (C, S) bool, slots whose items are hidden; None for none.
        own: (C,) int64 rows of their own codes, EMPTY for none; None where no outfit has any.
    """

    items: np.ndarray
    liked: tuple[np.ndarray, np.ndarray]
    log_weight: np.ndarray
    numbers: np.ndarray
    hide: np.ndarray | None = None
    own: np.ndarray | None = None


class SharedOutfits(NamedTuple):
    """Outfit candidates as tensors: positions (C, S) within the batch's items; the rest as in `OutfitCandidates`."""

    positions: Tensor
    liked: tuple[Tensor, Tensor]
    log_weight: Tensor
    own: Tensor | None = None


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
        outfits: whole outfits that all positives are compared with, if there are any.
        own: (B,) int64 rows of the own codes of the positives, EMPTY for none; None where no outfit has any.
        views: (V, 2, S) positions of two views of each of the first V positives, for contrastive learning.
        judged: the distances by a teacher, if there is one.
        weights: (B,) float32, how much each positive counts; None when all count the same.
        share: the rows of the batch that this process works on; None where it works on all.
        mine: by type, (N,) bool: items that no earlier process has in its share of the batch; None where it is not
            needed, or one process has the whole batch. Of several, each has a share of users, positions, views and own
            codes, with the items of these; all else is of the whole batch.
    """

    users: Tensor
    rows: Mapping[str, Tensor]
    hidden: Mapping[str, Tensor]
    positions: Tensor
    shared: Shared | None = None
    views: Tensor | None = None
    judged: Judged | None = None
    weights: Tensor | None = None
    outfits: SharedOutfits | None = None
    own: Tensor | None = None
    share: slice | None = None
    mine: Mapping[str, Tensor] | None = None


class Drawn(NamedTuple):
    """The outfits of a step as rows of the data set.

    Attributes:
        users: (B,) rows.
        items: (B, L, S) rows, EMPTY where a slot is empty.
        hide: (B, S) bool, slots whose items are hidden, both in the positive and in its negatives; None for none.
        candidates: items that all positives are compared with, if there are any.
        views: (V, 2, S) rows of views of the first V positives, if there are any.
        outfits: outfits that all positives are compared with, if there are any.
    """

    users: np.ndarray
    items: np.ndarray
    hide: np.ndarray | None = None
    candidates: Candidates | None = None
    views: np.ndarray | None = None
    outfits: OutfitCandidates | None = None

    def part(self, rows: slice) -> Drawn:
        """Some of the positives with what belongs to them; candidates stay as they are."""
        hide = None if self.hide is None else self.hide[rows]
        views = None if self.views is None else self.views[rows]
        return self._replace(users=self.users[rows], items=self.items[rows], hide=hide, views=views)


def make_share(slots: Sequence[str], num_items: Mapping[str, int], drawn: Drawn, *, once: bool = False) -> Batch:
    """The share of a batch that this process works on, of all processes that train together.

    Args:
        slots: item type of each slot.
        num_items: vocabulary size by type.
        drawn: the whole batch, which every process draws alike.
        once: whether to say which items no earlier process has.
    """
    rows = part(len(drawn.users))
    batch = make_batch(slots, num_items, drawn.part(rows))
    if world() == 1:
        return batch
    batch = batch._replace(share=rows)
    if not once:
        return batch
    mine = {item_type: torch.ones(len(of_type), dtype=torch.bool) for item_type, of_type in batch.rows.items()}
    if rank():
        before = make_batch(slots, num_items, drawn.part(slice(0, rows.start)))
        for item_type, count in num_items.items():
            here, earlier = (each.rows[item_type] + count * each.hidden[item_type] for each in (batch, before))
            mine[item_type] = ~torch.isin(here, earlier)
    return batch._replace(mine=mine)


def make_batch(slots: Sequence[str], num_items: Mapping[str, int], drawn: Drawn) -> Batch:
    """Collects the distinct items of outfits.

    Args:
        slots: item type of each slot.
        num_items: vocabulary size by type.
        drawn: the outfits.
    """
    items, hide, candidates = _every_outfit(drawn), _every_hidden(drawn), drawn.candidates  # (R, S)
    positions = np.full(items.shape, EMPTY, dtype=np.int64)
    rows, hidden, shared = {}, {}, None
    for item_type in item_types(slots):
        columns = [slot for slot, slot_type in enumerate(slots) if slot_type == item_type]
        of_type = items[:, columns].astype(np.int64)
        count = num_items[item_type]
        # a hidden item is distinct from the same item in sight: the count is added to its key
        key = of_type if hide is None else of_type + count * hide[:, columns]
        present = of_type != EMPTY
        keys = key[present]
        offered = candidates is not None and slots[candidates.slot] == item_type
        if candidates is not None and offered:
            keys = np.concatenate([keys, candidates.items])
        distinct, inverse = np.unique(keys, return_inverse=True)
        num_present = int(present.sum())
        positions[:, columns] = _spread(present, inverse[:num_present])
        if candidates is not None and offered:
            liked = (torch.from_numpy(candidates.liked[0]), torch.from_numpy(candidates.liked[1]))
            shared = Shared(candidates.slot, torch.from_numpy(inverse[num_present:]), liked)
        rows[item_type] = torch.from_numpy(distinct % count)
        hidden[item_type] = torch.from_numpy(distinct >= count)
    users, places = torch.from_numpy(drawn.users.astype(np.int64)), torch.from_numpy(positions)
    own = places[: drawn.items.shape[0] * drawn.items.shape[1]].reshape(drawn.items.shape)
    views = None
    if drawn.views is not None:
        views = places[len(own.flatten(0, 1)) :][: 2 * len(drawn.views)].reshape(drawn.views.shape)
    batch = Batch(users, rows, hidden, own, shared, views)
    if drawn.outfits is None:
        return batch
    of_candidates = places[len(places) - len(drawn.outfits.items) :]
    liked = (torch.from_numpy(drawn.outfits.liked[0]), torch.from_numpy(drawn.outfits.liked[1]))
    of_own = None if drawn.outfits.own is None else torch.from_numpy(drawn.outfits.own)
    log_weight = torch.from_numpy(drawn.outfits.log_weight)
    return batch._replace(outfits=SharedOutfits(of_candidates, liked, log_weight, of_own))


def _every_outfit(drawn: Drawn) -> np.ndarray:
    """(R, S) the outfits of a step one below the other: positives with negatives, views, candidates."""
    num_slots = drawn.items.shape[2]
    parts = [drawn.items, *([] if drawn.views is None else [drawn.views])]
    flat = [part.reshape(-1, num_slots) for part in parts]
    return np.concatenate(flat if drawn.outfits is None else [*flat, drawn.outfits.items])


def _every_hidden(drawn: Drawn) -> np.ndarray | None:
    """(R, S) bool, the hidden slots of `_every_outfit`; None for none."""
    if drawn.hide is None:
        return None
    parts = [np.repeat(drawn.hide, drawn.items.shape[1], axis=0)]
    if drawn.views is not None:
        parts.append(np.repeat(drawn.hide[: len(drawn.views)], 2, axis=0))
    if drawn.outfits is not None:
        hide = drawn.outfits.hide
        parts.append(np.zeros(drawn.outfits.items.shape, dtype=bool) if hide is None else hide)
    return np.concatenate(parts)


def _spread(present: np.ndarray, values: np.ndarray) -> np.ndarray:
    spread = np.full(present.shape, EMPTY, dtype=np.int64)
    spread[present] = values
    return spread
