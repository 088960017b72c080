"""LMDB environments: opened on first use, once in each process, and never pickled.

LMDB forbids two open environments of one file in a process, and one that was opened before a
fork must not be used after it. So nothing holds an environment but this module: everyone else
holds a path, which may be copied and pickled at will.

Nor does LMDB open a file before `lmdb_pages` found it sound: a damaged one could end the process.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from fashion_hash.core.extras import require_extra
from fashion_hash.core.files import atomic_folder, reserve
from fashion_hash.data.stores.lmdb_pages import check_pages
from fashion_hash.errors import DataError

if TYPE_CHECKING:
    from lmdb import Environment, Transaction

Result = TypeVar("Result")

MAP_SIZE = 1 << 30  # of a new environment; only address space, and it grows
_KEYS = 1000  # read in one transaction
_LOCK_BYTES = 8192  # of the file of locks of 126 readers
_WAIT = 60.0  # seconds, for readers of other threads to end
_WRITTEN_FOR = 60.0  # seconds, for another process that writes while the file is checked


@dataclass
class _Opened:
    """An open environment, and how many transactions are reading it."""

    environment: Environment
    readers: int = 0


_opened: dict[tuple[int, int], _Opened] = {}  # by device and inode of the file
_sound: dict[tuple[int, int], tuple[int, int]] = {}  # size and time of change, as of the last check
_opening = threading.Condition()


def _after_fork() -> None:
    global _opening
    _opening = threading.Condition()  # a thread that held it does not exist in the child
    for opened in _opened.values():
        opened.environment.close()
    _opened.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which never forks
    os.register_at_fork(after_in_child=_after_fork)


def import_lmdb() -> ModuleType:
    """The package lmdb, which the answering half does without. Raises MissingExtraError where it is absent."""
    require_extra("train", "an LMDB of pictures or features", "lmdb")
    import lmdb

    return lmdb


def is_lmdb(path: Path) -> bool:
    """Whether a path is meant as an LMDB environment: a folder with data.mdb, or such a file itself."""
    return path.is_file() or path.name == "lmdb" or (path / "data.mdb").is_file()


def get_all(path: Path, keys: Sequence[str]) -> list[bytes | None]:
    """The values of keys, None for those that do not exist.

    Raises:
        DataError: the environment is absent, truncated or broken.
    """

    def read(transaction: Transaction) -> list[bytes | None]:
        values = (transaction.get(key.encode()) if key else None for key in keys)
        return [None if value is None else bytes(value) for value in values]

    return _read(path, read)


def iterate_keys(path: Path) -> Iterator[str]:
    """All keys, in the order of their bytes. No transaction stays open while the caller works with them."""
    after = b""

    def read(transaction: Transaction) -> list[bytes]:
        with transaction.cursor() as cursor:
            if not cursor.set_range(after + b"\0") if after else not cursor.first():
                return []
            return [bytes(key) for key in islice(cursor.iternext(keys=True, values=False), _KEYS)]

    while keys := _read(path, read):
        yield from (key.decode(errors="replace") for key in keys)
        after = keys[-1]


def count(path: Path) -> int:
    """The number of records."""
    return _read(path, lambda transaction: int(transaction.stat()["entries"]))


def _environment(path: Path) -> _Opened:
    """The read-only environment of a path in this process; `_opening` is held. DataError when it cannot be read."""
    file = _data_file(path)
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"no LMDB at {path} ({error.strerror}: {file.name})") from None
    key = (status.st_dev, status.st_ino)
    if _sound.get(key) != (status.st_size, status.st_mtime_ns):
        status = _checked(file)
        _sound[key] = status.st_size, status.st_mtime_ns
    if key not in _opened:
        _opened[key] = _Opened(_open(path, file))
    return _opened[key]


def _checked(file: Path, for_writing: bool = False) -> os.stat_result:
    """The status of a file whose pages are sound. Raises DataError for any other file."""
    until = time.monotonic() + _WRITTEN_FOR
    while True:
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{file} is not a file: expected an LMDB")
            check_pages(file, for_writing=for_writing)
            return status
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror}") from None
        except DataError:
            # another process may have written on while the pages were read: then they are of different states
            if file.stat().st_mtime_ns == status.st_mtime_ns or time.monotonic() > until:
                raise
            time.sleep(0.05)


def release(path: Path) -> None:
    """Closes this process's environment of a path, so that it can be written or removed."""
    file = _data_file(path)
    if file.exists():
        status = file.stat()
        with _opening:
            if (opened := _opened.pop((status.st_dev, status.st_ino), None)) is not None:
                opened.environment.close()


def write_lmdb(path: str | Path, records: Iterable[tuple[str, bytes]]) -> int:
    """Writes a new environment, which replaces `path` only when all is written.

    Returns the number of records. Raises DataError for a key that does not fit, or a full disk.
    """
    path, written = Path(path), 0
    release(path)
    with atomic_folder(path) as folder:
        writer = open_writer(folder, lock=False)
        try:
            batch: list[tuple[bytes, bytes | None]] = []
            for key, value in records:
                batch.append((encode_key(key), value))
                if len(batch) >= 256:
                    written += put_all(writer, batch, path)
                    batch = []
            written += put_all(writer, batch, path)
        finally:
            writer.close()
    return written


def open_writer(path: Path, lock: bool = True) -> Environment:
    """Opens an environment for writing, made when absent; `release` the reader's first.

    Without `lock` no one else may have it open: for new ones. Raises DataError where that is not possible, or for a
    file that is damaged.
    """
    lmdb = import_lmdb()
    if (file := path / "data.mdb").exists() and file.stat().st_size:
        _checked(file, for_writing=True)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if lock:
            reserve(path / "lock.mdb", _LOCK_BYTES)
        opened: Environment = lmdb.open(str(path), map_size=MAP_SIZE, lock=lock)
        return opened
    except (lmdb.Error, OSError) as error:
        raise DataError(
            f"cannot write {path}: {error}; free some space where the disk is full, and try again"
        ) from None


def put_all(writer: Environment, records: Sequence[tuple[bytes, bytes | None]], path: str | Path | None = None) -> int:
    """Writes records in one transaction: all of them or none. None removes a key. Returns their number.

    A message names `path`, by default that of the writer.

    Raises DataError when the disk is full.
    """
    lmdb = import_lmdb()
    while True:
        try:
            with writer.begin(write=True) as transaction:
                for key, value in records:
                    if value is None:
                        transaction.delete(key)
                    else:
                        transaction.put(key, value)
            return len(records)
        except lmdb.MapFullError:
            # the map size is only a limit, in address space and not on disk
            writer.set_mapsize(2 * writer.info()["map_size"])
        except lmdb.Error as error:
            raise DataError(
                f"cannot write {path or writer.path()}: {error}; what was written before is whole: free some space "
                "where the disk is full, and try again"
            ) from None


def encode_key(key: str) -> bytes:
    """The bytes of a key. Raises DataError for one that LMDB cannot hold."""
    encoded = key.encode()
    if not 1 <= len(encoded) <= 511:
        raise DataError(f"the id {key[:40]!r} has {len(encoded)} bytes; a key of an LMDB has 1 to 511")
    return encoded


def _read(path: Path, read: Callable[[Transaction], Result]) -> Result:
    """What `read` returns in a transaction of its own. A file that another process has grown is opened again."""
    lmdb = import_lmdb()
    while True:
        with _opening:
            opened = _environment(path)
            opened.readers += 1
        try:
            with opened.environment.begin() as transaction:
                return read(transaction)
        except lmdb.MapResizedError:
            pass
        except lmdb.Error as error:
            raise DataError(f"cannot read {path}: {error}; the file is broken: make or copy it again") from None
        finally:
            with _opening:
                opened.readers -= 1
                _opening.notify_all()
        _close_grown(opened)


def _close_grown(opened: _Opened) -> None:
    """Closes an environment whose file has outgrown it, once no other thread reads it."""
    with _opening:
        if not _opening.wait_for(lambda: opened.readers == 0, _WAIT):
            raise DataError(f"an LMDB has grown while another thread was reading it for {_WAIT:g} seconds: try again")
        for key in [key for key, other in _opened.items() if other is opened]:
            _opened.pop(key).environment.close()


def _data_file(path: Path) -> Path:
    return path if path.is_file() else path / "data.mdb"


def _open(path: Path, file: Path) -> Environment:
    lmdb = import_lmdb()
    try:
        opened: Environment = lmdb.open(
            str(path), subdir=path.is_dir(), readonly=True, lock=False, readahead=False, max_spare_txns=16
        )
    except (lmdb.Error, struct.error) as error:
        raise DataError(
            f"{file} is not a readable LMDB ({str(error).split(': ', 1)[-1]}): truncated or something else; "
            "make or copy it again"
        ) from None
    return opened
