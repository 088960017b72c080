"""Completion: given some items of an outfit, the best ones for its open slots.

For one open slot the score of a candidate is one inner product of an integer query with its code, plus
a constant: what the user and the given items ask for, added up by modality. All candidates are scored
exactly, a table look-up a byte. Several open slots are a composition with the given items fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Packed
from fashion_hash.errors import QueryError
from fashion_hash.retrieval.compose import Composition, compose
from fashion_hash.retrieval.compose_search import NO_LIMIT, Budget
from fashion_hash.retrieval.partners import Partners


def complete(
    bundle: Bundle,
    user_code: Packed,
    given: Mapping[str, int],
    k: int,
    open_slots: Sequence[str] | None = None,
    *,
    allowed: Mapping[str, np.ndarray] | None = None,
    max_repeats: int | None = None,
    partners: Partners | None = None,
    budget: Budget = NO_LIMIT,
) -> Composition:
    """The k best outfits that hold the given items, exactly.

    Args:
        bundle: an open bundle.
        user_code: (D / 8,) uint8, packed.
        given: by slot name the row of an item, at least one.
        k: at most how many outfits; fewer come back where fewer exist.
        open_slots: names of the slots to fill; by default all others of the bundle.
        allowed, max_repeats, partners, budget: as for `compose`; lists and budget matter only where
            several slots are open.

    Raises:
        QueryError: nothing is given, nothing is open, a slot both given and open, and as `compose`.
    """
    if not given:
        raise QueryError("nothing is given: name at least one item, or ask for whole outfits with compose")
    return compose(
        bundle,
        user_code,
        k,
        open_slots,
        allowed=allowed,
        given=given,
        max_repeats=max_repeats,
        partners=partners,
        budget=budget,
    )
