"""From a bundle and a user id to outfits: the door of the answering half."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.data.outfits import EMPTY
from fashion_hash.errors import QueryError, suggest
from fashion_hash.index import exact
from fashion_hash.index.engine import NOTHING, Engine, Ranking, Scan
from fashion_hash.index.factored import Factored
from fashion_hash.index.pool import Pool

EngineName = Literal["factored", "hamming", "scan"]


class Hits(NamedTuple):
    """Outfit ids and their scores, aligned: best first, ties by id.

    One user: (K',) strings and float64, K' at most k. Many users: (Q, min(k, N)), with "" and -inf
    behind the last hit of a user who has fewer.
    """

    ids: np.ndarray
    scores: np.ndarray


class Score(NamedTuple):
    """An exact FHN score on binary codes and the terms it is the sum of (CVPR 2019)."""

    score: float
    preference: float
    compatibility: float
    bias: float


@dataclass(frozen=True)
class Hit:
    """One recommended outfit: its items by slot name, and its score with the terms apart."""

    outfit_id: str
    items: dict[str, str]
    score: float
    preference: float
    compatibility: float
    bias: float


class Recommender:
    """Answers the best outfits of a bundle's pool for its users; torch is not needed."""

    def __init__(self, bundle: Bundle, pool: Pool, engine: Engine) -> None:
        self.bundle = bundle
        self.pool = pool
        self._engine = engine

    @classmethod
    def load(cls, path: str | Path, *, verify: bool = True, engine: EngineName = "factored") -> Recommender:
        """Opens a bundle and the index of its pool.

        Args:
            path: the bundle folder.
            verify: compare the checksum of every file; False compares sizes only.
            engine: "factored" (the fastest), "hamming" (a faiss shortlist, proven and re-ranked)
                or "scan" (every score computed plainly); they answer alike.

        Raises:
            BundleError: no bundle, no index, another version, changed bytes, or an index that was
                built from another bundle.
        """
        bundle = Bundle.open(path, verify=verify)
        pool = Pool.open(bundle, verify=verify)
        return cls(bundle, pool, open_engine(engine, bundle, pool))

    def recommend(self, user_ids: str | Sequence[str], k: int = 10, *, include_liked: bool = False) -> Hits:
        """The k best outfits for one user, or for each of many.

        Args:
            user_ids: one id, or a sequence of ids.
            k: at most how many outfits; fewer come back where the pool has fewer.
            include_liked: also answer outfits that the user is known to like.

        Raises:
            QueryError: k is not a whole number from 1 on.
            UnknownIdError: an unknown user; the nearest known ids are named.
        """
        if isinstance(user_ids, str):
            rows, scores = self.ranking(user_ids, k, include_liked=include_liked)
            return Hits(np.array(self.pool.ids.at(rows), dtype=np.str_), scores)
        answers = [self.ranking(one, k, include_liked=include_liked) for one in user_ids]
        width = min(k, len(self.pool))
        scores = np.full((len(answers), width), -np.inf)
        ids = [[""] * width for _ in answers]
        for query, (rows, best) in enumerate(answers):
            scores[query, : len(rows)] = best
            ids[query][: len(rows)] = self.pool.ids.at(rows)
        return Hits(np.array(ids, dtype=np.str_).reshape(scores.shape), scores)

    def answer(self, user_id: str, k: int = 10, *, include_liked: bool = False) -> list[Hit]:
        """The k best outfits for one user, with items and terms; arguments and errors as `recommend`."""
        rows = self.ranking(user_id, k, include_liked=include_liked).rows
        items = self.pool.items[rows]
        parts = self._scores(self.bundle.users.row(user_id), items)
        return [
            Hit(outfit_id, self._items_by_slot(outfit), *part)
            for outfit_id, outfit, part in zip(self.pool.ids.at(rows), items, parts)
        ]

    def ranking(self, user_id: str, k: int, *, include_liked: bool = False) -> Ranking:
        """As `recommend` for one user, in rows of the pool instead of ids."""
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise QueryError(f"k = {k!r}: ask for a whole number of outfits from 1 on")
        user = self.bundle.users.row(user_id)
        exclude = NOTHING if include_liked else self.pool.liked(user)
        return self._engine.search(self.bundle.user_codes[user], int(k), exclude)

    def outfit(self, outfit_id: str) -> dict[str, str]:
        """The item ids of an outfit of the pool by slot name ("top", "top_2", ...), filled slots only.

        Raises UnknownIdError, with the nearest known ids.
        """
        return self._items_by_slot(self.pool.items[self.pool.ids.row(outfit_id)])

    def score(self, user_id: str, items_by_slot: Mapping[str, str]) -> Score:
        """The score of any items as an outfit, in the pool or not.

        Args:
            user_id: the user.
            items_by_slot: item ids by slot name; a slot that is absent is empty.

        Raises:
            QueryError: no items, or a slot that does not exist.
            UnknownIdError: an unknown user or item.
        """
        user = self.bundle.users.row(user_id)
        items = np.full((1, len(self.bundle.slot_names)), EMPTY, dtype=np.int32)
        for name, item_id in items_by_slot.items():
            if name not in self.bundle.slot_names:
                raise QueryError(
                    f"no slot {name!r}{suggest(name, self.bundle.slot_names)}: "
                    f"outfits of this bundle have the slots {', '.join(self.bundle.slot_names)}"
                )
            slot = self.bundle.slot_names.index(name)
            items[0, slot] = self.bundle.items[self.bundle.slots[slot]].row(item_id)
        if not items_by_slot:
            raise QueryError(f"an outfit needs an item: give at least one of {', '.join(self.bundle.slot_names)}")
        return self._scores(user, items)[0]

    def liked(self, user_id: str) -> list[dict[str, str]]:
        """The outfits that a user is known to like, as item ids by slot name, in order of the history."""
        history = self.bundle.history
        rows = np.flatnonzero(history.users == self.bundle.users.row(user_id))
        return [self._items_by_slot(items) for items in history.items[rows]]

    def _scores(self, user: int, items: np.ndarray) -> list[Score]:
        terms = exact.terms(self.bundle, self.bundle.user_codes[user], items)
        parts = (
            exact.scores(self.bundle, terms),
            exact.preference_part(self.bundle, terms),
            exact.compatibility_part(self.bundle, terms),
            exact.bias_part(terms),
        )
        return [Score(*values) for values in zip(*(part.tolist() for part in parts))]

    def _items_by_slot(self, items: np.ndarray) -> dict[str, str]:
        return {
            name: self.bundle.items[kind].id(row)
            for name, kind, row in zip(self.bundle.slot_names, self.bundle.slots, items.tolist())
            if row != EMPTY
        }


def open_engine(name: EngineName, bundle: Bundle, pool: Pool) -> Engine:
    """One of the three engines over a pool. Raises QueryError for another name."""
    if name == "factored":
        return Factored(bundle, pool)
    if name == "hamming":
        from fashion_hash.index.hamming import Hamming

        return Hamming(bundle, pool)
    if name == "scan":
        return Scan(bundle, pool)
    raise QueryError(f"no engine {name!r}: choose factored, hamming or scan")
