"""What is ranked: functions that score everything at once, for a block of users or of partial outfits.

Scores are float32 or float64; higher is better, ties are allowed, NaN is not. A row's scores do not depend on the other
rows of the block.

Shapes: B users or outfits of a block, N outfits of the pool or items of a type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_hash.core.outfits import Outfits

Scores = npt.NDArray[np.floating[Any]]

ScoreOutfits = Callable[[npt.NDArray[np.int64]], Scores]
"""(B,) rows of users to (B, N) scores of all outfits of the pool (`Dataset.outfits`), in its order."""

ScoreItems = Callable[[Outfits, int], Scores]
"""B outfits and the number of an open slot to (B, N) scores of all items of its type, by row of the vocabulary.

The score is that of the outfit, for its user, with the item in the open slot. What stands in the slot is ignored.
"""
