"""The negatives of an experiment: how they are drawn, and how they change over the epochs.

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
from fashion_hash.training.outfits.batches import Candidates, OutfitCandidates
from fashion_hash.training.outfits.likers import Likers
from fashion_hash.training.outfits.real_outfits import RealOutfits


class EpochNegatives:
    """Draws the negatives of each epoch for all training positives.

    Args:
        config: the kind and number of negatives.
        dataset: its training split is used.
        epochs: the number of epochs of the run.
        beside: for the kind shared, K random negatives of each positive in addition to the shared ones.

    Raises:
        ConfigError: an item type to swap does not exist, the data has no such fixed negatives, or a positive
            has fewer different negatives than requested (fixed negatives are repeated instead).
    """

    def __init__(self, config: NegativesConfig, dataset: Dataset, epochs: int, beside: int = 0) -> None:
        split = dataset.split("train")
        self._config = config
        self._epochs = epochs
        self._positives = split.positives
        self._sampler = NegativeSampler(
            split.positives, swap=config.swap, popularity=config.popularity, fill=config.fill
        )
        self._drawn = np.empty((len(split.positives), 0, len(dataset.slots)), dtype=np.int32)
        self._beside = beside
        self._groups = split.negatives.get(config.file)
        if config.kind == "fixed" and self._groups is None:
            raise ConfigError(
                f"negatives.file: the training split of {dataset.name} has no {config.file!r} negatives"
                f"{suggest(config.file, split.negatives)}; it has {sorted(split.negatives)}"
            )
        self._likers: dict[str, Likers] = {}
        if config.kind == "shared":
            self._likers = {item_type: _likers(dataset, item_type) for item_type in self._sampler.swap}
        self._outfits = RealOutfits(split.positives, config) if config.kind == "outfits" else None
        self._check_count()

    def _check_count(self) -> None:
        """Raises ConfigError if more negatives of a positive are requested than there are different ones."""
        count = self._config.per_positive
        pools = {item_type: self._sampler.pools[item_type].items for item_type in self._sampler.swap}
        if self._config.kind == "shared":
            for item_type, pool in pools.items():
                if count > len(pool):
                    raise ConfigError(
                        f"negatives.per_positive must be at most {len(pool)}, the number of different {item_type} "
                        f"items in the training outfits, got {count}"
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
        """The smallest number of different mixes for any positive, not counting the positive itself."""
        few = self._config.items_a_batch if self._config.kind == "random" else None
        of_fillings: list[int] = []
        swapped = np.array([item_type in pools for item_type in self._positives.slots])
        for filled in np.unique((self._positives.items != EMPTY) & swapped, axis=0):
            sizes = [len(pools[item_type]) for item_type, is_filled in zip(self._positives.slots, filled) if is_filled]
            if not sizes:  # nothing to swap: the sampler raises an error that names the positive
                continue
            of_fillings.append(math.prod(size if few is None else min(size, few) for size in sizes))
        chosen = sum if self._config.fill == "drawn" else min
        return max(0, chosen(of_fillings or [1]) - 1)

    @staticmethod
    def _refuse(key: str, count: int, kind: str, different: int) -> None:
        if count > different:
            raise ConfigError(
                f"{key} must be at most {different}, the fewest different {kind} negatives of a positive, got {count}"
            )

    @property
    def drawn(self) -> np.ndarray | None:
        """(N, K, S) the negatives of this epoch; None if they are drawn batch by batch."""
        by_batch = self._config.kind == "random" and self._config.items_a_batch is not None
        return None if by_batch else self._drawn

    def start_epoch(self, epoch: int, rng: np.random.Generator) -> None:
        """Draws the negatives that are drawn for all positives at once."""
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
        elif self._beside:  # from a separate stream, so that the shared negatives do not depend on them
            self._drawn = self._sampler.random(rng.spawn(1)[0], self._beside)

    def of_batch(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B, K, S) int32: K negatives of each positive of a batch, without the shared ones."""
        if self._config.kind == "random" and self._config.items_a_batch is not None:
            return self._sampler.random_from_few(rng, rows, self._config.per_positive, self._config.items_a_batch)
        return np.asarray(self._drawn[rows])

    def outfits(self, rows: np.ndarray, rng: np.random.Generator) -> OutfitCandidates | None:
        """For the kind outfits: real outfits that a batch of positives (B,) is compared with; else None."""
        return None if self._outfits is None else self._outfits.candidates(rows, self._positives.users[rows], rng)

    def candidates(self, users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> Candidates | None:
        """For the kind shared: random items for one slot of a batch; None for the other kinds.

        Args:
            users: (B,) rows.
            items: (B, S) the positives; a slot that is empty in all of them is never drawn.
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
        empty = np.flatnonzero(
            items[:, slot] == EMPTY
        )  # an outfit without an item in the slot is compared with nothing
        rows = np.concatenate([rows, np.repeat(empty, len(drawn))])
        columns = np.concatenate([columns, np.tile(np.arange(len(drawn)), len(empty))])
        return Candidates(slot, drawn, (rows, columns))


def _likers(dataset: Dataset, item_type: str) -> Likers:
    """The users who wear each item of a type in training."""
    positives = dataset.split("train").positives
    wearing = [
        np.stack([positives.items[:, slot], positives.users], axis=1)[positives.items[:, slot] != EMPTY]
        for slot, slot_type in enumerate(dataset.slots)
        if slot_type == item_type
    ]
    items, users = np.concatenate(wearing).T
    return Likers(items, users, len(dataset.items[item_type]))
