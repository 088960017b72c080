"""Views of outfits for contrastive learning: an item is erased, or replaced by a similar item.

Paper: False Negative Distillation and Contrastive Learning, Kim et al., 2021.
Shapes: B outfits, S slots, N items of a type, K neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.config.experiment import Config
from fashion_hash.config.training import ContrastiveConfig
from fashion_hash.core.outfits import EMPTY
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import ConfigError, counted
from fashion_hash.features.cooccurrence import cooccurrence_features
from fashion_hash.features.neighbours import content_features, neighbour_tables
from fashion_hash.features.table import train_items
from fashion_hash.training.outfits.teacher import Teacher
from fashion_hash.training.runs.item_inputs import ItemInputs


def can_erase(items: np.ndarray) -> np.ndarray:
    """(B,) bool: the outfits (B, S) with at least two items; a single item cannot be erased."""
    return np.asarray((items != EMPTY).sum(axis=1) > 1)


def erase(items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B, S): each outfit without one of its items, drawn at random; `can_erase` must hold for it."""
    chance = np.where(items != EMPTY, rng.random(items.shape), -1.0)
    left = items.copy()
    left[np.arange(len(items)), chance.argmax(axis=1)] = EMPTY
    return left


def can_replace(slots: Sequence[str], items: np.ndarray, near: Mapping[str, np.ndarray]) -> np.ndarray:
    """(B, S) bool: the items with a neighbour that is not in the outfit."""
    free = [_neighbours(slots, items, near, slot)[1].any(axis=1) for slot in range(len(slots))]
    return np.stack(free, axis=1)


def _neighbours(
    slots: Sequence[str], items: np.ndarray, near: Mapping[str, np.ndarray], slot: int
) -> tuple[np.ndarray, np.ndarray]:
    """(B, K) rows of the items nearest to those in a slot, and (B, K) bool: the ones not in the outfit."""
    item_type = slots[slot]
    around = near[item_type][items[:, slot]]
    held = items[:, [other for other, slot_type in enumerate(slots) if slot_type == item_type]]
    new = (around[:, :, None] != held[:, None]).all(axis=2)
    return around, new & (around != EMPTY) & (items[:, slot] != EMPTY)[:, None]


def replace(
    slots: Sequence[str], items: np.ndarray, near: Mapping[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """(B, S): each outfit with a random item replaced by one of its K nearest items.

    The neighbour is drawn from the items that are not in the outfit.

    Args:
        slots: item type of each slot.
        items: (B, S) outfits with a replaceable item; see `can_replace`.
        near: by type, (N, K) rows of the nearest items, padded with EMPTY.
        rng: draws the item and its neighbour.
    """
    chance = np.where(can_replace(slots, items, near), rng.random(items.shape), -1.0)
    chosen, share = chance.argmax(axis=1), rng.random(len(items))
    changed = items.copy()
    for slot in range(len(slots)):
        rows = np.flatnonzero(chosen == slot)
        around, free = _neighbours(slots, items[rows], near, slot)
        drawn = (share[rows] * free.sum(axis=1)).astype(np.int64)
        # the position of the free neighbour with that number
        changed[rows, slot] = around[np.arange(len(rows)), (free.cumsum(axis=1) > drawn[:, None]).argmax(axis=1)]
    return changed


class Views:
    """Two views of each outfit, each made in a random way of the configuration.

    Only ways that can change the outfit are drawn; if there are none, the outfit stays as it is.

    Args:
        config: the ways.
        slots: item type of each slot.
        near: by type, (N, K) the nearest items; None if no items are replaced.
    """

    def __init__(
        self, config: ContrastiveConfig, slots: Sequence[str], near: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self.ways = tuple(dict.fromkeys(config.views))
        self._slots = slots
        self._near = near

    def possible(self, items: np.ndarray) -> np.ndarray:
        """(B, ways) bool: the ways that can change outfits (B, S)."""
        possible = np.zeros((len(items), len(self.ways)), dtype=bool)
        for column, way in enumerate(self.ways):
            if way == "erase":
                possible[:, column] = can_erase(items)
            else:
                assert self._near is not None
                possible[:, column] = can_replace(self._slots, items, self._near).any(axis=1)
        return possible

    def __call__(self, items: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B, 2, S): two views of outfits (B, S)."""
        possible = self.possible(items)
        return np.stack([self._view(items, possible, rng) for _ in range(2)], axis=1)

    def _view(self, items: np.ndarray, possible: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        drawn = np.where(possible, rng.random(possible.shape), -1.0).argmax(axis=1)
        view = items.copy()
        for column, way in enumerate(self.ways):
            rows = np.flatnonzero(possible[:, column] & (drawn == column))
            if way == "erase":
                view[rows] = erase(items[rows], rng)
            else:
                assert self._near is not None
                view[rows] = replace(self._slots, items[rows], self._near, rng)
        return view

    def check(self, items: np.ndarray) -> str:
        """A line of text about the views of outfits (N, S).

        Raises:
            ConfigError: one of the ways can change none of them.
        """
        possible = self.possible(items)
        for column, way in enumerate(self.ways):
            if not possible[:, column].any():
                reason = (
                    "every training outfit has a single item, which cannot be erased"
                    if way == "erase"
                    else f"no training item has a neighbour that is not in its outfit ({self._known()} items have one)"
                )
                raise ConfigError(f"contrastive.views: {way} can change no outfit: {reason}; leave {way} out")
        stay = int((~possible.any(axis=1)).sum())
        kept = (
            f", {stay:,} of {counted(len(items), 'outfit')} left unchanged, since no view changes them" if stay else ""
        )
        return f"views by {' and '.join(self.ways)}{kept}"

    def _known(self) -> str:
        assert self._near is not None
        return ", ".join(
            f"{int((nearest[:, :1] != EMPTY).sum())} of {len(nearest)} {item_type}"
            for item_type, nearest in self._near.items()
        )


def make_views(config: Config, dataset: Dataset, inputs: ItemInputs, teacher: Teacher | None) -> Views | None:
    """The views of an experiment; None without contrastive learning.

    Only training items have neighbours, and only training items are neighbours.

    Raises:
        ConfigError: the requested feature does not exist.
    """
    contrastive = config.contrastive
    if contrastive is None:
        return None
    if "replace" not in contrastive.views:
        return Views(contrastive, dataset.slots)
    usable = train_items(dataset)
    contents = [table for modality, table in inputs.tables.items() if modality != "cooccurrence"]
    feature = contrastive.feature
    if feature == "auto":
        feature = "content" if contents else "cooccurrence"
    if feature == "content":
        if not contents:
            raise ConfigError("contrastive.feature: content needs frozen pictures or text: use cooccurrence or teacher")
        features, known = content_features(dataset, contents)
        usable = {item_type: usable[item_type] & known[item_type] for item_type in usable}
    elif feature == "teacher":
        assert teacher is not None  # checked by the configuration
        features = teacher.item_features()
    else:
        features = cooccurrence_features(dataset, config.seed)
    return Views(contrastive, dataset.slots, neighbour_tables(features, usable, contrastive.neighbours))
