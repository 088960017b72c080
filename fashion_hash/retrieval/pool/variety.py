"""How varied a list has to be: caps, diversity, and the length of the shortlist they choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import QueryError
from fashion_hash.index.outfit_terms import slot_codes
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.pool.diversity import mmr, read_caps, take_within_caps

# of how many outfits a varied list is chosen: this many times k, and this many at least
SHORTLIST, SHORTLIST_LEAST = 10, 200


class Variety(NamedTuple):
    """What a varied list is asked for.

    Attributes:
        diversity: 0 (scores only) to 1 (variety only).
        max_per: caps, see diversity.read_caps.
        columns: of the catalogue.
    """

    diversity: float
    max_per: Mapping[str, int]
    columns: LiveColumns

    def check(self) -> None:
        """Raises QueryError for a diversity that is no number from 0 to 1."""
        if isinstance(self.diversity, bool) or not isinstance(self.diversity, int | float | np.floating):
            raise QueryError(f"diversity = {self.diversity!r}: a number from 0 (scores only) to 1 (variety only)")
        if not 0 <= self.diversity <= 1:
            raise QueryError(f"diversity = {self.diversity}: a number from 0 (scores only) to 1 (variety only)")

    def first(self, k: int) -> int:
        """How many of the best to choose from at first."""
        return max(SHORTLIST * k, SHORTLIST_LEAST)

    def choose(self, snapshot: Snapshot, items: np.ndarray, scores: np.ndarray, k: int) -> np.ndarray:
        """Places of k of the outfits, (R, S), best first: by caps, and by MMR where diversity is above 0."""
        self.check()
        tables = self.columns.of(snapshot) if set(self.max_per) - {"item"} else {}
        caps = read_caps(self.max_per, snapshot.bundle.slots, items, tables)
        if not self.diversity:
            return take_within_caps(caps, len(items), k)
        return mmr(scores, slot_codes(snapshot.bundle, items), items != EMPTY, k, 1 - float(self.diversity), caps)
