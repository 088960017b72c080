"""The negatives of an experiment: which of the ways to draw them, and how they change over the epochs.

Shapes: N training positives, B of a batch, K negatives for each, C candidates of a step, S slots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from fashion_hash.config.training import NegativesConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import Dataset
from fashion_hash.data.negatives import NegativeSampler, fixed_negatives, hard_share
from fashion_hash.errors import ConfigError, suggest
from fashion_hash.training.outfits.batches import Candidates


class EpochNegatives:
    """Draws the negatives of each epoch for all training positives.

    Args:
        config: which.
        dataset: its training split.
        epochs: of the whole run.
        beside: of kind shared, K random negatives for each positive beside those that all share.

    Raises:
        ConfigError: an item type to swap that does not exist, fixed negatives that no file holds, or more
            negatives a positive than there are different ones. (Fixed ones are repeated then.)
    """

    def __init__(self, config: NegativesConfig, dataset: Dataset, epochs: int, beside: int = 0) -> None:
        split = dataset.split("train")
        self._config = config
        self._epochs = epochs
        self._positives = split.positives
        self._sampler = NegativeSampler(split.positives, swap=config.swap, popularity=config.popularity)
        self._drawn = np.empty((len(split.positives), 0, len(dataset.slots)), dtype=np.int32)
        self._beside = beside
        self._groups = split.negatives.get(config.file)
        if config.kind == "fixed" and self._groups is None:
            raise ConfigError(
                f"negatives.file: the training split of {dataset.name} has no {config.file!r} negatives"
                f"{suggest(config.file, split.negatives)}; it has {sorted(split.negatives)}"
            )
        self._likers: dict[str, _Likers] = {}
        if config.kind == "shared":
            self._likers = {item_type: _Likers(dataset, item_type) for item_type in self._sampler.swap}
        self._check_count()

    def _check_count(self) -> None:
        """Refuses more negatives a positive than can differ."""
        count = self._config.per_positive
        pools = {item_type: self._sampler.pools[item_type].items for item_type in self._sampler.swap}
        if self._config.kind == "shared":
            for item_type, pool in pools.items():
                if count > len(pool):
                    raise ConfigError(
                        f"negatives.per_positive: {count} shared items a step, but the training outfits hold "
                        f"{len(pool)} different {item_type} items: draw at most so many"
                    )
        if self._config.kind in ("random", "mixed") or self._beside:
            key = "teacher.per_positive" if self._beside else "negatives.per_positive"
            self._refuse(key, self._beside or count, "random", self._fewest_mixes(pools))
        if self._config.kind in ("hard", "mixed"):
            busiest = np.bincount(self._positives.users).argmax()
            busiest_outfits = self._positives[self._positives.users == busiest].distinct()
            outfits = len(self._positives.distinct()) - len(busiest_outfits)
            self._refuse("negatives.per_positive", count, "hard", outfits)

    def _fewest_mixes(self, pools: Mapping[str, np.ndarray]) -> int:
        """How many mixes there are for the positive that has the fewest, itself not counted."""
        few = self._config.items_a_batch if self._config.kind == "random" else None
        fewest: int | None = None
        for filled in np.unique(self._positives.items != EMPTY, axis=0):
            sizes = [
                len(pools[item_type])
                for item_type, is_filled in zip(self._positives.slots, filled)
                if is_filled and item_type in pools
            ]
            if not sizes:  # nothing to swap: the sampler says which positive it is
                continue
            mixes = math.prod(size if few is None else min(size, few) for size in sizes)
            fewest = mixes if fewest is None else min(fewest, mixes)
        return max(0, (fewest or 1) - 1)

    @staticmethod
    def _refuse(key: str, count: int, kind: str, different: int) -> None:
        if count > different:
            raise ConfigError(
                f"{key}: {count} {kind} negatives a positive, but for some positive there are only {different} "
                "different ones: draw at most so many"
            )

    @property
    def drawn(self) -> np.ndarray | None:
        """(N, K, S) the negatives of this epoch, where they are drawn for all positives at once, else None."""
        by_batch = self._config.kind == "random" and self._config.items_a_batch is not None
        return None if by_batch else self._drawn

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
        elif self._beside:  # drawn from a stream of their own: the shared ones are the same without them
            self._drawn = self._sampler.random(rng.spawn(1)[0], self._beside)

    def of_batch(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B, K, S) int32: K negatives of each positive of a batch; those beside the shared ones of kind shared."""
        if self._config.kind == "random" and self._config.items_a_batch is not None:
            return self._sampler.random_from_few(rng, rows, self._config.per_positive, self._config.items_a_batch)
        return np.asarray(self._drawn[rows])

    def candidates(self, users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> Candidates | None:
        """Of kind shared: items for one slot, drawn for a batch; None for the other kinds.

        Args:
            users: (B,) rows.
            items: (B, S) the positives; a slot that is empty in all of them is not chosen.
            rng: draws the slot and the items.
        """
        if not self._likers:
            return None
        slots = self._positives.slots
        open_slots = [
            slot
            for slot, item_type in enumerate(slots)
            if item_type in self._sampler.swap and (items[:, slot] != EMPTY).any()
        ]
        slot = open_slots[int(rng.integers(len(open_slots)))]
        drawn = self._sampler.pools[slots[slot]].draw(rng, self._config.per_positive).astype(np.int64)
        rows, columns = self._likers[slots[slot]].pairs(users, drawn)
        empty = np.flatnonzero(items[:, slot] == EMPTY)  # an outfit without the slot is compared with nothing
        rows = np.concatenate([rows, np.repeat(empty, len(drawn))])
        columns = np.concatenate([columns, np.tile(np.arange(len(drawn)), len(empty))])
        return Candidates(slot, drawn, (rows, columns))


class _Likers:
    """Who wears the items of a type in training: an item that a user likes is not a negative."""

    def __init__(self, dataset: Dataset, item_type: str) -> None:
        positives = dataset.split("train").positives
        wearing = [
            np.stack([positives.items[:, slot], positives.users], axis=1)[positives.items[:, slot] != EMPTY]
            for slot, slot_type in enumerate(dataset.slots)
            if slot_type == item_type
        ]
        pairs = np.unique(np.concatenate(wearing), axis=0)  # sorted by item
        self._users = pairs[:, 1]
        self._start = np.searchsorted(pairs[:, 0], np.arange(len(dataset.items[item_type]) + 1))

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
