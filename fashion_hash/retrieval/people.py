"""Who asks: the code of a person, what they like, and what of the pool they know already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle import Bundle
from fashion_hash.codes import Packed, unpack
from fashion_hash.data.outfits import canonical_items
from fashion_hash.errors import DataError, QueryError
from fashion_hash.ids import encode
from fashion_hash.index.engine import NOTHING
from fashion_hash.live.changes import outfit_rows
from fashion_hash.live.generation import open_engine
from fashion_hash.live.living import Living
from fashion_hash.live.snapshot import Base, Snapshot, outfit_keys
from fashion_hash.live.store import UserState
from fashion_hash.retrieval.foldin import FoldIn, impersonal
from fashion_hash.retrieval.foldin_vectors import FoldInVectors

# an outfit of the pool by id, or any items by slot name
Told = str | dict[str, str]
# what fits the code of someone new
Fold = FoldIn | FoldInVectors


class Person(NamedTuple):
    """Someone who asks.

    Attributes:
        code: (D / 8,) uint8, packed, or the vector, (D,) float32, where an outfit encoder scores (see
            Bundle.tastes); zeros for whom nothing is known of.
        liked, disliked: (L, S) items by slot.
        liked_rows, disliked_rows: the outfits of the pool that are the same as these, ascending.
        personal: False when nothing is known of them.
    """

    code: Packed
    liked: np.ndarray
    disliked: np.ndarray
    liked_rows: np.ndarray
    disliked_rows: np.ndarray
    personal: bool

    def known_rows(self, include_liked: bool) -> np.ndarray:
        """Rows of the pool not to be answered: disliked always, liked unless they are asked for."""
        if include_liked or not len(self.disliked_rows):
            return self.disliked_rows if include_liked else self.liked_rows
        return np.union1d(self.liked_rows, self.disliked_rows)

    def bundle_of(self, snapshot: Snapshot) -> Bundle:
        """The bundle that scores for them."""
        return snapshot.bundle if self.personal else impersonal(snapshot.bundle)


def fold_in_codes(bundle: Bundle, liked: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of new people, from the outfits that each likes: as `Recommender.add_user` gives them.

    Args:
        bundle: an open bundle.
        liked: for each of H people (L, S) rows of items by slot, one outfit at least.

    Returns:
        (H, D) float32: -1 / +1, or the vectors where an outfit encoder scores.
    """
    if bundle.encoder is not None:
        fold = FoldInVectors(bundle)
        return np.array([fold.fit(own) for own in liked], dtype=np.float32)
    packed = FoldIn(bundle)
    return unpack(np.array([packed.fit(own) for own in liked])).astype(np.float32)


def people(living: Living, user_ids: Iterable[str | int | None]) -> tuple[Snapshot, list[Person]]:
    """The state of this moment, and everyone of a list in it; None is somebody unknown, a number is its digits.

    Raises UnknownIdError, with the nearest known ids, for a user who is neither in the bundle nor added.
    """
    asked = [None if one is None else str(one) for one in user_ids]
    named = [one for one in asked if one is not None]
    snapshot, states = living.now_with(named)
    states_of = dict(zip(named, states))
    return snapshot, [_person(living, snapshot, one, None if one is None else states_of[one]) for one in asked]


def _person(living: Living, snapshot: Snapshot, user_id: str | None, state: UserState | None) -> Person:
    exported, none = living.bundle, np.zeros((0, len(living.bundle.slots)), dtype=np.int32)
    row = -1 if user_id is None else exported.users.find(user_id)
    if user_id is not None and row < 0 and state is None:
        exported.users.row(user_id)  # raises
    history = none if row < 0 else exported.history.items[exported.lines_of(row)]
    tastes = exported.tastes
    code = tastes[row] if row >= 0 else np.zeros(tastes.shape[1:], dtype=tastes.dtype)
    liked_rows = snapshot.base.pool.liked(row) if row >= 0 else NOTHING
    if len(history) and len(snapshot.added):
        liked_rows = np.concatenate([liked_rows, snapshot.rows_of_added(history)])
    if state is None:
        return Person(code, history, none, liked_rows, NOTHING, row >= 0)
    code, personal = (state.code.view(code.dtype), True) if len(state.code) else (code, row >= 0)
    liked_rows = np.union1d(liked_rows, snapshot.rows_of(state.liked))
    liked = np.concatenate([history, state.liked])
    return Person(code, liked, state.disliked, liked_rows, snapshot.rows_of(state.disliked), personal)


def for_everyone(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which the preference counts nothing, for those of whom nothing is known."""
    return replace(snapshot, bundle=impersonal(snapshot.bundle), base=_base_for_everyone(snapshot.base))


@lru_cache(maxsize=1)
def _base_for_everyone(base: Base) -> Base:
    bundle = impersonal(base.bundle)
    return replace(base, bundle=bundle, engine=open_engine("auto", bundle, base.pool))


def add_user(living: Living, fold: Fold, user_id: str, liked: Sequence[Told], disliked: Sequence[Told]) -> None:
    """Adds someone; see Recommender.add_user."""

    def told(snapshot: Snapshot, state: UserState | None) -> UserState:
        if state is not None or user_id in living.bundle.users:
            raise DataError(f"user {user_id!r} is there already: use update_user")
        likes, dislikes = (told_rows(snapshot, outfits) for outfits in (liked, disliked))
        return _folded(snapshot, fold, likes[:0], likes, dislikes)

    _put(living, user_id, told)


def update_user(living: Living, fold: Fold, user_id: str, liked: Sequence[Told], disliked: Sequence[Told]) -> None:
    """Adds to what someone likes and dislikes; see Recommender.update_user."""

    def told(snapshot: Snapshot, state: UserState | None) -> UserState:
        row = living.bundle.users.row(user_id) if state is None else living.bundle.users.find(user_id)
        history = living.bundle.history.items[living.bundle.lines_of(row) if row >= 0 else []]
        likes, dislikes = (told_rows(snapshot, outfits) for outfits in (liked, disliked))
        slots = snapshot.bundle.slots
        _check_apart(slots, likes, dislikes)
        if state is not None:  # who changed their mind: the last word counts
            likes, dislikes = (
                np.concatenate([_without(slots, state.liked, dislikes), likes]),
                np.concatenate([_without(slots, state.disliked, likes), dislikes]),
            )
        return _folded(snapshot, fold, history, likes, dislikes)

    _put(living, user_id, told)


def _put(living: Living, user_id: str, told: Callable[[Snapshot, UserState | None], UserState]) -> None:
    """Writes what someone becomes; folded before the transaction, so that nobody waits for it."""
    if not isinstance(user_id, str):
        raise DataError(f"a user id is a text, not {user_id!r}")
    encode("user", user_id, 0)
    while True:
        snapshot, [before] = living.now_with([user_id])
        after = told(snapshot, before)
        with living.writing() as (_, store):
            if _same(store.user(user_id, len(living.bundle.slots)), before):
                store.put_user(user_id, after)
                return


def _same(one: UserState | None, other: UserState | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other))


def told_rows(snapshot: Snapshot, outfits: Sequence[Told]) -> np.ndarray:
    """Outfits, by id or by items, as (L, S) int32. Raises as outfit_rows, and UnknownIdError for an outfit."""
    if isinstance(outfits, str | dict):
        raise QueryError(f"a list of outfits is needed, not {outfits!r}: put it into brackets")
    rows = np.zeros((len(outfits), len(snapshot.bundle.slots)), dtype=np.int32)
    for place, outfit in enumerate(outfits):
        rows[place] = items_told(snapshot, outfit, f"outfit {place + 1} of {len(outfits)}")
    return rows


def items_told(snapshot: Snapshot, outfit: Told, name: str = "an outfit") -> np.ndarray:
    """The items by slot, (S,) int32, of an outfit of the pool or of any items; `name` is for messages."""
    if isinstance(outfit, str):
        items: np.ndarray = snapshot.items_of(np.array([snapshot.ids.row(outfit)]))[0]
        return items
    return outfit_rows(snapshot.bundle, outfit, name)


def _folded(snapshot: Snapshot, fold: Fold, history: np.ndarray, liked: np.ndarray, disliked: np.ndarray) -> UserState:
    slots = snapshot.bundle.slots
    _check_apart(slots, liked, disliked)
    liked, disliked = (_distinct(slots, one) for one in (liked, disliked))
    here = copy(fold)
    here.bundle = snapshot.bundle  # with the items that were added
    code = here.fit(_without(slots, _distinct(slots, np.concatenate([history, liked])), disliked), disliked)
    return UserState(np.zeros(0, dtype=np.uint8) if code is None else code.view(np.uint8), liked, disliked)


def _check_apart(slots: Sequence[str], liked: np.ndarray, disliked: np.ndarray) -> None:
    if len(_without(slots, liked, disliked)) < len(liked):
        raise QueryError("an outfit is both liked and disliked: leave it out on one side")


def _distinct(slots: Sequence[str], outfits: np.ndarray) -> np.ndarray:
    first = np.unique(canonical_items(slots, outfits), axis=0, return_index=True)[1]
    return outfits[np.sort(first)]


def _without(slots: Sequence[str], outfits: np.ndarray, others: np.ndarray) -> np.ndarray:
    gone = set(outfit_keys(slots, others))
    return outfits[[one not in gone for one in outfit_keys(slots, outfits)]]
