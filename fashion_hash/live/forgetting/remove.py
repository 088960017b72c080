"""Users who are removed, and the list that keeps them out (data/splits/removed_users.py); they are unknown at once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashion_hash.core.ids import encode
from fashion_hash.data.splits.removed_list import RemovedUsers, digest_of
from fashion_hash.errors import DataError, QueryError, shown
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.records.checks import read_ids
from fashion_hash.live.records.tables import Records

SALT, ERASE, ANEW = "salt", "erase", "anew"  # keys of the table meta


class Removed(NamedTuple):
    """What became of some ids.

    Attributes:
        removed: users who were known.
        unknown: ids that nobody had; they are on the list now all the same.
    """

    removed: list[str]
    unknown: list[str]


def is_suppressed(store: Records, user_id: str) -> bool:
    """Whether a user was removed and may not be added again."""
    salt = store.meta(SALT)
    return salt is not None and store.is_suppressed(digest_of(salt, user_id))


def allow_again(store: Records, user_id: str) -> None:
    """Takes a user off the list; they start anew, here and in later generations."""
    if (salt := store.meta(SALT)) is not None:
        store.suppress(digest_of(salt, user_id), False)
    store.put_meta(ANEW, json.dumps(sorted({*anew(store), user_id}), ensure_ascii=False))


def anew(store: Records) -> list[str]:
    """The users who were removed and came back."""
    return read_ids(store.meta(ANEW) or "[]")


def remove_users(live: LiveCatalogue, user_ids: Sequence[str], *, strict: bool = True) -> Removed:
    """Removes users; see Recommender.remove_user.

    Args:
        live: the catalogue.
        user_ids: their ids.
        strict: whether an unknown id is an error. Otherwise it is put on the list: the user may come with new data.
    """
    if isinstance(user_ids, str) or not isinstance(user_ids, Sequence):
        raise QueryError(f"user ids must be a list of texts, got {shown(user_ids)}")
    for place, user_id in enumerate(user_ids):
        if not isinstance(user_id, str):
            raise DataError(f"a user id must be a text, got {shown(user_id)}")
        encode("user", user_id, place)
    outcome = Removed([], [])
    with live.writing() as (snapshot, store):
        back = anew(store)
        salt = store.meta(SALT) or secrets.token_hex(32)
        rows = []
        for user_id in dict.fromkeys(user_ids):
            row = snapshot.bundle.users.find(user_id)
            known = row >= 0 or store.user(user_id, len(live.bundle.slots)) is not None
            if not known and strict and not store.is_suppressed(digest_of(salt, user_id)):
                snapshot.bundle.users.row(user_id)  # raises
            store.delete_user(user_id)
            if row >= 0:
                store.remove_user_row(row)
                rows.append(row)
            store.suppress(digest_of(salt, user_id))
            (outcome.removed if known else outcome.unknown).append(user_id)
        if outcome.removed:
            seq = store.append("remove_users", None, "[]", np.array(rows, dtype="<i8").tobytes())
            store.put_meta(ERASE, str(seq))
        if gone_again := set(back).intersection(user_ids):
            store.put_meta(ANEW, json.dumps([name for name in back if name not in gone_again], ensure_ascii=False))
        store.put_meta(SALT, salt)
    return outcome


def removed_users(live: LiveCatalogue) -> RemovedUsers:
    """The list of the users who were removed from a bundle."""
    salt, digests = live.ask(lambda store: (store.meta(SALT), store.suppressed())) or (None, [])
    return RemovedUsers(((salt, frozenset(digests)),) if salt is not None and digests else ())
