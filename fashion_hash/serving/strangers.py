"""Outfits for people about whom nothing is known: among the best, but not the same list for everyone."""

from __future__ import annotations

from typing import Any

import numpy as np

from fashion_hash.core.seeds import generator
from fashion_hash.retrieval.answers import HitList
from fashion_hash.retrieval.recommender import Recommender

SHORTLIST = 200  # so many of the best outfits are dealt out to strangers


def answer_stranger(recommender: Recommender, k: int, session: str, skip: int, options: dict[str, Any]) -> HitList:
    """The outfits of a session: the best ones in an order of its own, in which better ones tend to come first.

    An outfit of rank r is drawn with weight 1 / (r + 10), without replacement. What comes after the shortlist is in
    the order of scores. The same session gets the same order.

    Args:
        recommender: what answers.
        k: at most how many.
        session: decides the order.
        skip: how many the pages before had.
        options: of Recommender.answer, without `skip`.
    """
    best = recommender.answer(None, max(SHORTLIST, skip + k), **options)
    count = min(SHORTLIST, len(best))
    weights = 1 / (np.arange(count) + 10.0)
    keys = generator(0, "session", session).exponential(size=count) / weights
    order = [*np.argsort(keys, kind="stable").tolist(), *range(count, len(best))]
    hits = HitList(best[place] for place in order[skip : skip + k])
    hits.personal = best.personal
    if len(hits) < k:
        hits.shortfall = best.shortfall
    return hits
