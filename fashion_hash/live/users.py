"""Users who are added or updated after the export: computes their code from their likes and stores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.bundle.lookup import outfit_rows
from fashion_hash.core.ids import new_id
from fashion_hash.core.outfits import EMPTY
from fashion_hash.errors import DataError, FashionHashError, QueryError, shown
from fashion_hash.foldin.fold_in import Fold
from fashion_hash.live.catalogue import LiveCatalogue, Writing
from fashion_hash.live.forgetting.remove import allow_again, is_suppressed
from fashion_hash.live.records.tables import UserState
from fashion_hash.live.snapshot import Snapshot, outfit_keys

# an outfit of the pool by id, or any items by slot name
OutfitRef = str | dict[str, str]
NewState = Callable[[Snapshot, UserState | None], UserState]


class Told(NamedTuple):
    """What a user likes and dislikes, and what no longer: outfits by id, or as item ids by slot name."""

    liked: Sequence[OutfitRef]
    disliked: Sequence[OutfitRef]
    neutral: Sequence[OutfitRef] = ()

    def rows(self, snapshot: Snapshot) -> tuple[np.ndarray, np.ndarray]:
        """The items of both, (L, S) int32."""
        return told_rows(snapshot, self.liked), told_rows(snapshot, self.disliked)


def add_user(live: LiveCatalogue, fold: Fold, user_id: str, told: Told, again: bool = False) -> None:
    """Adds a user; see Recommender.add_user."""

    def new_state(snapshot: Snapshot, state: UserState | None) -> UserState:
        if state is not None or user_id in snapshot.bundle.users:
            raise DataError(f"user {user_id!r} already exists: use update_user")
        likes, dislikes = told.rows(snapshot)
        return _folded(snapshot, fold, likes[:0], likes, dislikes)

    _put(live, {user_id: new_state}, lambda now: _check_not_removed(now, user_id, again))


def update_user(live: LiveCatalogue, fold: Fold, user_id: str, told: Told) -> None:
    """Adds to what a user likes and dislikes; see Recommender.update_user."""

    def new_state(snapshot: Snapshot, state: UserState | None) -> UserState:
        users = snapshot.bundle.users
        row = users.row(user_id) if state is None else users.find(user_id)
        return state_after(snapshot, fold, history_of(live, row), state, told)

    def check(now: Writing) -> None:
        users = now.snapshot.bundle.users
        if user_id not in users and now.store.user(user_id, len(live.bundle.slots)) is None:
            users.row(user_id)  # raises: removed meanwhile

    _put(live, {user_id: new_state}, check)


def tell_users(live: LiveCatalogue, fold: Fold, told: Mapping[str, Told]) -> None:
    """Adds to what several users told, in one transaction; see Recommender.tell_users."""

    def adding(user_id: str) -> NewState:
        def new_state(snapshot: Snapshot, state: UserState | None) -> UserState:
            history = history_of(live, snapshot.bundle.users.find(user_id))
            return state_after(snapshot, fold, history, state, told[user_id])

        return new_state

    def check(now: Writing) -> None:
        for user_id in told:
            _check_not_removed(now, user_id, again=False)

    _put(live, {user_id: adding(user_id) for user_id in told}, check)


def put_user(live: LiveCatalogue, fold: Fold, user_id: str, told: Told, again: bool = False) -> bool:
    """Replaces what a user told, or adds the user; see Recommender.put_user."""
    new = False

    def new_state(snapshot: Snapshot, state: UserState | None) -> UserState:
        nonlocal new
        row = snapshot.bundle.users.find(user_id)
        new = row < 0 and state is None
        return _folded(snapshot, fold, history_of(live, row), *told.rows(snapshot))

    _put(live, {user_id: new_state}, lambda now: _check_not_removed(now, user_id, again))
    return new


def _check_not_removed(now: Writing, user_id: str, again: bool) -> None:
    if is_suppressed(now.store, user_id):
        if not again:
            raise DataError(
                f"user {user_id!r} was removed and is not added again by mistake: if they come back themselves, "
                "pass again=True"
            )
        allow_again(now.store, user_id)


def history_of(live: LiveCatalogue, row: int) -> np.ndarray:
    """The outfits that a user of the export likes, (L, S); none for row -1."""
    history: np.ndarray = live.bundle.history.items[live.bundle.lines_of(row) if row >= 0 else []]
    return history


def state_after(snapshot: Snapshot, fold: Fold, history: np.ndarray, state: UserState | None, told: Told) -> UserState:
    """The state of a user after they told more; nothing is stored.

    Args:
        snapshot: the catalogue.
        fold: makes the code.
        history: (L, S) what the user liked in the export.
        state: what they told since; None for nothing.
        told: what they tell now; it overrides what they told before.
    """
    likes, dislikes = told.rows(snapshot)
    slots = snapshot.bundle.slots
    _check_apart(slots, likes, dislikes)
    if state is not None:  # when a user's opinion changes, the latest one counts
        neutral = told_rows(snapshot, told.neutral)
        likes, dislikes = (
            np.concatenate([_without(slots, state.liked, np.concatenate([dislikes, neutral])), likes]),
            np.concatenate([_without(slots, state.disliked, np.concatenate([likes, neutral])), dislikes]),
        )
    return _folded(snapshot, fold, history, likes, dislikes)


class StateChange(NamedTuple):
    """Users whose states change together, or not at all.

    Attributes:
        new_states: by user id what makes the new state of the present one.
        check: called within the transaction; raises when a user may not be written.
    """

    new_states: Mapping[str, NewState]
    check: Callable[[Writing], None]


class _Again(Exception):
    """What was computed before the transaction does not hold in it."""


def _put(live: LiveCatalogue, new_states: Mapping[str, NewState], check: Callable[[Writing], None]) -> None:
    """Stores the new states of users, in one transaction with those that other threads store at the same time."""
    for user_id in new_states:
        if not isinstance(user_id, str):
            raise DataError(f"a user id must be a text, got {shown(user_id)}")
        new_id("user", user_id, 0)
    live.told.write(StateChange(new_states, check), lambda changes: _put_all(live, changes))


def _put_all(live: LiveCatalogue, changes: Sequence[StateChange]) -> list[Exception | None]:
    """Makes changes, one after another, in one transaction; returns for each what refuses it, or None.

    The states are computed before the transaction, so that other writers do not wait.
    """
    errors: list[Exception | None] = [None] * len(changes)
    users, slots = list(dict.fromkeys(user for change in changes for user in change.new_states)), len(live.bundle.slots)
    while True:
        snapshot, states = live.now_with(users)
        before = dict(zip(users, states))
        after = _states_after(snapshot, before, changes, errors)
        if not after:
            return errors
        try:
            with live.writing() as now:
                if not all(
                    _same(now.store.user(user, slots), before[user]) for made in after.values() for user in made
                ):
                    raise _Again
                for place, made in after.items():
                    try:
                        changes[place].check(now)
                    except FashionHashError as error:
                        errors[place] = error
                        raise _Again from None
                    for user, state in made.items():
                        now.store.put_user(user, state)
                return errors
        except _Again:
            continue


def _states_after(
    snapshot: Snapshot,
    before: Mapping[str, UserState | None],
    changes: Sequence[StateChange],
    errors: list[Exception | None],
) -> dict[int, dict[str, UserState]]:
    """By place of the change the states that it makes, each after those before it; fills in what refuses a change."""
    states, after = dict(before), {}
    for place, change in enumerate(changes):
        if errors[place] is None:
            try:
                made = {user: new_state(snapshot, states[user]) for user, new_state in change.new_states.items()}
            except Exception as error:
                errors[place] = error
                continue
            states |= made
            after[place] = made
    return after


def _same(first: UserState | None, second: UserState | None) -> bool:
    if first is None or second is None:
        return first is second
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second))


def told_rows(snapshot: Snapshot, outfits: Sequence[OutfitRef]) -> np.ndarray:
    """The items of outfits given by id or by items, (L, S) int32; raises like `items_told`."""
    if isinstance(outfits, str | dict) or not isinstance(outfits, Sequence | np.ndarray):
        raise QueryError(f"outfits must be a list, got {shown(outfits)}: put it into brackets")
    rows = np.zeros((len(outfits), len(snapshot.bundle.slots)), dtype=np.int32)
    for place, outfit in enumerate(outfits):
        rows[place] = items_told(snapshot, outfit, f"outfit {place + 1} of {len(outfits)}")
    return rows


def items_told(snapshot: Snapshot, outfit: OutfitRef, name: str = "an outfit") -> np.ndarray:
    """The items by slot, (S,) int32, of an outfit given by id or by items; `name` is for messages.

    Raises UnknownIdError for an unknown outfit id, and like outfit_rows for items.
    """
    if isinstance(outfit, str):
        items: np.ndarray = snapshot.items_of(np.array([snapshot.ids.row(outfit)]))[0]
        return items
    return outfit_rows(snapshot.bundle, outfit, name)


def own_told(snapshot: Snapshot, outfit: OutfitRef) -> int:
    """The row of the own code of an outfit given by its id; EMPTY for none, and for one that is given by its items."""
    if not isinstance(outfit, str):
        return EMPTY
    return int(snapshot.own_of(np.array([snapshot.ids.row(outfit)]))[0])


def _folded(snapshot: Snapshot, fold: Fold, history: np.ndarray, liked: np.ndarray, disliked: np.ndarray) -> UserState:
    slots = snapshot.bundle.slots
    _check_apart(slots, liked, disliked)
    liked, disliked = (_distinct(slots, table) for table in (liked, disliked))
    outfits = _without(slots, _distinct(slots, np.concatenate([history, liked])), disliked)
    code = fold.fit(outfits, disliked, bundle=snapshot.bundle)
    return UserState(np.zeros(0, dtype=np.uint8) if code is None else code.view(np.uint8), liked, disliked)


def _check_apart(slots: Sequence[str], liked: np.ndarray, disliked: np.ndarray) -> None:
    if len(_without(slots, liked, disliked)) < len(liked):
        raise QueryError("an outfit is both liked and disliked: leave it out of one of the lists")


def _distinct(slots: Sequence[str], outfits: np.ndarray) -> np.ndarray:
    first = {outfit_key: place for place, outfit_key in reversed([*enumerate(outfit_keys(slots, outfits))])}
    return outfits[sorted(first.values())]


def _without(slots: Sequence[str], outfits: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(outfits) or not len(others):
        return outfits
    excluded = set(outfit_keys(slots, others))
    return outfits[[outfit_key not in excluded for outfit_key in outfit_keys(slots, outfits)]]
