"""From a bundle and a user id to outfits: the door of the answering half."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.errors import QueryError
from fashion_hash.heads import ItemEncoder
from fashion_hash.index.pool import Pool
from fashion_hash.live import changes, compaction
from fashion_hash.live.changes import outfit_rows
from fashion_hash.live.generation import EngineName
from fashion_hash.live.living import Living
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.retrieval import people
from fashion_hash.retrieval.answers import Composed, Hit, Hits, Score, hits_of, hits_of_many, items_by_slot, scores_of
from fashion_hash.retrieval.composing import Composer, Wanted, slots_of_types
from fashion_hash.retrieval.explain import Explanation, explain
from fashion_hash.retrieval.explain_encoded import explain_encoded
from fashion_hash.retrieval.foldin import FoldIn
from fashion_hash.retrieval.foldin_vectors import FoldInVectors
from fashion_hash.retrieval.living_columns import LivingColumns
from fashion_hash.retrieval.people import Fold, Person, Told
from fashion_hash.retrieval.pool_search import rankings
from fashion_hash.retrieval.similar import similar_items

__all__ = ["Composed", "Hit", "Hits", "Recommender", "Score"]


class Recommender:
    """Answers out of a bundle, its pool, and what came and went since; torch is not needed.

    Threads may share one. Processes open their own: every answer is of one moment and holds all
    that any of them had changed before it. Reading needs no right to write.
    """

    def __init__(self, living: Living) -> None:
        self.living = living
        self._columns = LivingColumns(living)

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True, engine: EngineName = "auto") -> Recommender:
        """Opens a bundle, the index of its pool, and the changes made since.

        Args:
            path: the bundle folder.
            verify: compare the checksum of every file; False compares sizes only (milliseconds).
            engine: how to search the pool; all answer alike. "auto" chooses the fastest: "sums" (a
                scan of compiled code) of large pools, else "factored". There
                are "hamming" (a faiss shortlist, proven and re-ranked) and "scan" (every score
                computed plainly) besides.

        Raises:
            BundleError: no bundle, no index, another version, changed bytes, or an index or changes
                of another bundle.
        """
        return cls(Living(path, verify=verify, engine=engine))

    @property
    def bundle(self) -> Bundle:
        """The bundle as it is now: as exported, but with the items that were added."""
        return self.living.now().bundle

    @property
    def pool(self) -> Pool:
        """The outfits of the index; those that came since are not in it."""
        return self.living.now().base.pool

    def __len__(self) -> int:
        """How many outfits there are."""
        return self.living.now().num_outfits

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
            where: which items, and which totals, an outfit may have: see retrieval/where.py.
            diversity: from 0, the best outfits, to 1, the most varied: maximal marginal relevance
                over the codes of the best 10 k outfits, or 200.
            max_per: in how many of the outfits one "item", or one value of a column such as "brand",
                may occur.

        Raises:
            QueryError: k is not a whole number from 1 on, or a filter or cap without meaning.
            UnknownIdError: an unknown user; the nearest known ids are named.
        """
        if isinstance(user_ids, str) or not isinstance(user_ids, Iterable):
            snapshot, person = self._person(user_ids)
            [ranking], missing = rankings(
                self._columns, snapshot, [person], k, include_liked, where, diversity, max_per
            )
            hits = Hits(np.array(snapshot.ids.at(ranking.rows), dtype=np.str_), ranking.scores)
            hits.personal, hits.shortfall = person.personal, missing
            return hits
        snapshot, persons = people.people(self.living, user_ids)
        found, missing = rankings(self._columns, snapshot, persons, k, include_liked, where, diversity, max_per)
        return hits_of_many(snapshot, persons, found, missing, min(k, snapshot.num_outfits))

    def answer(self, user_id: str | None, k: int = 10, **options: Any) -> list[Hit]:
        """The k best outfits for one user, with items and terms; options and errors as of `recommend`."""
        snapshot, person = self._person(user_id)
        [found], _ = rankings(self._columns, snapshot, [person], k, **options)
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
            where: which items, and which totals, are allowed: see retrieval/where.py.
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
        wanted = Wanted(k, types, where, include or {}, exclude or {}, max_repeats, max_per or {}, diversity, seconds)
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
            where: which items may come back: see retrieval/where.py.

        Raises:
            QueryError: no such type, an id of two types, k is not a whole number from 1 on, or a filter
                without meaning.
            UnknownIdError: an unknown item.
        """
        snapshot = self.living.now()
        kind, row = changes.find_item_of_any_type(snapshot.bundle, str(item_id), item_type)
        allowed = self._columns.filter(snapshot, where).masks.get(kind)
        found = similar_items(snapshot.bundle.item_codes[kind], row, k, allowed)
        hits = Hits(np.array(snapshot.bundle.items[kind].at(found.rows), dtype=np.str_), found.shares)
        hits.personal = False
        return hits

    def explain(self, user_id: str | None, outfit: Told, *, neighbours: int = 3, top_bits: int = 3) -> Explanation:
        """Why an outfit scores as it does: parts that add up to the score exactly, and liked outfits near it.

        Args:
            user_id: who asks.
            outfit: its id, or any items by slot name.
            neighbours: how many liked outfits at most.
            top_bits: how many bits of each item.
        """
        snapshot, person = self._person(user_id)
        items = people.items_told(snapshot, outfit)
        bundle = person.bundle_of(snapshot)
        if bundle.encoder is not None:
            return explain_encoded(bundle, person.code, items, person.liked, neighbours=neighbours)
        return explain(bundle, person.code, items, person.liked, neighbours=neighbours, top_bits=top_bits)

    def outfit(self, outfit_id: str) -> dict[str, str]:
        """The item ids of an outfit of the pool by slot name ("top", "top_2", ...), filled slots only.

        Raises UnknownIdError, with the nearest known ids.
        """
        snapshot = self.living.now()
        return items_by_slot(snapshot.bundle, people.items_told(snapshot, str(outfit_id)))

    def score(self, user_id: str | None, outfit: Told) -> Score:
        """The score of any items as an outfit, in the pool or not.

        Args:
            user_id: the user; None for somebody of whom nothing is known, whose preference is 0.
            outfit: item ids by slot name, a slot that is absent is empty; or the id of an outfit.

        Raises:
            QueryError: no items, or a slot that does not exist.
            UnknownIdError: an unknown user or item.
        """
        snapshot, person = self._person(user_id)
        return scores_of(person.bundle_of(snapshot), person.code, people.items_told(snapshot, outfit)[None])[0]

    def liked(self, user_id: str) -> list[dict[str, str]]:
        """The outfits that a user is known to like, as item ids by slot name, in order of the history."""
        snapshot, person = self._person(user_id)
        return [items_by_slot(snapshot.bundle, items) for items in person.liked]

    def add_items(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Adds items, in one step; they are in every answer from then on.

        Args:
            items: each a mapping of "item_id", "type", and where known "title", "picture" (bytes of a
                JPEG or PNG), "features" (by modality the raw feature, as the source of the bundle's
                features makes it: the hash heads of the bundle turn it into codes), or instead of
                features "code", (M, D) of -1 / +1, and "bias"; anything else is a column of the
                catalogue ("price", "brand", ...).

        Raises:
            DataError: an id that is there already or twice in the list, or no id.
            QueryError: an unknown type or modality.
            FeatureError: features or codes that do not fit, or a bundle without hash heads.
            BundleError: the file of changes cannot be written.
        """
        changes.add_items(self.living, items, lambda: self._encoder)

    def remove_items(self, item_ids: Mapping[str, Sequence[str]]) -> list[str]:
        """Removes items by type, in one step, and every outfit of the pool that holds one of them.

        Returns the ids of those outfits. Raises UnknownIdError and QueryError, as add_items.
        """
        return changes.remove_items(self.living, item_ids)

    def add_outfits(self, outfits: Mapping[str, Mapping[str, str]]) -> None:
        """Adds outfits to the pool, in one step: by id, item ids by slot name.

        Raises:
            DataError: an id that is there already, or an outfit that holds an item twice.
            QueryError: an outfit without items, or a slot that does not exist.
            UnknownIdError: an unknown item; the message says when it is of another type.
        """
        changes.add_outfits(self.living, outfits)
        self._compact_if_due()

    def remove_outfits(self, outfit_ids: Sequence[str]) -> None:
        """Removes outfits from the pool, in one step. Raises UnknownIdError for one that is not there."""
        changes.remove_outfits(self.living, outfit_ids)
        self._compact_if_due()

    def add_user(self, user_id: str, liked: Sequence[Told] = (), disliked: Sequence[Told] = ()) -> None:
        """Adds someone, with a code fitted to what they like (fold-in; nothing is trained).

        Args:
            user_id: a new id.
            liked, disliked: outfits, by id or as item ids by slot name. Without any, answers are
                those for everyone, and say so.

        Raises:
            DataError: the id is there already.
            QueryError: an outfit both liked and disliked, without items, or a slot that does not exist.
            UnknownIdError: an unknown outfit or item.
        """
        people.add_user(self.living, self._fold, user_id, liked, disliked)

    def update_user(self, user_id: str, liked: Sequence[Told] = (), disliked: Sequence[Told] = ()) -> None:
        """Adds to what someone likes and dislikes, and fits their code to all of it.

        What was said last counts where it contradicts what was said before. Arguments and errors as
        `add_user`; UnknownIdError for an unknown user.
        """
        people.update_user(self.living, self._fold, user_id, liked, disliked)

    def compact(self) -> bool:
        """Folds all changes into index files now; it happens by itself, in a thread, when there are many.

        Returns False when there is nothing to do, or somebody else is at it.
        """
        return compaction.compact(self.living)

    def close(self) -> None:
        """Closes the files of changes."""
        self.living.close()

    @cached_property
    def _encoder(self) -> ItemEncoder:
        return ItemEncoder.open(self.living.bundle.path)

    @cached_property
    def _fold(self) -> Fold:
        bundle = self.living.bundle
        return FoldIn(bundle) if bundle.encoder is None else FoldInVectors(bundle)

    @cached_property
    def _composer(self) -> Composer:
        return Composer(self.living.bundle, self._columns)

    def _compact_if_due(self) -> None:
        compaction.compact_in_background(self.living)

    def _person(self, user_id: str | int | None) -> tuple[Snapshot, Person]:
        snapshot, [person] = people.people(self.living, [user_id])
        return snapshot, person
