"""Recommendations out of the pool: everyone's best outfits, under filters, varied if asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fashion_hash.index.engines.contract import ItemTest, Ranking
from fashion_hash.live.pool_search import search
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.apply import Filter
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.filters.shortfall import Shortfall, explain_shortfall
from fashion_hash.retrieval.pool.diversity import choose_from
from fashion_hash.retrieval.pool.variety import Variety
from fashion_hash.retrieval.users import User, for_everyone


def pool_rankings(
    snapshot: Snapshot,
    users: Sequence[User],
    k: int,
    *,
    include_liked: bool = False,
    allowed: np.ndarray | ItemTest | None = None,
) -> list[Ranking]:
    """The best outfits for each of many people; `allowed`: (N + A,) bool, see live.search."""
    found: dict[int, Ranking] = {}
    for personal in (True, False):
        places = [place for place, person in enumerate(users) if person.personal == personal]
        if places:
            codes = np.stack([users[place].code for place in places])
            known = [users[place].known_rows(include_liked) for place in places]
            state = snapshot if personal else for_everyone(snapshot)
            found.update(zip(places, search(state, codes, k, known, allowed)))
    return [found[place] for place in range(len(users))]


def varied_ranking(
    snapshot: Snapshot,
    person: User,
    k: int,
    variety: Variety,
    include_liked: bool,
    allowed: np.ndarray | ItemTest | None,
) -> Ranking:
    """k outfits chosen out of the best ones, in order of choice; see Recommender.recommend."""
    found = Ranking(np.zeros(0, dtype=np.int64), np.zeros(0))

    def best(count: int) -> int:
        nonlocal found
        [found] = pool_rankings(snapshot, [person], count, include_liked=include_liked, allowed=allowed)
        return len(found.rows)

    def choose(_: int) -> np.ndarray:
        return variety.choose(snapshot, snapshot.items_of(found.rows), found.scores, k)

    chosen = choose_from(best, choose, k, variety.first(k))
    return Ranking(found.rows[chosen], found.scores[chosen])


def pool_shortfall(
    snapshot: Snapshot, chosen: Filter, columns: LiveColumns, wanted: int, found: int, known: np.ndarray
) -> Shortfall:
    """Why the pool gave fewer outfits than wanted; `known`: rows that were not to be answered."""
    rows = np.arange(len(snapshot.ids)) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
    return explain_shortfall(
        wanted,
        found,
        chosen,
        columns.of(snapshot),
        snapshot.bundle.slots,
        snapshot.items_of(rows),
        np.flatnonzero(np.isin(rows, known)),
    )


def rankings(
    columns: LiveColumns,
    snapshot: Snapshot,
    users: Sequence[User],
    k: int,
    include_liked: bool = False,
    where: Mapping[str, Any] | None = None,
    diversity: float = 0.0,
    max_per: Mapping[str, int] | None = None,
) -> tuple[list[Ranking], Shortfall | None]:
    """Everyone's best outfits, and why somebody got fewer; see Recommender.recommend."""
    check_count("k", k)
    chosen = columns.filter(snapshot, where)
    allowed = columns.allowed(snapshot, chosen)
    if diversity or max_per:
        variety = Variety(diversity, max_per or {}, columns)
        found = [varied_ranking(snapshot, one, k, variety, include_liked, allowed) for one in users]
    else:
        found = pool_rankings(snapshot, users, k, include_liked=include_liked, allowed=allowed)
    for person, ranking in zip(users, found):
        if where and len(ranking.rows) < k:
            known = person.known_rows(include_liked)
            return found, pool_shortfall(snapshot, chosen, columns, k, len(ranking.rows), known)
    return found, None
