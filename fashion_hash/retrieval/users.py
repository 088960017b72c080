"""Who asks: the code of a person, what they like, and what of the pool they know already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import impersonal
from fashion_hash.core.codes import Packed
from fashion_hash.index.engines.contract import NOTHING
from fashion_hash.index.engines.open import open_engine
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.snapshot import Base, Snapshot
from fashion_hash.live.store import UserState


class User(NamedTuple):
    """Someone who asks.

    Attributes:
        code: (D / 8,) uint8, packed, or the vector, (D,) float32, where an outfit encoder scores (see
            Bundle.user_keys); zeros for whom nothing is known of.
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


def people(live: LiveCatalogue, user_ids: Iterable[str | int | None]) -> tuple[Snapshot, list[User]]:
    """The state of this moment, and everyone of a list in it; None is somebody unknown, a number is its digits.

    Raises UnknownIdError, with the nearest known ids, for a user who is neither in the bundle nor added.
    """
    asked = [None if one is None else str(one) for one in user_ids]
    named = [one for one in asked if one is not None]
    snapshot, states = live.now_with(named)
    states_of = dict(zip(named, states))
    return snapshot, [_person(live, snapshot, one, None if one is None else states_of[one]) for one in asked]


def _person(live: LiveCatalogue, snapshot: Snapshot, user_id: str | None, state: UserState | None) -> User:
    exported, none = live.bundle, np.zeros((0, len(live.bundle.slots)), dtype=np.int32)
    row = -1 if user_id is None else exported.users.find(user_id)
    if user_id is not None and row < 0 and state is None:
        exported.users.row(user_id)  # raises
    history = none if row < 0 else exported.history.items[exported.lines_of(row)]
    user_keys = exported.user_keys
    code = user_keys[row] if row >= 0 else np.zeros(user_keys.shape[1:], dtype=user_keys.dtype)
    liked_rows = snapshot.base.pool.liked(row) if row >= 0 else NOTHING
    if len(history) and len(snapshot.added):
        liked_rows = np.concatenate([liked_rows, snapshot.rows_of_added(history)])
    if state is None:
        return User(code, history, none, liked_rows, NOTHING, row >= 0)
    code, personal = (state.code.view(code.dtype), True) if len(state.code) else (code, row >= 0)
    liked_rows = np.union1d(liked_rows, snapshot.rows_of(state.liked))
    liked = np.concatenate([history, state.liked])
    return User(code, liked, state.disliked, liked_rows, snapshot.rows_of(state.disliked), personal)


def for_everyone(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which the preference counts nothing, for those of whom nothing is known."""
    return replace(snapshot, bundle=impersonal(snapshot.bundle), base=_base_for_everyone(snapshot.base))


@lru_cache(maxsize=1)
def _base_for_everyone(base: Base) -> Base:
    bundle = impersonal(base.bundle)
    return replace(base, bundle=bundle, engine=open_engine("auto", bundle, base.pool))
