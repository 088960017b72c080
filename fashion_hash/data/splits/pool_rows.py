"""Where the outfits of a split stand in the pool of a data set (`Dataset.outfits`).

Shapes: N outfits, S slots.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import rows_of_same
from fashion_hash.data.dataset import Dataset, Split

ABSENT = -1


def pool_rows(dataset: Dataset, part: Split) -> npt.NDArray[np.int64]:
    """The row of each positive in the pool.

    Where the pool has ids and the positives have them, too, the id decides: of two outfits with the same items, the
    one with that id. Otherwise the items decide (`canonical_items`); of several outfits that are the same, the first.

    Args:
        dataset: the data set, whose pool is looked at.
        part: one of its splits, or rows of one; also those of hidden users.

    Returns:
        (N,) rows of `dataset.outfits`; ABSENT (-1) for an outfit that is not in the pool.
    """
    ids = None if part.facts is None else part.facts.ids
    if dataset.pool is not None and ids is not None:
        row_of = {outfit_id: row for row, outfit_id in enumerate(dataset.pool.ids)}
        return np.fromiter((row_of.get(outfit_id, ABSENT) for outfit_id in ids), np.int64, len(ids))
    return rows_of_same(dataset.slots, dataset.outfits.items, part.positives.items)
