"""The list of users who were removed from a bundle.

The list holds no ids but salted digests: it can only tell whether an id that is asked for is on it. Whoever has the
file and guesses an id can ask the same, so ids that can be enumerated are not secret from them.

LIST.json
  {"salt": hexadecimal, "digests": [hexadecimal, ...]}, or a list of such, of bundles with different salts
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_hash.core.files import write_json
from fashion_hash.errors import DataError, counted

REMOVED_FILE = "removed_users.json"
DIGEST = 32  # bytes
_OPEN_SALT = "00"


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
    def of(cls, user_ids: Iterable[str]) -> RemovedUsers:
        """The list of some users, not to be written: its salt is known."""
        digests = frozenset(digest_of(_OPEN_SALT, user_id) for user_id in user_ids)
        return cls(((_OPEN_SALT, digests),) if digests else ())

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
    return counted(count, "user was removed and is left out", "users were removed and are left out")
