"""From a bundle and a user id to outfits: the door of the answering half."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.lookup import find_item_of_any_type, items_by_slot, outfit_rows, slots_of_types
from fashion_hash.encoders import TextEncoder
from fashion_hash.errors import QueryError
from fashion_hash.index.engines.open import EngineName
from fashion_hash.index.pool import Pool
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.users import OutfitRef, items_told
from fashion_hash.retrieval import users as people
from fashion_hash.retrieval.answers import Composed, Hit, Hits, ItemHits, OutfitHit, OutfitsFor, Score
from fashion_hash.retrieval.checks import REQUEST_WEIGHT
from fashion_hash.retrieval.composition.composer import Composer, CompositionQuery
from fashion_hash.retrieval.explanation.codes import Explanation
from fashion_hash.retrieval.explanation.requests import RequestExplanation, explain_request
from fashion_hash.retrieval.filters.live_columns import LiveColumns
from fashion_hash.retrieval.methods import METHODS
from fashion_hash.retrieval.pool.search import PoolQuery, rankings
from fashion_hash.retrieval.scores import hits_of, hits_of_many, scores_of
from fashion_hash.retrieval.search.ask import ask
from fashion_hash.retrieval.search.items import search
from fashion_hash.retrieval.search.live_tower import LiveTower
from fashion_hash.retrieval.search.outfits import outfits_for
from fashion_hash.retrieval.similar_items import similar_items
from fashion_hash.retrieval.updates import CatalogueUpdates
from fashion_hash.retrieval.users import User

__all__ = ["Composed", "Hit", "Hits", "ItemHits", "OutfitHit", "OutfitsFor", "Recommender", "Score"]


class Recommender(CatalogueUpdates):
    """Answers out of a bundle, its pool, and what came and went since; torch is not needed.

    Threads may share one. Processes open their own: every answer is of one moment and holds all
    that any of them had changed before it. Reading needs no right to write.
    """

    def __init__(self, live: LiveCatalogue, requests: LiveTower | None = None) -> None:
        super().__init__(live, requests)
        self._columns = LiveColumns(live)

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
        """Opens a bundle, the index of its pool, and the changes made since.

        Args:
            path: the bundle folder.
            verify: compare the checksum of every file; False compares sizes only (milliseconds).
            engine: how to search the pool; all answer alike. "auto" chooses the fastest: "sums" (a
                scan of compiled code) of large pools, else "factored". There
                are "hamming" (a faiss shortlist, proven and re-ranked) and "scan" (every score
                computed plainly) besides.
            encoder: of the words of requests, where one is loaded already; by default the one that the bundle
                names, when words are first asked. Another than the bundle's is refused then.
            encoder_weights: where the weights of a pretrained encoder lie, if elsewhere than at the export.

        Raises:
            BundleError: no bundle, no index, another version, changed bytes, or an index or changes
                of another bundle.
        """
        live = LiveCatalogue(path, verify=verify, engine=engine)
        return cls(live, LiveTower(live.bundle, encoder, encoder_weights))

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is now: as exported, but with the items that were added."""
        return self.live.now().bundle

    @property
    def pool(self) -> Pool:
        """The outfits of the index; those that came since are not in it."""
        return self.live.now().base.pool

    def __len__(self) -> int:
        """How many outfits there are."""
        return self.live.now().num_outfits

    def recommend(
        self,
        user_ids: str | int | Iterable[str | int | None] | None,
        k: int = 10,
        *,
        include_liked: bool = False,
        where: Mapping[str, Any] | None = None,
        diversity: float = 0.0,
        max_per: Mapping[str, int] | None = None,
    ) -> Hits:
        """The k best outfits of the pool for one user, or for each of many.

        Args:
            user_ids: one id, or several; a number is its digits; None for somebody of whom nothing is known.
            k: at most how many outfits; fewer come back where fewer are left, with a reason in
                `shortfall` when a filter was asked for.
            include_liked: also answer outfits that the user is known to like.
            where: which items, and which totals, an outfit may have: see retrieval/filters/language.py.
            diversity: from 0, the best outfits, to 1, the most varied: maximal marginal relevance
                over the codes of the best 10 k outfits, or 200.
            max_per: in how many of the outfits one "item", or one value of a column such as "brand",
                may occur.

        Raises:
            QueryError: k is not a whole number from 1 on, or a filter or cap without meaning.
            UnknownIdError: an unknown user; the nearest known ids are named.
        """
        query = PoolQuery(k, include_liked, where, diversity, max_per)
        if isinstance(user_ids, str) or not isinstance(user_ids, Iterable):
            snapshot, person = self._person(user_ids)
            [ranking], missing = rankings(self._columns, snapshot, [person], query)
            hits = Hits(np.array(snapshot.ids.at(ranking.rows), dtype=np.str_), ranking.scores)
            hits.personal, hits.shortfall = person.personal, missing
            return hits
        snapshot, users = people.people(self.live, user_ids)
        found, missing = rankings(self._columns, snapshot, users, query)
        return hits_of_many(snapshot, users, found, missing, min(k, snapshot.num_outfits))

    def answer(self, user_id: str | None, k: int = 10, **options: Any) -> list[Hit]:
        """The k best outfits for one user, with items and terms; options and errors as of `recommend`."""
        snapshot, person = self._person(user_id)
        [found], _ = rankings(self._columns, snapshot, [person], PoolQuery(k, **options))
        return hits_of(snapshot, person, snapshot.items_of(found.rows), snapshot.ids.at(found.rows))

    def compose(
        self,
        user_id: str | None,
        k: int = 10,
        *,
        types: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        include: Mapping[str, str | Sequence[str]] | None = None,
        exclude: Mapping[str, Sequence[str]] | None = None,
        max_repeats: int | None = None,
        max_per: Mapping[str, int] | None = None,
        diversity: float = 0.0,
        seconds: float | None = None,
    ) -> Composed:
        """The k best outfits that all the items can form, exactly.

        Args:
            user_id: who asks; None for somebody of whom nothing is known.
            k: at most how many.
            types: the item types of the outfits, ["top", "top", "bottom"] for two tops, or slot names; by
                default all slots.
            where: which items, and which totals, are allowed: see retrieval/filters/language.py.
            include: by slot name the item that it holds, or the items of which it holds one.
            exclude: by item type items that are not to be used.
            max_repeats: no item in more than this many of the outfits.
            max_per, diversity: as for `recommend`.
            seconds: stop after about so long; the answer says then that it is not proven.

        Raises:
            QueryError: numbers, slots or filters without meaning, a slot both given and asked for.
            UnknownIdError: an unknown user or item.
        """
        snapshot, person = self._person(user_id)
        wanted = CompositionQuery(
            k, types, where, include or {}, exclude or {}, max_repeats, max_per or {}, diversity, seconds
        )
        return self._composer.compose(snapshot, person, wanted)

    def complete(self, user_id: str | None, items_by_slot: Mapping[str, str], k: int = 10, **options: Any) -> Composed:
        """The k best outfits that hold some items: what goes with them, for a user.

        Args:
            user_id: who asks; None for somebody of whom nothing is known.
            items_by_slot: item ids by slot name, at least one.
            k: at most how many.
            options: those of `compose`; `types` are the open ones to fill, by default all others.

        Raises as `compose`.
        """
        if not items_by_slot:
            raise QueryError("nothing is given: name at least one item, or ask for whole outfits with compose")
        outfit_rows(self.bundle, items_by_slot)
        asked = slots_of_types(self.bundle, options["types"]) if options.get("types") is not None else []
        if twice := [slot for slot in asked if slot in items_by_slot]:
            raise QueryError(f"slot {twice[0]!r} is both given and asked for: leave it out on one side")
        if twice := [slot for slot in options.get("include") or {} if slot in items_by_slot]:
            raise QueryError(f"slot {twice[0]!r} is given, and in include besides: leave one out")
        return self.compose(user_id, k, **{**options, "include": {**(options.get("include") or {}), **items_by_slot}})

    def similar_items(
        self, item_id: str, k: int = 10, *, item_type: str | None = None, where: Mapping[str, Any] | None = None
    ) -> Hits:
        """Items of the same type like an item: ids and the share of bits in which their codes agree, nearest first.

        Args:
            item_id: the item; it does not come back itself.
            k: at most how many.
            item_type: its type, where an item of another type has the same id.
            where: which items may come back: see retrieval/filters/language.py.

        Raises:
            QueryError: no such type, an id of two types, k is not a whole number from 1 on, or a filter
                without meaning.
            UnknownIdError: an unknown item.
        """
        snapshot = self.live.now()
        kind, row = find_item_of_any_type(snapshot.bundle, str(item_id), item_type)
        allowed = self._columns.filter(snapshot, where).masks.get(kind)
        found = similar_items(snapshot.bundle.item_codes[kind], row, k, allowed)
        hits = Hits(np.array(snapshot.bundle.items[kind].at(found.rows), dtype=np.str_), found.shares)
        hits.personal = False
        return hits

    def search(
        self,
        text: str | None,
        user: str | None = None,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        item_type: str | None = None,
        rerank: bool = False,
    ) -> ItemHits:
        """The k best items for a request: what the words say and, with a user, what they like.

        Every allowed item of the catalogue is compared with the request by its bits; ties by id.

        Args:
            text: the words; None or "" for the taste alone. The first 2,000 letters are read.
            user: who asks; None for the words alone.
            k: at most how many.
            where: which items: see retrieval/filters/language.py; a "total" is that of the item by itself.
            item_type: only items of this type.
            rerank: order the best 10 k items by bits, or 200, by the values before their signs were taken.

        Raises:
            QueryError: neither text nor user, no word that is known and no taste, no such item type, k is no
                whole number from 1 on, or a filter without meaning.
            UnknownIdError: an unknown user.
            BundleError: a bundle without a request model, or made with another encoder.
            MissingExtraError, FeatureError: the encoder of the bundle lacks its package or its weights.
        """
        snapshot, person = self._person(user)
        asked = ask(self._requests, snapshot, text, user, person)
        return search(self._requests, self._columns, snapshot, asked, k, where, item_type, rerank)

    def outfits_for(
        self,
        text: str | None,
        user: str | None = None,
        k: int = 10,
        *,
        weight: float = REQUEST_WEIGHT,
        anchors: int = 50,
        per_anchor: int | None = 2,
        types: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        include: Mapping[str, str | Sequence[str]] | None = None,
        exclude: Mapping[str, Sequence[str]] | None = None,
        max_per: Mapping[str, int] | None = None,
        diversity: float = 0.0,
        seconds: float | None = None,
    ) -> OutfitsFor:
        """The k best outfits around the best items for a request.

        total = score + weight * request score of the anchor: the first item in the answer of `search` that the
        outfit holds, given ones apart. Exact: of all outfits that hold one of the `anchors` best items (at least
        k; under the same filters), at most `per_anchor` of each, these have the greatest totals, unless time
        was up.

        Args:
            text, user: as for `search`; who asks has their part in the request and in the score.
            weight: of the request. With 100, 1 % of the bits are worth 1 point of the score: items that match
                about equally compete by the outfits around them.
            anchors: how many of the best items outfits are built around.
            per_anchor: at most so many outfits around one item; None for as many as are best.
            k, types, where, include, exclude, max_per, diversity, seconds: as for `compose`. Caps of "item"
                alone are exact, and leave given items out; diversity and other caps choose out of the best 10 k
                outfits, or 200, at most 10 around one item instead of `per_anchor`.

        Raises as `search` and `compose`, and QueryError for a weight that is no number from 0 to 10,000.
        """
        snapshot, person = self._person(user)
        wanted = CompositionQuery(
            k, types, where, include or {}, exclude or {}, None, max_per or {}, diversity, seconds
        )
        asked = ask(self._requests, snapshot, text, user, person)
        return outfits_for(self._requests, self._composer, snapshot, person, asked, wanted, weight, anchors, per_anchor)

    def explain_request(
        self,
        text: str | None,
        user: str | None,
        of: OutfitRef,
        *,
        item_type: str | None = None,
        weight: float = REQUEST_WEIGHT,
        anchor: str | None = None,
        neighbours: int = 3,
    ) -> RequestExplanation:
        """Why a request finds an item, or an outfit: the parts of words, taste and outfit add up exactly.

        Args:
            text, user: as for `search`.
            of: an item id, an outfit as item ids by slot name, or the id of an outfit.
            item_type: the item's, where an item of another type has the same id.
            weight: of the request in an outfit's total.
            anchor: the slot of an outfit whose item the request is about; by default that of the best.
            neighbours: how many liked items and outfits at most.

        Raises as `search`; UnknownIdError for what is neither item nor outfit.
        """
        snapshot, person = self._person(user)
        asked = ask(self._requests, snapshot, text, user, person)
        return explain_request(self._requests, snapshot, person, asked, of, item_type, weight, anchor, neighbours)

    def explain(self, user_id: str | None, outfit: OutfitRef, *, neighbours: int = 3, top_bits: int = 3) -> Explanation:
        """Why an outfit scores as it does: parts that add up to the score exactly, and liked outfits near it.

        Args:
            user_id: who asks.
            outfit: its id, or any items by slot name.
            neighbours: how many liked outfits at most.
            top_bits: how many bits of each item.
        """
        snapshot, person = self._person(user_id)
        items = items_told(snapshot, outfit)
        bundle = person.bundle_of(snapshot)
        explain = METHODS[bundle.scoring].explain
        return explain(bundle, person.code, items, person.liked, neighbours=neighbours, top_bits=top_bits)

    def outfit(self, outfit_id: str) -> dict[str, str]:
        """The item ids of an outfit of the pool by slot name ("top", "top_2", ...), filled slots only.

        Raises UnknownIdError, with the nearest known ids.
        """
        snapshot = self.live.now()
        return items_by_slot(snapshot.bundle, items_told(snapshot, str(outfit_id)))

    def score(self, user_id: str | None, outfit: OutfitRef) -> Score:
        """The score of any items as an outfit, in the pool or not.

        Args:
            user_id: the user; None for somebody of whom nothing is known, whose preference is 0.
            outfit: item ids by slot name, a slot that is absent is empty; or the id of an outfit.

        Raises:
            QueryError: no items, or a slot that does not exist.
            UnknownIdError: an unknown user or item.
        """
        snapshot, person = self._person(user_id)
        return scores_of(person.bundle_of(snapshot), person.code, items_told(snapshot, outfit)[None])[0]

    def liked(self, user_id: str) -> list[dict[str, str]]:
        """The outfits that a user is known to like, as item ids by slot name, in order of the history."""
        snapshot, person = self._person(user_id)
        return [items_by_slot(snapshot.bundle, items) for items in person.liked]

    @cached_property
    def _composer(self) -> Composer:
        return Composer(self.live.bundle, self._columns)

    def _person(self, user_id: str | int | None) -> tuple[Snapshot, User]:
        snapshot, [person] = people.people(self.live, [user_id])
        return snapshot, person
