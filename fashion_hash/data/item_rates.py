"""How often an item will be worn by a new user, estimated from how often it has been worn: leave-one-out counts.

What a model learns of an item worn once it learned from that very outfit. Counted without the outfit that is
predicted, items of small counts are worth something else: the estimate of Good (Biometrika, 1953), here by times
and wearers.
Shapes: N items of one type, L outfits.
"""

from __future__ import annotations

import numpy as np

from fashion_hash.core.outfits import EMPTY, Outfits, item_types

MOST = 8  # counts beyond are one class


def leave_one_out_rates(train: Outfits, num_items: dict[str, int]) -> dict[str, np.ndarray]:
    """By type, (N,) float64: the logarithm of how often items of such counts are worn by one who did not wear them.

    The class of an item is how often, and by how many users, it is worn in `train`. An outfit whose user wears an
    item only there is evidence for the class that the item has without it; a class's rate is its evidence
    over its items, and leans on the mean rate where items are few.

    Args:
        train: the training positives.
        num_items: N by type.

    Returns:
        Mean 0 over the items that occur in `train`; those that never do have 0: nothing is known of them.
    """
    rates_of_type = {}
    for item_type in item_types(train.slots):
        columns = [position for position, slot in enumerate(train.slots) if slot == item_type]
        items = train.items[:, columns].T.ravel().astype(np.int64)
        users = np.tile(train.users.astype(np.int64), len(columns))[items != EMPTY]
        items = items[items != EMPTY]
        count = num_items[item_type]
        _, owner, often = np.unique(users * count + items, return_inverse=True, return_counts=True)
        once = often[owner] == 1
        times = np.bincount(items, minlength=count)
        wearers = np.bincount(items[np.unique(owner, return_index=True)[1]], minlength=count)
        left = _classes(times[items[once]] - 1, wearers[items[once]] - 1)
        evidence = np.bincount(left, minlength=(MOST + 1) ** 2)
        classes = _classes(times, wearers)
        members = np.bincount(classes, minlength=(MOST + 1) ** 2)
        seen = times > 0
        mean = evidence[1:].sum() / max(int(seen.sum()), 1)  # class 0 is of what would be left unseen
        rates = np.log((evidence + mean + 1e-9) / (members + 1))[classes]
        rates_of_type[item_type] = np.where(seen, rates - rates[seen].mean() if seen.any() else 0.0, 0.0)
    return rates_of_type


def _classes(times: np.ndarray, wearers: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(times, MOST) * (MOST + 1) + np.minimum(wearers, MOST))
