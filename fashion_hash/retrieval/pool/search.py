"""Recommendations from the pool: the best outfits of each user, filtered and varied on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np

from fashion_hash.index.engines.contract import ItemTest, Ranking
from fashion_hash.live.pool_search import search_pool
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.checks import check_count
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.filters.shortfall import PoolOutfits, Shortfall, explain_shortfall
from fashion_hash.retrieval.pool.diversity import choose_from
from fashion_hash.retrieval.pool.variety import Variety
from fashion_hash.retrieval.users import User, for_everyone


class PoolOptions(TypedDict, total=False):
    """The options of Recommender.recommend; PoolQuery holds their defaults."""

    include_liked: bool
    where: Mapping[str, Any] | None
    diversity: float
    max_per: Mapping[str, int] | None


class PoolQuery(NamedTuple):
    """What is asked of the pool; see Recommender.recommend for what each means."""

    k: int
    include_liked: bool = False
    where: Mapping[str, Any] | None = None
    diversity: float = 0.0
    max_per: Mapping[str, int] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether no filter, diversity or cap is asked for: the ranking itself is the answer."""
        no_diversity = type(self.diversity) in (int, float) and self.diversity == 0
        return no_diversity and self.where is None and self.max_per is None


def rankings(
    columns: LiveColumns, snapshot: Snapshot, users: Sequence[User], query: PoolQuery
) -> tuple[list[Ranking], Shortfall | None]:
    """The best outfits of each user.

    Returns:
        A ranking for each user, and why the first user with fewer than k outfits got fewer; None if
        no filter was asked for or everyone got k.

    Raises:
        QueryError: k, the filter, the caps or the diversity are meaningless.
    """
    check_count("k", query.k)
    if query.is_plain:
        return pool_rankings(snapshot, users, query.k, include_liked=query.include_liked), None
    variety = Variety(query.diversity, {} if query.max_per is None else query.max_per, columns)
    variety.check()
    chosen = columns.filter(snapshot, query.where)
    allowed = columns.allowed(snapshot, chosen)
    if query.diversity or variety.max_per:
        ranked = [_varied_ranking(snapshot, user, query, variety, allowed) for user in users]
    else:
        ranked = pool_rankings(snapshot, users, query.k, include_liked=query.include_liked, allowed=allowed)
    for user, ranking in zip(users, ranked):
        if query.where and len(ranking.rows) < query.k:
            offered = snapshot.offered
            rows = np.arange(len(snapshot.ids)) if offered is None else np.flatnonzero(offered)
            excluded = np.flatnonzero(np.isin(rows, user.known_rows(query.include_liked)))
            pool = PoolOutfits(snapshot.bundle.slots, snapshot.items_of(rows), excluded)
            return ranked, explain_shortfall(query.k, len(ranking.rows), chosen, columns.of(snapshot), pool)
    return ranked, None


def pool_rankings(
    snapshot: Snapshot,
    users: Sequence[User],
    k: int,
    *,
    include_liked: bool = False,
    allowed: np.ndarray | ItemTest | None = None,
) -> list[Ranking]:
    """The k best outfits of each of many users.

    Args:
        snapshot: N outfits in files and A that were added since.
        users: who the outfits are for.
        k: at most how many for each.
        include_liked: also outfits that the user is known to like.
        allowed: (N + A,) bool, or a test of items; None for all outfits.
    """
    ranked: dict[int, Ranking] = {}
    for personal in (True, False):
        places = [place for place, user in enumerate(users) if user.personal == personal]
        if places:
            keys = np.stack([users[place].user_key for place in places])
            known = [users[place].known_rows(include_liked) for place in places]
            state = snapshot if personal else for_everyone(snapshot)
            ranked.update(zip(places, search_pool(state, keys, k, known, allowed)))
    return [ranked[place] for place in range(len(users))]


def _varied_ranking(
    snapshot: Snapshot, user: User, query: PoolQuery, variety: Variety, allowed: np.ndarray | ItemTest | None
) -> Ranking:
    """Outfits chosen from the best ones until there are k, in order of choice."""
    ranking = Ranking(np.zeros(0, dtype=np.int64), np.zeros(0))

    def search_best(count: int) -> int:
        nonlocal ranking
        [ranking] = pool_rankings(snapshot, [user], count, include_liked=query.include_liked, allowed=allowed)
        return len(ranking.rows)

    def choose(_: int) -> np.ndarray:
        return variety.choose(snapshot, snapshot.items_of(ranking.rows), ranking.scores, query.k)

    chosen = choose_from(search_best, choose, query.k, variety.first(query.k))
    return Ranking(ranking.rows[chosen], ranking.scores[chosen])
