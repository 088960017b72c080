"""From rows of items to hits with their scores and terms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import items_by_slot
from fashion_hash.index.scoring import scoring_of
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.answers import Hit, HitList, Hits, Score
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.pool.search import Ranked
from fashion_hash.retrieval.users import User


def hits_of(moment: Moment, items: np.ndarray) -> list[Hit]:
    """Outfits that were composed, (R, S) rows of items, as the user sees them."""
    return _hits(moment, items, [""] * len(items), None)


def hits_of_pool(moment: Moment, rows: np.ndarray) -> list[Hit]:
    """Outfits of the pool, (R,) rows of the snapshot, as the user sees them."""
    snapshot = moment.snapshot
    return _hits(moment, snapshot.items_of(rows), snapshot.ids.at(rows), snapshot.own_of(rows))


def _hits(moment: Moment, items: np.ndarray, ids: Sequence[str], own: np.ndarray | None) -> list[Hit]:
    scores = scores_of(moment.bundle, moment.user.user_key, items, own)
    return [
        Hit(outfit_id, items_by_slot(moment.bundle, outfit), *score, personal=moment.user.personal)
        for outfit_id, outfit, score in zip(ids, items, scores)
    ]


def hits_of_many(snapshot: Snapshot, users: Sequence[User], ranked: Ranked, width: int) -> Hits:
    """The answers of many users, each filled up to `width`."""
    scores = np.full((len(users), width), -np.inf)
    ids = [[""] * width for _ in users]
    for query, (rows, best) in enumerate(ranked.rankings):
        scores[query, : len(rows)] = best
        ids[query][: len(rows)] = snapshot.ids.at(rows)
    hits = Hits(np.array(ids, dtype=np.str_).reshape(scores.shape), scores)
    hits.personal, hits.shortfall = np.array([user.personal for user in users], dtype=bool), ranked.first_shortfall()
    return hits


def answer_of(moment: Moment, ranked: Ranked, place: int) -> HitList:
    """The answer to the user at a place of what was ranked, whose moment is given."""
    hits = HitList(hits_of_pool(moment, ranked.rankings[place].rows))
    hits.personal, hits.shortfall = moment.user.personal and ranked.query.by == "score", ranked.shortfall(place)
    return hits


def scores_of(bundle: Bundle, user_key: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> list[Score]:
    """Scores and terms of outfits, (R, S) rows of items; arguments as for Scoring.parts."""
    parts = scoring_of(bundle).parts(user_key, items, own)
    return [Score(*values) for values in zip(*(part.tolist() for part in parts))]
