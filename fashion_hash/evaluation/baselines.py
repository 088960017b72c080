"""Scorers that know nothing of taste; every model is printed beside them.

The two that need a model, no-user (compatibility only) and no-item-pairs (preference only), come
from the model itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.seeds import derive
from fashion_hash.errors import DataError
from fashion_hash.evaluation.protocols import Score


def chance(seed: int) -> Score:
    """Random scores, uniform over [0, 1): AUC and pair accuracy are 0.5 in expectation.

    A score depends on the seed, the user and the items only, so an outfit gets the same score in every table.
    """
    start = np.uint64(derive(seed, "chance"))

    def score(outfits: Outfits) -> npt.NDArray[np.float64]:
        state = np.full(len(outfits), start)
        for column in (outfits.users, *outfits.items.T):
            state = _mix(state ^ column.astype(np.int64).view(np.uint64))
        return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53

    return score


def popularity(train: Outfits) -> Score:
    """The mean over an outfit's items of log(1 + times the item occurs in `train`), the same for all users.

    An item that never occurs counts 0; empty slots are skipped.
    The scorer raises DataError for an item type that `train` does not have.
    """
    tables = {}
    for item_type in item_types(train.slots):
        columns = [place for place, slot in enumerate(train.slots) if slot == item_type]
        items = train.items[:, columns]
        tables[item_type] = np.append(np.log1p(np.bincount(items[items != EMPTY])), 0.0)  # last: never seen

    def score(outfits: Outfits) -> npt.NDArray[np.float64]:
        if unknown := set(outfits.slots) - set(tables):
            raise DataError(f"popularity knows the item types {list(tables)}; it cannot score {sorted(unknown)}")
        total = np.zeros(len(outfits))
        for slot, items in zip(outfits.slots, outfits.items.T):
            table = tables[slot]
            seen = (items != EMPTY) & (items < len(table) - 1)
            total += table[np.where(seen, items, len(table) - 1)]
        return np.asarray(total / np.maximum(outfits.mask.sum(axis=1), 1))

    return score


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One step of SplitMix64 (Steele et al., OOPSLA 2014): unrelated numbers out of neighbouring ones."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
