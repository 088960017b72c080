"""How varied a list must be: caps, diversity, and the length of the shortlist that they choose from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from fashion_hash.core.outfits import EMPTY
from fashion_hash.index.outfit_terms import slot_codes
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.checks import MAX_PER_EXAMPLE, check_mapping
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.pool.diversity import (
    Candidates,
    check_diversity,
    choose_from,
    mmr,
    read_caps,
    take_within_caps,
)

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

    def page(
        self, search: Callable[[int], int], choose: Callable[[int, Sequence[int]], np.ndarray], k: int, skip: int
    ) -> np.ndarray:
        """The places of the outfits of a page, in order of choice: pages follow each other and repeat nothing.

        By caps alone the page continues the list. With diversity, each page of k is chosen from the shortlist of a
        first page and as many outfits more as earlier pages hold, and continues what they chose.

        Args:
            search: searches for the best outfits of a given number, and returns how many exist.
            choose: chooses so many outfits of these, beginning with some.
            k: how many outfits a page holds.
            skip: how many outfits come before the page.
        """
        if not self.diversity:
            whole = skip + k
            return choose_from(search, lambda _: choose(whole, ()), whole, self.first(whole))[skip:]
        chosen: list[int] = []
        for start in range(0, skip + k, k):
            length = max([self.first(k) + start, *(place + 1 for place in chosen)])
            chosen = choose_from(search, partial(_further, choose, start + k, chosen), start + k, length).tolist()
            if len(chosen) < start + k:
                break
        return np.array(chosen[skip : skip + k], dtype=np.int64)

    def choose(
        self, snapshot: Snapshot, items: np.ndarray, scores: np.ndarray, k: int, begun: Sequence[int] = ()
    ) -> np.ndarray:
        """Chooses k outfits by caps, and by maximal marginal relevance if diversity is above 0.

        Args:
            snapshot: the state of the catalogue.
            items: (R, S) rows of items by slot, the best outfit first.
            scores: (R,) float64, of the outfits.
            k: how many to choose; fewer are chosen if the caps allow fewer.
            begun: the places that earlier pages chose, in order.

        Returns:
            (k',) int64 places of the chosen outfits, in order of choice.
        """
        self.check()
        tables = self.columns.of(snapshot) if set(self.max_per) - {"item"} else {}
        names = snapshot.bundle.shop_names
        known = {"item"} | {name for table in tables.values() for name in table.names}
        max_per = {name if name in known else names.get(name, name): most for name, most in self.max_per.items()}
        caps = read_caps(max_per, snapshot.bundle.slots, items, tables)
        if not self.diversity:
            return take_within_caps(caps, len(items), k)
        codes = slot_codes(snapshot.bundle, items)
        return mmr(Candidates(scores, codes, items != EMPTY), k, float(self.diversity), caps, begun)


def _further(choose: Callable[[int, Sequence[int]], np.ndarray], k: int, begun: Sequence[int], _: int) -> np.ndarray:
    return choose(k, begun)
