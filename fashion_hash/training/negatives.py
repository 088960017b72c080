"""The negatives of an experiment: which of the ways to draw them, and how they change over the epochs.

Shapes: N training positives, B of a batch, K negatives for each, C candidates of a step, S slots.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.config_training import NegativesConfig
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.negatives import NegativeSampler, fixed_negatives, hard_share
from fashion_hash.data.outfits import EMPTY
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.training.batches import Candidates


class EpochNegatives:
    """Draws the negatives of each epoch for all training positives.

    Raises:
        ConfigError: an item type to swap that does not exist, or fixed negatives that no file holds.
    """

    def __init__(self, config: NegativesConfig, dataset: Dataset, epochs: int) -> None:
        split = dataset.split("train")
        self._config = config
        self._epochs = epochs
        self._positives = split.positives
        self._sampler = NegativeSampler(split.positives, swap=config.swap, popularity=config.popularity)
        self._drawn = np.empty((len(split.positives), 0, len(dataset.slots)), dtype=np.int32)
        self._groups = split.negatives.get(config.file)
        if config.kind == "fixed" and self._groups is None:
            raise ConfigError(
                f"negatives.file: the training split of {dataset.name} has no {config.file!r} negatives"
                f"{suggest(config.file, split.negatives)}; it has {sorted(split.negatives)}"
            )
        self._likers: dict[str, _Likers] = {}
        if config.kind == "shared":
            self._likers = {kind: _Likers(dataset, kind) for kind in self._sampler.swap}

    def start_epoch(self, epoch: int, rng: np.random.Generator) -> None:
        """Draws what is drawn for all positives at once."""
        count = self._config.per_positive
        if self._config.kind == "hard":
            self._drawn = self._sampler.hard(rng, count)
        elif self._config.kind == "mixed":
            self._drawn = self._sampler.mixed(rng, count, hard_share(epoch, self._epochs, *self._config.hard_share))
        elif self._config.kind == "fixed":
            assert self._groups is not None
            self._drawn = fixed_negatives(self._groups, rng, count)
        elif self._config.kind == "random" and self._config.items_a_batch is None:
            self._drawn = self._sampler.random(rng, count)

    def of_batch(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B, K, S) int32: K negatives of each positive of a batch; K = 0 when candidates are shared instead."""
        if self._config.kind == "random" and self._config.items_a_batch is not None:
            return self._sampler.random_from_few(rng, rows, self._config.per_positive, self._config.items_a_batch)
        return self._drawn[rows]

    def candidates(self, users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> Candidates | None:
        """Of kind shared: items for one slot, drawn for a batch; None for the other kinds.

        Args:
            users: (B,) rows.
            items: (B, S) the positives; a slot that is empty in all of them is not chosen.
        """
        if not self._likers:
            return None
        slots = self._positives.slots
        open_slots = [
            slot for slot, kind in enumerate(slots) if kind in self._sampler.swap and (items[:, slot] != EMPTY).any()
        ]
        slot = open_slots[int(rng.integers(len(open_slots)))]
        drawn = self._sampler.pools[slots[slot]].draw(rng, self._config.per_positive).astype(np.int64)
        rows, columns = self._likers[slots[slot]].pairs(users, drawn)
        empty = np.flatnonzero(items[:, slot] == EMPTY)  # an outfit without the slot is compared with nothing
        rows = np.concatenate([rows, np.repeat(empty, len(drawn))])
        columns = np.concatenate([columns, np.tile(np.arange(len(drawn)), len(empty))])
        return Candidates(slot, drawn, (rows, columns))


class _Likers:
    """Who wears the items of a type in training: an item one likes is no negative."""

    def __init__(self, dataset: Dataset, kind: str) -> None:
        positives = dataset.split("train").positives
        wearing = [
            np.stack([positives.items[:, slot], positives.users], axis=1)[positives.items[:, slot] != EMPTY]
            for slot, one in enumerate(dataset.slots)
            if one == kind
        ]
        pairs = np.unique(np.concatenate(wearing), axis=0)  # sorted by item
        self._users = pairs[:, 1]
        self._start = np.searchsorted(pairs[:, 0], np.arange(len(dataset.items[kind]) + 1))

    def pairs(self, users: np.ndarray, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (row, column) of every pair of a user, (B,), who likes an item, (C,)."""
        columns, likers = _expand(self._start[items], self._start[items + 1])
        order = np.argsort(users, kind="stable")
        ordered = users[order]
        likers = self._users[likers]
        pair, row = _expand(np.searchsorted(ordered, likers), np.searchsorted(ordered, likers, side="right"))
        return order[row], columns[pair]


def _expand(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All numbers of the ranges [start, stop), and which range each belongs to: (which, number)."""
    length = stop - start
    which = np.repeat(np.arange(len(length)), length)
    within = np.arange(len(which)) - np.repeat(np.cumsum(length) - length, length)
    return which, start[which] + within
