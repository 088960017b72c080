"""Users who are removed, and the list that keeps them out.

A removed user is unknown at once. The list holds no ids but salted digests: it can only tell whether an id that is
asked for is in it. Whoever has the file and guesses an id can ask the same, so ids that can be enumerated are not
secret from them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.core.ids import encode
from fashion_hash.errors import DataError, QueryError
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.records.tables import Records

SALT, ERASE = "salt", "erase"  # keys of the table meta


class Removed(NamedTuple):
    """What became of some ids.

    Attributes:
        removed: users who were known.
        unknown: ids that nobody had; they are on the list now all the same.
    """

    removed: list[str]
    unknown: list[str]


def digest_of(salt: str, user_id: str) -> bytes:
    """The digest of an id: 32 bytes, keyed with the salt (hexadecimal)."""
    return hashlib.blake2b(user_id.encode(), key=bytes.fromhex(salt), digest_size=32).digest()


def is_suppressed(store: Records, user_id: str) -> bool:
    """Whether a user was removed and may not be added again."""
    salt = store.meta(SALT)
    return salt is not None and store.is_suppressed(digest_of(salt, user_id))


def allow_again(store: Records, user_id: str) -> None:
    """Takes a user off the list."""
    if (salt := store.meta(SALT)) is not None:
        store.suppress(digest_of(salt, user_id), False)


def remove_users(live: LiveCatalogue, user_ids: Sequence[str], *, strict: bool = True) -> Removed:
    """Removes users; see Recommender.remove_user.

    Args:
        live: the catalogue.
        user_ids: their ids.
        strict: whether an unknown id is an error. Otherwise it is put on the list: the user may come with new data.
    """
    if isinstance(user_ids, str) or not isinstance(user_ids, Sequence):
        raise QueryError(f"user ids must be a list of texts, got {user_ids!r}")
    for place, user_id in enumerate(user_ids):
        if not isinstance(user_id, str):
            raise DataError(f"a user id must be a text, got {user_id!r}")
        encode("user", user_id, place)
    outcome = Removed([], [])
    with live.writing() as (snapshot, store):
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
        store.put_meta(SALT, salt)
    return outcome


def write_suppressed(live: LiveCatalogue, path: Path) -> int:
    """Writes the list of removed users as a file, for `read_suppressed`. Returns how many are on it."""
    listed = live.ask(lambda store: (store.meta(SALT), store.suppressed()))
    salt, digests = listed or (None, [])
    write_json(path, {"salt": salt, "digests": [digest.hex() for digest in digests]})
    return len(digests)


def read_suppressed(path: Path, user_ids: Iterable[str]) -> set[str]:
    """Those of some users who are on a list that `write_suppressed` wrote.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        salt, digests = listed["salt"], set(map(bytes.fromhex, listed["digests"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a readable list of removed users ({error})") from None
    return {user_id for user_id in user_ids if digests and digest_of(salt, user_id) in digests}
