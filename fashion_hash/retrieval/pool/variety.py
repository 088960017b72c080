"""How varied a list must be: caps, diversity, and the length of the shortlist that they choose from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.index.outfit_terms import slot_codes
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.checks import MAX_PER_EXAMPLE, check_mapping
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.pool.diversity import check_diversity, mmr, read_caps, take_within_caps

# a varied list of k is chosen from the best SHORTLIST * k outfits, and from SHORTLIST_LEAST at least
SHORTLIST, SHORTLIST_LEAST = 10, 200


class Variety(NamedTuple):
    """How varied a list must be.

    Attributes:
        diversity: 0 (scores only) to 1 (variety only).
        max_per: caps, see diversity.read_caps.
        columns: of the catalogue.
    """

    diversity: float
    max_per: Mapping[str, int]
    columns: LiveColumns

    def check(self) -> None:
        """Checks the types of both arguments.

        Raises:
            QueryError: `diversity` is not a number from 0 to 1, or `max_per` is not a mapping.
        """
        check_diversity(self.diversity)
        check_mapping("max_per", self.max_per, MAX_PER_EXAMPLE)

    def first(self, k: int) -> int:
        """The length of the first shortlist for a list of k."""
        return max(SHORTLIST * k, SHORTLIST_LEAST)

    def choose(self, snapshot: Snapshot, items: np.ndarray, scores: np.ndarray, k: int) -> np.ndarray:
        """Chooses k outfits by caps, and by maximal marginal relevance if diversity is above 0.

        Args:
            snapshot: the state of the catalogue.
            items: (R, S) rows of items by slot, the best outfit first.
            scores: (R,) float64, of the outfits.
            k: how many to choose; fewer are chosen if the caps allow fewer.

        Returns:
            (k',) int64 places of the chosen outfits, in order of choice.
        """
        self.check()
        tables = self.columns.of(snapshot) if set(self.max_per) - {"item"} else {}
        caps = read_caps(self.max_per, snapshot.bundle.slots, items, tables)
        if not self.diversity:
            return take_within_caps(caps, len(items), k)
        codes = slot_codes(snapshot.bundle, items)
        return mmr(scores, codes, items != EMPTY, k, float(self.diversity), caps)
