"""Who asks: what scores outfits for a user, what they like, and which outfits of the pool they know already."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import NamedTuple, TypedDict, TypeGuard
from weakref import WeakKeyDictionary

import numpy as np

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.views import AS_TRAINED, impersonal, weighed
from fashion_hash.errors import QueryError, shown
from fashion_hash.foldin.fold_in import Fold
from fashion_hash.index import exact
from fashion_hash.index.engines.contract import NOTHING
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.records.tables import UserState
from fashion_hash.live.snapshot import Base, Snapshot
from fashion_hash.live.users import OutfitRef, Told, history_of, state_after
from fashion_hash.retrieval.checks import check_list, check_taste

# the same files searched without a preference, kept as long as the files are
_BASES_FOR_EVERYONE: WeakKeyDictionary[Base, Base] = WeakKeyDictionary()
# the same files searched with other scales, the last ones asked for
MOST_WEIGHED = 4
_WEIGHED_BASES: WeakKeyDictionary[Base, OrderedDict[tuple[int, int], Base]] = WeakKeyDictionary()
_WEIGHING = Lock()


class LikesInCall(TypedDict, total=False):
    """What the user likes and dislikes, told with a question: it counts for this answer and is not stored."""

    liked: Sequence[OutfitRef]
    disliked: Sequence[OutfitRef]


def take_likes(options: LikesInCall) -> Told | None:
    """Takes `liked` and `disliked` out of the options of a call; None where neither names an outfit."""
    told = Told(_outfits("liked", options.pop("liked", None)), _outfits("disliked", options.pop("disliked", None)))
    return told if len(told.liked) or len(told.disliked) else None


def _outfits(name: str, outfits: object) -> Sequence[OutfitRef]:
    return [] if outfits is None else check_list(name, outfits, "outfits: ids of the pool, or item ids by slot name")


class User(NamedTuple):
    """A user; nothing is known about an anonymous one.

    Attributes:
        user_id: None for an anonymous user.
        user_key: (D / 8,) uint8, packed; with an outfit encoder the vector, (D,) float32 (see
            Bundle.user_keys). Zeros where nothing is known of the user.
        liked, disliked: (L, S) items by slot.
        liked_rows, disliked_rows: the rows of the pool that hold these outfits, ascending.
        personal: False where nothing is known of the user.
    """

    user_id: str | None
    user_key: np.ndarray
    liked: np.ndarray
    disliked: np.ndarray
    liked_rows: np.ndarray
    disliked_rows: np.ndarray
    personal: bool

    def known_rows(self, include_liked: bool) -> np.ndarray:
        """Rows of the pool not to be answered: disliked outfits always, liked outfits unless `include_liked`."""
        if include_liked or not len(self.disliked_rows):
            return self.disliked_rows if include_liked else self.liked_rows
        return np.union1d(self.liked_rows, self.disliked_rows)

    def bundle_of(self, snapshot: Snapshot) -> Bundle:
        """The bundle that scores for this user."""
        return snapshot.bundle if self.personal else impersonal(snapshot.bundle)


def is_user_id(value: object) -> TypeGuard[str | int | None]:
    """Whether a value stands for one user: a string, a number or None."""
    if isinstance(value, bool):
        return False
    return value is None or isinstance(value, str | int | float | np.integer | np.floating)


def users_now(live: LiveCatalogue, user_ids: Iterable[str | int | None]) -> tuple[Snapshot, list[User]]:
    """The catalogue as it is now, and users as they are in it.

    Args:
        live: the catalogue.
        user_ids: None for an anonymous user; a number stands for its digits.

    Raises:
        QueryError: a user id that is neither a string nor a number.
        UnknownIdError: a user who is neither in the bundle nor added; the nearest known ids are named.
    """
    if is_user_id(user_ids):
        raise QueryError(f"several user ids are needed here, a list even of one, got {shown(user_ids)}")
    if isinstance(user_ids, bytes | bytearray | memoryview | Mapping) or not np.iterable(user_ids):
        raise QueryError(f"user ids must be a string, a number or None, or a list of these, got {shown(user_ids)}")
    requested = list(user_ids)
    if wrong := [user_id for user_id in requested if not is_user_id(user_id)]:
        raise QueryError(f"a user id must be a string, a number or None, got {shown(wrong[0])}")
    ids = [None if user_id is None else str(user_id) for user_id in requested]
    named = [user_id for user_id in ids if user_id is not None]
    snapshot, states = live.now_with(named)
    state_of = dict(zip(named, states))
    return snapshot, [_user(live, snapshot, user_id, None if user_id is None else state_of[user_id]) for user_id in ids]


def user_now(
    live: LiveCatalogue, user_id: str | int | None, told: Told | None, fold: Callable[[], Fold]
) -> tuple[Snapshot, User]:
    """The catalogue as it is now, and a user in it, as if they had also told what they tell in this call.

    Args:
        live: the catalogue.
        user_id: None for an anonymous user.
        told: what counts for this answer alone; None for nothing.
        fold: opens what makes the code.

    Raises:
        QueryError, UnknownIdError: as `users_now`, and as `update_user` for what is told.
    """
    if told is None:
        snapshot, [user] = users_now(live, [user_id])
        return snapshot, user
    if not is_user_id(user_id):
        raise QueryError(f"a user id must be a string, a number or None, got {shown(user_id)}")
    name = None if user_id is None else str(user_id)
    snapshot, states = live.now_with([] if name is None else [name])
    [state], users = states or [None], snapshot.bundle.users
    row = -1 if name is None else users.row(name) if state is None else users.find(name)
    return snapshot, _user(live, snapshot, name, state_after(snapshot, fold(), history_of(live, row), state, told))


def _user(live: LiveCatalogue, snapshot: Snapshot, user_id: str | None, state: UserState | None) -> User:
    users = snapshot.bundle.users  # without those who were removed
    exported, none = live.bundle, np.zeros((0, len(live.bundle.slots)), dtype=np.int32)
    row = -1 if user_id is None else users.find(user_id)
    if user_id is not None and row < 0 and state is None:
        users.row(user_id)  # raises
    history = none if row < 0 else exported.history.items[exported.lines_of(row)]
    keys = exported.user_keys
    known = row >= 0 and exported.is_known(row)
    user_key = keys[row] if known else np.zeros(keys.shape[1:], dtype=keys.dtype)
    liked_rows = snapshot.base.pool.liked(row) if row >= 0 else NOTHING
    if len(history) and len(snapshot.added):
        liked_rows = np.concatenate([liked_rows, snapshot.rows_of_added(history)])
    if state is None:
        return User(user_id, user_key, history, none, liked_rows, NOTHING, known)
    if len(state.code):
        user_key = state.code.view(user_key.dtype)
    return User(
        user_id=user_id,
        user_key=user_key,
        liked=np.concatenate([history, state.liked]),
        disliked=state.disliked,
        liked_rows=np.union1d(liked_rows, snapshot.rows_of(state.liked)),
        disliked_rows=snapshot.rows_of(state.disliked),
        personal=bool(len(state.code)) or known,
    )


def for_everyone(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which the preference counts nothing, for anonymous users."""
    base = snapshot.base
    if (impersonal_base := _BASES_FOR_EVERYONE.get(base)) is None:
        bundle = impersonal(base.bundle)
        impersonal_base = replace(base, bundle=bundle, engine=base.engine.over(bundle))
        _BASES_FOR_EVERYONE[base] = impersonal_base
    return replace(snapshot, bundle=impersonal(snapshot.bundle), base=impersonal_base)


def with_taste(snapshot: Snapshot, taste: float) -> Snapshot:
    """The snapshot with another weight of taste against compatibility: see bundle.views.weighed.

    Raises:
        QueryError: the weight is not from 0 to 1, or the bundle has an outfit encoder, whose scores are one distance.
    """
    taste = check_taste(taste)
    if taste == AS_TRAINED:
        return snapshot
    base, bundle, added = snapshot.base, weighed(snapshot.bundle, taste), snapshot.added
    if bundle.scoring != "codes":
        raise QueryError("taste needs a bundle that scores by codes: an outfit encoder has one distance for both")
    scales = bundle.preference_scale, bundle.compatibility_scale
    with _WEIGHING:
        bases = _WEIGHED_BASES.setdefault(base, OrderedDict())
        if scales not in bases:
            view = weighed(base.bundle, taste)
            bases[scales] = replace(base, bundle=view, engine=base.engine.over(view))
        bases.move_to_end(scales)
        while len(bases) > MOST_WEIGHED:
            bases.popitem(last=False)
        base = bases[scales]
    if len(added):
        terms = (column.astype(np.int64) for column in added.terms)
        added = replace(added, constant=exact.scores(bundle, exact.Terms(np.zeros(len(added)), *terms)))
    return replace(snapshot, bundle=bundle, base=base, added=added)
