"""Scorers that know nothing of taste: chance, popularity, and how far apart the ids of an outfit's items are.

The two that need a model, no-user (compatibility only) and no-item-pairs (preference only), come
from the model itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import EMPTY, Outfits, item_types
from fashion_hash.core.seeds import derive
from fashion_hash.data.dataset import Dataset
from fashion_hash.errors import DataError, QueryError
from fashion_hash.evaluation.baselines.clicks import Clicks, Floats, Integers, ScoreColumns
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


def popular(clicks: Clicks, half_life: float | None = None) -> ScoreColumns:
    """log(1 + events of a column), the same for all users.

    Args:
        clicks: of the training split.
        half_life: after this share of the time that the events span, an event counts half as much as the newest
            one; None: all count the same.

    Raises:
        QueryError: `half_life` is set, but events have no times.
    """
    weights = None
    if half_life is not None:
        if clicks.times is None:
            raise QueryError("recent popularity needs a time of every training outfit, and this data has none")
        age = (clicks.times.max(initial=0) - clicks.times).astype(np.float64)
        weights = 0.5 ** (age / max(half_life * age.max(initial=0.0), 1.0))
    counts = np.bincount(clicks.columns, weights, minlength=clicks.shape[1])
    scores = np.log1p(counts).astype(np.float32)
    return lambda users: np.broadcast_to(scores, (len(users), len(scores)))


def nothing(clicks: Clicks) -> ScoreColumns:
    """0 for every column: what is left of an open slot is then which items go with the chosen ones."""
    return lambda users: np.zeros((len(users), clicks.shape[1]), np.float32)


class IdDistance:
    """How near the ids of an outfit's items are to each other, where all ids are numbers that grow with time.

    The score is minus the mean of |a - b| over the pairs of items of an outfit. It learns nothing and knows no user:
    what it gets right, a protocol gives away by its choice of negatives.

    Args:
        dataset: its ids are used, nothing else.

    Raises:
        QueryError: an id is not a number.
    """

    def __init__(self, dataset: Dataset) -> None:
        """Reads the ids as numbers."""
        self._numbers = {item_type: id_numbers(dataset, item_type) for item_type in dataset.types}
        self._of_pool = self.score(dataset.outfits).astype(np.float32)

    def score(self, outfits: Outfits) -> npt.NDArray[np.float64]:
        """(N,) minus the mean distance; 0 for an outfit of a single item."""
        numbers = [np.append(self._numbers[slot], 0.0)[items] for slot, items in zip(outfits.slots, outfits.items.T)]
        total, pairs = np.zeros(len(outfits)), np.zeros(len(outfits))
        for a in range(len(numbers)):
            for b in range(a):
                both = (outfits.items[:, a] != EMPTY) & (outfits.items[:, b] != EMPTY)
                total += both * np.abs(numbers[a] - numbers[b])
                pairs += both
        return np.asarray(-total / np.maximum(pairs, 1))

    def items(self, outfits: Outfits, slot: int) -> Floats:
        """(B, N) minus the mean distance of each item of a slot's type to the items of the other slots."""
        candidates = self._numbers[outfits.slots[slot]]
        total = np.zeros((len(outfits), len(candidates)))
        pairs = np.zeros(len(outfits))
        for other, item_type in enumerate(outfits.slots):
            if other != slot:
                present = outfits.items[:, other] != EMPTY
                number = np.append(self._numbers[item_type], 0.0)[outfits.items[:, other]]
                total += present[:, None] * np.abs(number[:, None] - candidates)
                pairs += present
        return np.asarray(-total / np.maximum(pairs, 1)[:, None], dtype=np.float32)

    def pool(self, users: Integers) -> Floats:
        """(B, N) the score of every outfit of the pool, the same for all users."""
        return np.broadcast_to(self._of_pool, (len(users), len(self._of_pool)))


def id_numbers(dataset: Dataset, item_type: str) -> npt.NDArray[np.float64]:
    """(N,) the ids of the items of a type as numbers, by row.

    Raises:
        QueryError: an id is not a number.
    """
    ids = dataset.items[item_type].ids
    for name in ids:
        if not (name.isascii() and name.isdigit()):
            raise QueryError(f"the ids of the items must be numbers, but the {item_type} {name!r} is not")
    return np.array(ids, dtype=np.float64)


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One step of SplitMix64 (Steele et al., OOPSLA 2014): unrelated numbers out of neighbouring ones."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
