"""The negatives of an experiment: which of the ways to draw them, and how they change over the epochs.

Shapes: N training positives, B of a batch, K negatives for each, C candidates of a step, S slots.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.config import NegativesConfig
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
        self._groups = split.negatives.get(config.file)
        if config.kind == "fixed" and self._groups is None:
            raise ConfigError(
                f"negatives.file: the training split of {dataset.name} has no {config.file!r} negatives"
                f"{suggest(config.file, split.negatives)}; it has {sorted(split.negatives)}"
            )
        self._liked = _LikedItems(dataset) if config.kind == "shared" else None

    def draw(self, epoch: int, rng: np.random.Generator) -> np.ndarray:
        """(N, K, S) int32: K negatives of every positive; K = 0 when candidates are shared instead."""
        count = self._config.per_positive
        if self._config.kind == "random":
            return self._sampler.random(rng, count)
        if self._config.kind == "hard":
            return self._sampler.hard(rng, count)
        if self._config.kind == "mixed":
            share = hard_share(epoch, self._epochs, *self._config.hard_share)
            return self._sampler.mixed(rng, count, share)
        if self._config.kind == "fixed":
            assert self._groups is not None
            return fixed_negatives(self._groups, rng, count)
        return np.empty((len(self._positives), 0, len(self._positives.slots)), dtype=np.int32)

    def candidates(self, users: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> Candidates | None:
        """Of kind shared: items for one slot, drawn for a batch; None for the other kinds.

        Args:
            users: (B,) rows.
            items: (B, S) the positives; a slot that is empty in all of them is not chosen.
        """
        if self._liked is None:
            return None
        slots = self._positives.slots
        open_slots = [
            slot for slot, kind in enumerate(slots) if kind in self._sampler.swap and (items[:, slot] != EMPTY).any()
        ]
        slot = open_slots[int(rng.integers(len(open_slots)))]
        drawn = self._sampler.pools[slots[slot]].draw(rng, self._config.per_positive).astype(np.int64)
        allowed = ~self._liked.contains(slots[slot], users[:, None], drawn[None, :])
        return Candidates(slot, drawn, allowed & (items[:, slot] != EMPTY)[:, None])


class _LikedItems:
    """Which user wears which item in training: an item one likes is no negative."""

    def __init__(self, dataset: Dataset) -> None:
        positives = dataset.split("train").positives
        self._counts = {kind: len(dataset.items[kind]) for kind in dataset.types}
        found: dict[str, list[np.ndarray]] = {kind: [] for kind in dataset.types}
        for slot, kind in enumerate(dataset.slots):
            present = positives.items[:, slot] != EMPTY
            found[kind].append(self._key(kind, positives.users[present], positives.items[present, slot]))
        self._keys = {kind: np.unique(np.concatenate(keys)) for kind, keys in found.items()}

    def contains(self, kind: str, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        keys, wanted = self._keys[kind], self._key(kind, users, items)
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return keys[at] == wanted

    def _key(self, kind: str, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return users.astype(np.int64) * self._counts[kind] + items
