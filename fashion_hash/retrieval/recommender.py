"""From a bundle and a user id to outfits: the door of the answering half."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.encoders import TextEncoder
from fashion_hash.errors import QueryError, counted
from fashion_hash.index.engines.open import EngineName
from fashion_hash.index.pool import Pool
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.answers import Composed, Hit, HitList, Hits, ItemHits, OutfitHit, OutfitsFor, Score
from fashion_hash.retrieval.checks import check_list, check_options
from fashion_hash.retrieval.composition.composer import (
    CompositionOptions,
    CompositionQuery,
    completion,
    compose_for_each,
    compose_outfits,
)
from fashion_hash.retrieval.explanations import Explanations
from fashion_hash.retrieval.pool.search import PoolOptions, PoolQuery, rankings
from fashion_hash.retrieval.scores import answer_of, hits_of_many
from fashion_hash.retrieval.search.ask import ask
from fashion_hash.retrieval.search.items import ItemQuery, SearchOptions, search_items
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.search.outfits import OutfitsForOptions, outfits_for, read_options
from fashion_hash.retrieval.updates import CatalogueUpdates
from fashion_hash.retrieval.users import is_user_id, take_likes, users_now, with_taste

__all__ = ["Composed", "Hit", "Hits", "ItemHits", "OutfitHit", "OutfitsFor", "Recommender", "Score"]


class Recommender(CatalogueUpdates, Explanations):
    """Answers from a bundle, its pool, and what has changed since the export. It does not need torch.

    Each answer is of one moment: it includes every change that any process made before the question, and no
    change made during it. When `build-index` makes another generation current, the next question is answered from
    that one. Threads may share a Recommender; each process opens its own, which is also what unpickling does.
    Answering only reads: the bundle folder may be read-only.

        recommender = Recommender.load("runs/NAME/bundle")
        recommender.answer("user-7", 5)                                    # the best outfits of the pool
        recommender.compose("user-7", 5, where={"price": {"<": 50}})       # formed from the whole catalogue
        recommender.complete("user-7", {"top": "t-12"}, 5)                 # what goes with an item
        recommender.search("a red linen shirt", "user-7", 5)               # items, by words and taste
    """

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        verify: bool = True,
        engine: EngineName = "auto",
        encoder: TextEncoder | None = None,
        encoder_weights: str | None = None,
    ) -> Recommender:
        """Opens a bundle, the index of its pool, and the changes made since the export.

        Args:
            path: the bundle folder.
            verify: compare the checksum of every file; False compares only sizes, which takes milliseconds.
            engine: how to search the pool. All engines give the same answers. "auto" chooses the fastest:
                "sums" (a compiled scan) for large pools, otherwise "factored". "hamming" proves and re-ranks
                a faiss shortlist; "scan" computes every score plainly.
            encoder: encodes the words of requests, if one is already loaded; by default the encoder that the
                bundle names is opened at the first request. A different encoder is refused then.
            encoder_weights: where the weights of a pretrained encoder are, if they moved since the export.

        Raises:
            BundleError: no bundle or no index, another format version, changed bytes, or an index or
                changes that belong to another bundle.
        """
        live = LiveCatalogue(path, verify=verify, engine=engine)
        recommender = cls(live, LiveTower(live.bundle, encoder, encoder_weights))
        recommender._options = dict(verify=verify, engine=engine, encoder=encoder, encoder_weights=encoder_weights)
        return recommender

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles and copies as path and options: whoever unpickles opens the bundle again."""
        return partial(type(self).load, **self._options), (str(self._root),)

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is now: as exported, with the items that were added."""
        return self.live.now().bundle

    @property
    def pool(self) -> Pool:
        """The outfits in the index files; outfits added since are not included."""
        return self.live.now().base.pool

    def __len__(self) -> int:
        """How many outfits can be recommended now."""
        return self.live.now().num_outfits

    def recommend(
        self,
        user_ids: str | int | Iterable[str | int | None] | None,
        k: int = 10,
        **options: Unpack[PoolOptions],
    ) -> Hits:
        """The k best outfits of the pool for one user, or for each of many.

        Args:
            user_ids: one id or several. A number stands for its digits, None for an anonymous user.
            k: at most how many outfits for each user. Fewer come back when fewer are left; if a filter was
                given, `shortfall` says why.
            **options: keyword options, all optional:

                * include_liked (default False): also return outfits that the user is known to like.
                * where: which items, and which totals, an outfit may have: see retrieval/filters/language.py.
                * diversity (default 0.0): from 0, the best outfits, to 1, the most varied: maximal marginal relevance
                  over the codes of the best 10 k outfits, at least 200.
                * max_per: in how many of the outfits one "item", or one value of a column such as "brand", may occur.
                * exclude: by item type the ids of items that no outfit may hold.
                * exclude_outfits: ids of outfits to leave out; ids that are not, or no longer, in the pool are ignored.
                * skip (default 0): leave out so many of the first outfits. With skip=k comes the next page, which
                  repeats nothing: without diversity it is the rest of one longer list, with diversity each page of k
                  continues the choice of the pages before.
                * by: "score" (default), or "popular": how many users like the items of an outfit, on average. Scores
                  are those counts then, and `personal` is False.
                * half_life: with by="popular", the days after which a like counts half, for data with times.
                * taste (default 0.5): from 0, what goes together alone, over 0.5, as trained, to 1, what the user likes
                  alone: see bundle/views.py for what it multiplies. Not under an outfit encoder.
                * liked, disliked: outfits, by id or as item ids by slot name, that one user tells with this question.
                  The answer is the one after `update_user`, or after `add_user` for None, but nothing is stored.

        Returns:
            Ids and scores, best first, ties by id. One user: (K',) each, K' at most k. Many users: (U, K)
            each, K at most k, filled up with "" and -inf.

        Raises:
            QueryError: k, a filter, a cap or another option is not valid, likes are told for several users, or a user
                id is not a string or number.
            UnknownIdError: an unknown user, or an unknown item in an option; the nearest known ids are named.
            TypeError: an unknown option.
        """
        check_options("Recommender.recommend", options, PoolOptions)
        told, query = take_likes(options), PoolQuery(k, **options)  # type: ignore[misc]
        personal = query.by == "score"
        if is_user_id(user_ids):
            moment = self._moment(user_ids, told).with_taste(query.taste)
            ranked = rankings(moment.columns, moment.snapshot, [moment.user], query)
            [ranking] = ranked.rankings
            hits = Hits(np.array(moment.snapshot.ids.at(ranking.rows), dtype=np.str_), ranking.scores)
            hits.personal, hits.shortfall = moment.user.personal and personal, ranked.shortfall(0)
            return hits
        _refuse_likes(told is not None)
        now = self._now()
        snapshot, users = users_now(now.live, cast("Iterable[str | int | None]", user_ids))
        snapshot = with_taste(snapshot, query.taste)
        ranked = rankings(now.columns, snapshot, users, query)
        hits = hits_of_many(snapshot, users, ranked, min(k, snapshot.num_outfits))
        hits.personal &= personal
        return hits

    def answer(self, user_id: str | int | None, k: int = 10, **options: Unpack[PoolOptions]) -> HitList:
        """The k best outfits for one user, each with its items and the terms of its score.

        Arguments and errors are those of `recommend`; an unknown option is a TypeError. With by="popular" the order
        is that of popularity, and the terms are still those of the user's score. The list has the attributes `personal`
        and `shortfall`.
        """
        check_options("Recommender.answer", options, PoolOptions)
        told, query = take_likes(options), PoolQuery(k, **options)  # type: ignore[misc]
        moment = self._moment(user_id, told).with_taste(query.taste)
        return answer_of(moment, rankings(moment.columns, moment.snapshot, [moment.user], query), 0)

    def answer_many(
        self, user_ids: Iterable[str | int | None], k: int = 10, **options: Unpack[PoolOptions]
    ) -> list[HitList]:
        """The answers to several users, as `answer` gives them; the pool is searched for all of them together.

        Arguments and errors are those of `recommend`.
        """
        check_options("Recommender.answer_many", options, PoolOptions)
        _refuse_likes(take_likes(options) is not None)
        query = PoolQuery(k, **options)  # type: ignore[misc]
        moments = self._now().moments(user_ids, query.taste)
        if not moments:
            return []
        users = [moment.user for moment in moments]
        ranked = rankings(moments[0].columns, moments[0].snapshot, users, query)
        return [answer_of(moment, ranked, place) for place, moment in enumerate(moments)]

    def compose(self, user_id: str | int | None, k: int = 10, **options: Unpack[CompositionOptions]) -> Composed:
        """The k best outfits that can be formed from all items of the catalogue.

        With FHN the answer is exact unless time runs out. With an outfit encoder a shortlist is ranked and
        improved by swaps. `proven` and `gap` say which it is.

        Args:
            user_id: who asks; None for an anonymous user.
            k: at most how many outfits.
            **options: keyword options, all optional:

                * types: the item types of the outfits, such as ["top", "top", "bottom"] for two tops, or slot
                  names; by default all slots.
                * where: which items, and which totals, are allowed: see retrieval/filters/language.py.
                * include: by slot name the item it must hold, or a list of items of which it must hold one.
                * exclude: by item type the ids of items that must not be used.
                * max_repeats: no item in more than this many of the outfits.
                * max_per, diversity (default 0.0): as for `recommend`.
                * seconds: stop after about this time; the answer may then not be proven.
                * skip (default 0), taste (default 0.5), liked, disliked: as for `recommend`.

        Raises:
            QueryError: a number, slot or filter is not valid, or a slot is both given and asked for.
            UnknownIdError: an unknown user or item.
            TypeError: an unknown option.
        """
        check_options("Recommender.compose", options, CompositionOptions)
        moment = self._moment(user_id, take_likes(options))
        return compose_outfits(moment, CompositionQuery(k, **options))  # type: ignore[misc]

    def complete(
        self,
        user_id: str | int | None,
        items_by_slot: Mapping[str, str],
        k: int = 10,
        **options: Unpack[CompositionOptions],
    ) -> Composed:
        """The k best outfits that hold the given items: what goes with them, for a user.

        Args:
            user_id: who asks; None for an anonymous user.
            items_by_slot: item ids by slot name, at least one.
            k: at most how many outfits.
            **options: those of `compose`; `types` are the open slots to fill, by default all others.

        Raises:
            QueryError: no item is given or a slot is given twice; this and other errors as `compose`.
        """
        check_options("Recommender.complete", options, CompositionOptions)
        moment = self._moment(user_id, take_likes(options))
        return compose_outfits(moment, completion(moment.bundle, items_by_slot, CompositionQuery(k, **options)))  # type: ignore[misc]

    def compose_many(
        self, user_ids: Iterable[str | int | None], k: int = 10, **options: Unpack[CompositionOptions]
    ) -> list[Composed]:
        """The answers to several users, as `compose` gives them, all of one state of the catalogue.

        Arguments and errors are those of `compose`; `seconds` is the time for each user.
        """
        check_options("Recommender.compose_many", options, CompositionOptions)
        _refuse_likes(take_likes(options) is not None)
        moments = self._now().moments(user_ids)
        return compose_for_each(moments, [CompositionQuery(k, **options)] * len(moments))  # type: ignore[misc]

    def complete_many(
        self,
        user_ids: Iterable[str | int | None],
        items_by_slot: Mapping[str, str] | Sequence[Mapping[str, str]],
        k: int = 10,
        **options: Unpack[CompositionOptions],
    ) -> list[Composed]:
        """The answers to several users, as `complete` gives them, all of one state of the catalogue.

        Args:
            user_ids: who asks; None for an anonymous user.
            items_by_slot: item ids by slot name, the same for everyone, or a list with those of each user.
            k: at most how many outfits for each.
            **options: those of `compose`; `seconds` is the time for each user.

        Raises:
            QueryError: as many lists of items as users are needed; this and other errors as `complete`.
        """
        check_options("Recommender.complete_many", options, CompositionOptions)
        _refuse_likes(take_likes(options) is not None)
        moments, query = self._now().moments(user_ids), CompositionQuery(k, **options)  # type: ignore[misc]
        if not moments:
            return []
        bundle = moments[0].snapshot.bundle
        if isinstance(items_by_slot, Mapping):
            queries = [completion(bundle, items_by_slot, query)] * len(moments)
        else:
            given = check_list("items_by_slot", items_by_slot, "item ids by slot name, one for each user")
            if len(given) != len(moments):
                raise QueryError(
                    f"{counted(len(moments), 'user')}, but items for {len(given):,}: give each user their own"
                )
            queries = [completion(bundle, of_user, query) for of_user in given]
        return compose_for_each(moments, queries)

    def search(
        self, text: str | None, user: str | int | None = None, k: int = 10, **options: Unpack[SearchOptions]
    ) -> ItemHits:
        """The k best items for a request: what the words say and, with a user, what the user likes.

        Every allowed item of the catalogue is compared with the request by its bits; ties by id.

        Args:
            text: the words; None or "" for the taste alone. Only the first 2,000 characters are read.
            user: who asks; None for the words alone.
            k: at most how many items.
            **options: keyword options, all optional:

                * where: which items: see retrieval/filters/language.py; a "total" is that of the item alone.
                * item_type: only items of this type.
                * rerank (default False): order the best 10 k items by bits, at least 200, by the values whose signs are
                  the bits.
                * exclude: by item type the ids of items to leave out.
                * skip (default 0): leave out so many of the first items; not with rerank.
                * liked, disliked: as for `recommend`.
                * facts: what the words are to mean, instead of what is understood: `understood` and `goes_with` of an
                  answer as mappings (`Fact.to_dict`), with some taken out, made hard or soft, or added. The text
                  still counts as words.

        Raises:
            QueryError: neither text nor user, no known word and no taste, or an option is not valid.
            UnknownIdError: an unknown user.
            BundleError: a bundle without a request model, or made with another encoder.
            MissingExtraError: the package of the bundle's text encoder is not installed.
            FeatureError: the weights of the bundle's text encoder are missing.
            TypeError: an unknown option.
        """
        check_options("Recommender.search", options, SearchOptions)
        moment = self._moment(user, take_likes(options))
        return search_items(moment, ask(moment, text, options.get("facts")), ItemQuery(k, **options))  # type: ignore[misc]

    def outfits_for(
        self, text: str | None, user: str | int | None = None, k: int = 10, **options: Unpack[OutfitsForOptions]
    ) -> OutfitsFor:
        """The k best outfits around the best items for a request.

        total = score + weight * request score of the anchor: the first item in the answer of `search` that the
        outfit holds, given ones apart. Of all outfits that hold one of the `anchors` best items (at least k;
        under the same filters), at most `per_anchor` around each, these are exactly the best, unless time runs
        out: those whose anchor has every hard fact first, then by total. What the request names beside its item
        ("with black boots", "to go with my blue jeans", further items) is in a slot of its own.
        With an outfit encoder, the outfits around each anchor are those that `compose` finds.

        Args:
            text: as for `search`.
            user: as for `search`; the user has a part in both the request and the score.
            k: at most how many outfits.
            **options: keyword options, all optional:

                * weight (default 100.0): of the request, 0 to 10,000. With 100, 1 % of the bits are worth 1
                  point of the score, so that items that match about equally compete by their outfits.
                * anchors (default 50): how many of the best items outfits are built around.
                * per_anchor (default 2): at most this many outfits around one item; None for no limit.
                * skip (default 0): as for `recommend`; `anchors` must be at least skip + k then.
                * liked, disliked: as for `recommend`.
                * facts: as for `search`.
                * types, where, include, exclude, max_per, diversity, seconds: as for `compose`. A cap of
                  "item" alone is exact and ignores given items; diversity and other caps choose from the
                  best 10 k outfits, at least 200, with at most 10 around one item instead of `per_anchor`.

        Raises:
            QueryError: the weight or a count is not valid; this and other errors as `search` and `compose`.
            TypeError: an unknown option.
        """
        check_options("Recommender.outfits_for", options, OutfitsForOptions)
        moment = self._moment(user, take_likes(options))
        return outfits_for(moment, ask(moment, text, options.get("facts")), *read_options(k, options))


def _refuse_likes(told: bool) -> None:
    if told:
        raise QueryError("liked and disliked are those of one user: ask for each user alone")
