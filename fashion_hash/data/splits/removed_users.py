"""Users who were removed from a bundle: the list of them, and data without them.

The list holds no ids but salted digests: it can only tell whether an id that is asked for is on it. Whoever has the
file and guesses an id can ask the same, so ids that can be enumerated are not secret from them.

LIST.json
  {"salt": hexadecimal, "digests": [hexadecimal, ...]}, or a list of such, of bundles with different salts
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.core.outfits import EMPTY
from fashion_hash.core.vocabulary import Vocabulary
from fashion_hash.data.dataset import Dataset, Pool
from fashion_hash.data.events import Log
from fashion_hash.data.requests.table import NOBODY
from fashion_hash.data.shop.likes import set_id
from fashion_hash.data.splits.cold_users import split_of_users
from fashion_hash.errors import DataError

REMOVED_FILE = "removed_users.json"
DIGEST = 32  # bytes


def digest_of(salt: str, user_id: str) -> bytes:
    """The digest of an id: 32 bytes, keyed with the salt (hexadecimal)."""
    return hashlib.blake2b(user_id.encode(), key=bytes.fromhex(salt), digest_size=DIGEST).digest()


@dataclass(frozen=True)
class RemovedUsers:
    """The removed users of one or several bundles.

    Attributes:
        lists: the salt (hexadecimal) and the digests of each.
    """

    lists: tuple[tuple[str, frozenset[bytes]], ...] = ()

    @classmethod
    def read(cls, *paths: Path) -> RemovedUsers:
        """Reads and joins files.

        Raises:
            DataError: a file cannot be read, or is not such a list.
        """
        return cls(tuple(part for path in paths for part in _read(path)))

    def write(self, path: Path) -> None:
        """Writes a file."""
        write_json(path, [{"salt": salt, "digests": sorted(map(bytes.hex, digests))} for salt, digests in self.lists])

    def __bool__(self) -> bool:
        return bool(self.lists)

    def __contains__(self, user_id: str) -> bool:
        return any(digest_of(salt, user_id) in digests for salt, digests in self.lists)

    def stay(self, user_ids: Iterable[str]) -> np.ndarray:
        """(U,) bool: the users who are not on the list."""
        return np.array([user_id not in self for user_id in user_ids], dtype=bool)


def _read(path: Path) -> list[tuple[str, frozenset[bytes]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: the list of removed users cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"it is not JSON ({error})") from None
    parts = content if isinstance(content, list) else [content]
    return [part for number, value in enumerate(parts) if (part := _part(path, number, value)) is not None]


def _part(path: Path, number: int, value: Any) -> tuple[str, frozenset[bytes]] | None:
    """One list; None where nobody was removed."""
    if not isinstance(value, dict) or not {"salt", "digests"} <= value.keys():
        raise _broken(path, f"entry {number} has no keys salt and digests")
    salt, digests = value["salt"], value["digests"]
    if not isinstance(digests, list):
        raise _broken(path, f"digests of entry {number} must be a list, got {digests!r:.60}")
    if not digests:
        return None
    try:
        digest_of(salt, "")
    except (TypeError, ValueError):
        raise _broken(path, f"salt of entry {number} must be 2 to 128 hexadecimal digits, got {salt!r:.140}") from None
    return salt, frozenset(_digest(path, digest) for digest in digests)


def _digest(path: Path, digest: object) -> bytes:
    try:
        value = bytes.fromhex(digest)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = b""
    if len(value) != DIGEST:
        raise _broken(path, f"a digest must be {2 * DIGEST} hexadecimal digits, got {digest!r:.80}")
    return value


def _broken(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is not a list of removed users: {why}; write it again with `fashion-hash forget --run` or "
        "`fashion-hash export-live`"
    )


def left_out_line(count: int) -> str:
    """A line about users who were left out."""
    return f"{count:,} users were removed and are left out" if count != 1 else "1 user was removed and is left out"


def without_users(dataset: Dataset, removed: RemovedUsers) -> tuple[Dataset, int]:
    """The data set as if removed users had never been in it, and how many they are.

    Their outfits leave every split. Outfits of the pool that have ids of a shop's own stay; those that were formed from
    the interactions of removed users alone go.

    Raises:
        DataError: nobody is left, or nobody has a training outfit.
    """
    kept = removed.stay(dataset.users)
    if kept.all():
        return dataset, 0
    stay, total = np.flatnonzero(kept), len(dataset.users)
    splits = {name: split_of_users(split, stay, total) for name, split in dataset.splits.items()}
    splits = {name: split for name, split in splits.items() if name == "train" or len(split.positives)}
    if "train" in splits and not len(splits["train"].positives):
        raise DataError(f"{dataset.name}: all users with training outfits were removed: nothing is left to train on")
    users = Vocabulary([dataset.users.ids[row] for row in stay.tolist()], "user")
    return replace(dataset, users=users, splits=splits, pool=_pool(dataset, ~kept)), int((~kept).sum())


def _pool(dataset: Dataset, gone: np.ndarray) -> Pool | None:
    """The pool without the outfits that were formed for removed users (U,) alone."""
    if dataset.pool is None:
        return None
    known, pool = dataset.known, dataset.pool
    theirs = set(map(tuple, known.items[gone[known.users]].tolist()))
    theirs -= set(map(tuple, known.items[~gone[known.users]].tolist()))
    rows = [
        row
        for row, (name, items) in enumerate(zip(pool.ids, pool.outfits.items.tolist()))
        if not (tuple(items) in theirs and name == _formed_id(dataset, items))
    ]
    return Pool(tuple(pool.ids[row] for row in rows), pool.outfits[np.array(rows, dtype=np.int64)])


def _formed_id(dataset: Dataset, items: list[int]) -> str:
    return set_id([dataset.items[kind].ids[item] for kind, item in zip(dataset.slots, items) if item != EMPTY])


def log_without_users(log: Log, removed: RemovedUsers) -> tuple[Log, int]:
    """A log of requests without the events of removed users, and how many users they are."""
    kept = removed.stay(log.user_ids)
    if kept.all():
        return log, 0
    renumbered = np.where(kept, np.cumsum(kept) - 1, EMPTY)
    rows = np.flatnonzero((log.users == NOBODY) | kept[log.users])
    users = log.users[rows]
    users = np.where(users == NOBODY, NOBODY, renumbered[users]).astype(np.int32)
    left = replace(
        log,
        users=users,
        items=log.items[rows],
        times=log.times[rows],
        texts=tuple(log.texts[row] for row in rows.tolist()),
        variants=tuple(log.variants[row] for row in rows.tolist()),
        splits=tuple(log.splits[row] for row in rows.tolist()),
        user_ids=tuple(user_id for user_id, stays in zip(log.user_ids, kept.tolist()) if stays),
    )
    return left, int((~kept).sum())
