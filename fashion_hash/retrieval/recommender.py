"""From a bundle and a user id to outfits: the door of the answering half."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack, cast

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import outfit_rows, slots_of_types
from fashion_hash.encoders import TextEncoder
from fashion_hash.errors import QueryError
from fashion_hash.index.engines.open import EngineName
from fashion_hash.index.pool import Pool
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.retrieval.answers import Composed, Hit, HitList, Hits, ItemHits, OutfitHit, OutfitsFor, Score
from fashion_hash.retrieval.checks import check_mapping, check_options, check_types
from fashion_hash.retrieval.composition.composer import CompositionOptions, CompositionQuery, compose_outfits
from fashion_hash.retrieval.explanations import Explanations
from fashion_hash.retrieval.moment import Moment
from fashion_hash.retrieval.pool.search import PoolOptions, PoolQuery, rankings
from fashion_hash.retrieval.scores import hits_of_many, hits_of_pool
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
            [ranking], shortfall = rankings(moment.columns, moment.snapshot, [moment.user], query)
            hits = Hits(np.array(moment.snapshot.ids.at(ranking.rows), dtype=np.str_), ranking.scores)
            hits.personal, hits.shortfall = moment.user.personal and personal, shortfall
            return hits
        if told is not None:
            raise QueryError("liked and disliked are those of one user: ask for each user alone")
        now = self._now()
        snapshot, users = users_now(now.live, cast("Iterable[str | int | None]", user_ids))
        snapshot = with_taste(snapshot, query.taste)
        ranked, shortfall = rankings(now.columns, snapshot, users, query)
        hits = hits_of_many(snapshot, users, ranked, shortfall, min(k, snapshot.num_outfits))
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
        [ranking], shortfall = rankings(moment.columns, moment.snapshot, [moment.user], query)
        rows = ranking.rows
        hits = HitList(hits_of_pool(moment, rows))
        hits.personal, hits.shortfall = moment.user.personal and query.by == "score", shortfall
        return hits

    def answer_many(
        self, user_ids: Iterable[str | int | None], k: int = 10, **options: Unpack[PoolOptions]
    ) -> list[HitList]:
        """The answers to several users, as `answer` gives them; the pool is searched for all of them together.

        Arguments and errors are those of `recommend`; `shortfall` is that of the first user with fewer hits.
        """
        check_options("Recommender.answer_many", options, PoolOptions)
        if take_likes(options) is not None:
            raise QueryError("liked and disliked are those of one user: ask for each user alone")
        now, query = self._now(), PoolQuery(k, **options)  # type: ignore[misc]
        snapshot, users = users_now(now.live, user_ids)
        snapshot = with_taste(snapshot, query.taste)
        ranked, shortfall = rankings(now.columns, snapshot, users, query)
        answers = []
        for user, (rows, _) in zip(users, ranked):
            moment = Moment(snapshot, user, now.columns, now.partners, now.tower)
            hits = HitList(hits_of_pool(moment, rows))
            hits.personal = user.personal and query.by == "score"
            hits.shortfall = shortfall if len(hits) < k else None
            answers.append(hits)
        return answers

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
        if isinstance(items_by_slot, Mapping) and not items_by_slot:
            raise QueryError("no item is given: give at least one, or use compose to form whole outfits")
        outfit_rows(self.bundle, items_by_slot)
        types, include = options.get("types"), check_mapping("include", options.get("include"), '{"top": "item-1"}')
        slots = [] if types is None else slots_of_types(self.bundle, check_types(types))
        for slot_names, option in ((slots, "types"), (include, "include")):
            if both := [name for name in slot_names if name in items_by_slot]:
                raise QueryError(f"slot {both[0]!r} is given an item and also named in {option}: leave one out")
        options["include"] = {**include, **items_by_slot}
        return self.compose(user_id, k, **options)

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
