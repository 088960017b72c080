"""Recommendations from the pool: the best outfits of each user, filtered and varied on request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fashion_hash.bundle.views import AS_TRAINED
from fashion_hash.errors import QueryError, shown
from fashion_hash.index.engines.contract import NOTHING, ItemTest, Ranking
from fashion_hash.live.pool_search import search_pool
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval.checks import check_count, check_list, check_skip, check_taste
from fashion_hash.retrieval.filters.apply import Filter
from fashion_hash.retrieval.filters.excluded import excluded_items
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.filters.shortfall import PoolOutfits, Shortfall, explain_shortfall
from fashion_hash.retrieval.pool.popular import check_half_life, popular_rankings
from fashion_hash.retrieval.pool.variety import Variety
from fashion_hash.retrieval.users import LikesInCall, User, for_everyone

Order = Literal["score", "popular"]


class PoolOptions(LikesInCall, total=False):
    """The options of Recommender.recommend; PoolQuery holds their defaults."""

    include_liked: bool
    where: Mapping[str, Any] | None
    diversity: float
    max_per: Mapping[str, int] | None
    exclude: Mapping[str, Sequence[str]] | None
    exclude_outfits: Iterable[str] | None
    skip: int
    by: Order
    half_life: float | None
    taste: float


class PoolQuery(NamedTuple):
    """What is asked of the pool; see Recommender.recommend for what each means."""

    k: int
    include_liked: bool = False
    where: Mapping[str, Any] | None = None
    diversity: float = 0.0
    max_per: Mapping[str, int] | None = None
    exclude: Mapping[str, Sequence[str]] | None = None
    exclude_outfits: Iterable[str] | None = None
    skip: int = 0
    by: Order = "score"
    half_life: float | None = None
    taste: float = AS_TRAINED

    def check(self) -> None:
        """Raises QueryError for a number or a name without meaning."""
        check_count("k", self.k)
        check_skip(self.skip)
        if self.by not in get_args(Order):
            raise QueryError(f'by must be "score" or "popular", got {shown(self.by)}')
        if check_half_life(self.half_life) is not None and self.by == "score":
            raise QueryError('half_life applies to popularity: add by="popular", or leave it out')
        if check_taste(self.taste) != AS_TRAINED and self.by == "popular":
            raise QueryError('taste weighs scores, and by="popular" counts likes: leave one of them out')

    @property
    def is_plain(self) -> bool:
        """Whether no filter, diversity or cap is asked for: the ranking itself is the answer."""
        no_diversity = type(self.diversity) in (int, float) and self.diversity == 0
        return no_diversity and self.where is None and self.max_per is None and self.exclude is None


class Ranked(NamedTuple):
    """The best outfits of each user, and what explains a ranking shorter than was asked for.

    Attributes:
        query: what was asked.
        rankings: one for each user.
        snapshot: of the catalogue.
        columns: the catalogue by column.
        known: for each user the rows that are not answered.
        chosen: the filter; None where nothing narrows the pool.
    """

    query: PoolQuery
    rankings: Sequence[Ranking]
    snapshot: Snapshot
    columns: LiveColumns
    known: Sequence[np.ndarray]
    chosen: Filter | None = None

    def shortfall(self, place: int) -> Shortfall | None:
        """Why a user got fewer than k outfits; None if no filter was asked for, or the user got k."""
        found = len(self.rankings[place].rows)
        if not self.query.where or self.chosen is None or found >= self.query.k:
            return None
        snapshot = self.snapshot
        there = np.arange(len(snapshot.ids)) if snapshot.offered is None else np.flatnonzero(snapshot.offered)
        excluded = np.flatnonzero(np.isin(there, self.known[place]))
        pool = PoolOutfits(snapshot.bundle.slots, snapshot.items_of(there), excluded)
        return explain_shortfall(self.query.k, found, self.chosen, self.columns.of(snapshot), pool)

    def first_shortfall(self) -> Shortfall | None:
        """Why the first user with fewer than k outfits got fewer; None if no filter was asked for or everyone got k."""
        short = (place for place, ranking in enumerate(self.rankings) if len(ranking.rows) < self.query.k)
        first = next(short, None)
        return None if first is None else self.shortfall(first)


def rankings(columns: LiveColumns, snapshot: Snapshot, users: Sequence[User], query: PoolQuery) -> Ranked:
    """The best outfits of each user. Raises QueryError when k, the filter, a cap or the diversity is meaningless."""
    query.check()
    unwanted = _outfit_rows(snapshot, query.exclude_outfits)
    known = [user.known_rows(query.include_liked) for user in users]
    if len(unwanted):
        known = [np.union1d(rows, unwanted) for rows in known]
    search = _Search(snapshot, users, known, query)
    if query.is_plain:
        ranked = [_after(ranking, query.skip) for ranking in search.best(query.skip + query.k)]
        return Ranked(query, ranked, snapshot, columns, known)
    variety = Variety(query.diversity, {} if query.max_per is None else query.max_per, columns)
    variety.check()
    chosen = columns.filter(snapshot, query.where)
    if query.exclude is not None:
        counts = {item_type: len(snapshot.bundle.items[item_type]) for item_type in snapshot.bundle.types}
        chosen = chosen.without(excluded_items(snapshot.bundle, query.exclude), counts)
    search = search._replace(allowed=columns.allowed(snapshot, chosen, tests=query.by == "score"))
    if query.diversity or variety.max_per:
        ranked = [search.of(place).varied(variety) for place in range(len(users))]
    else:
        ranked = [_after(ranking, query.skip) for ranking in search.best(query.skip + query.k)]
    return Ranked(query, ranked, snapshot, columns, known, chosen)


class _Search(NamedTuple):
    """What is searched for users, whatever the length of the lists.

    Attributes:
        snapshot: N outfits in files and A that were added since.
        users: who the outfits are for.
        known: for each user the rows that are not answered.
        query: what is asked.
        allowed: (N + A,) bool, or a test of items; None for all outfits.
    """

    snapshot: Snapshot
    users: Sequence[User]
    known: Sequence[np.ndarray]
    query: PoolQuery
    allowed: np.ndarray | ItemTest | None = None

    def of(self, place: int) -> _Search:
        """The search for one of the users."""
        return self._replace(users=[self.users[place]], known=[self.known[place]])

    def best(self, count: int) -> list[Ranking]:
        """The best outfits of each user."""
        if self.query.by == "popular":
            assert not isinstance(self.allowed, ItemTest)
            half_life = self.query.half_life
            return popular_rankings(self.snapshot, count, half_life, known=self.known, allowed=self.allowed)
        return pool_rankings(self.snapshot, self.users, count, self.known, self.allowed)

    def varied(self, variety: Variety) -> Ranking:
        """Outfits of one user chosen from the best ones until there are k, in order of choice."""
        ranking = Ranking(np.zeros(0, dtype=np.int64), np.zeros(0))

        def search_best(count: int) -> int:
            nonlocal ranking
            [ranking] = self.best(count)
            return len(ranking.rows)

        def choose(count: int, begun: Sequence[int]) -> np.ndarray:
            items = self.snapshot.items_of(ranking.rows)
            return variety.choose(self.snapshot, items, ranking.scores, count, begun)

        places = variety.page(search_best, choose, self.query.k, self.query.skip)
        return Ranking(ranking.rows[places], ranking.scores[places])


def pool_rankings(
    snapshot: Snapshot,
    users: Sequence[User],
    k: int,
    known: Sequence[np.ndarray],
    allowed: np.ndarray | ItemTest | None = None,
) -> list[Ranking]:
    """The k best outfits of each of many users.

    Args:
        snapshot: N outfits in files and A that were added since.
        users: who the outfits are for.
        k: at most how many for each.
        known: for each user the rows that are not answered.
        allowed: (N + A,) bool, or a test of items; None for all outfits.
    """
    ranked: dict[int, Ranking] = {}
    for personal in (True, False):
        places = [place for place, user in enumerate(users) if user.personal == personal]
        if places:
            keys = np.stack([users[place].user_key for place in places])
            state = snapshot if personal else for_everyone(snapshot)
            ranked.update(zip(places, search_pool(state, keys, k, [known[place] for place in places], allowed)))
    return [ranked[place] for place in range(len(users))]


def _outfit_rows(snapshot: Snapshot, outfit_ids: Iterable[str] | None) -> np.ndarray:
    """The rows of outfits by id, ascending; an id that is not in the pool, or no longer, stands for none."""
    if outfit_ids is None:
        return NOTHING
    ids = check_list("exclude_outfits", outfit_ids, "ids of outfits")
    rows = np.array([snapshot.ids.find(str(outfit_id)) for outfit_id in ids], dtype=np.int64)
    return np.unique(rows[rows >= 0])


def _after(ranking: Ranking, skip: int) -> Ranking:
    return Ranking(ranking.rows[skip:], ranking.scores[skip:]) if skip else ranking
