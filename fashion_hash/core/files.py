"""Writing files so that a crash, a kill or a full disk never leaves half of one."""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fashion_hash.errors import naming


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block succeeds it replaces `path` in one step.

    On any error the temporary file is removed and the old file stays as it was. A full disk is an OSError that names
    `path`. Where `path` is a symbolic link, the link stays and the file that it names is replaced.
    """
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    with naming(path), _temporary_file(path) as temporary:
        yield temporary


@contextmanager
def _temporary_file(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=f".partial{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes private files; a replaced file should be ordinary
        sync_file(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block succeeds it takes the place of `path` in one step.

    A process that is killed leaves the old folder or the new one at `path`, and perhaps the other beside it, which
    `sweep` removes. Where `path` is a symbolic link, the link stays and the folder that it names is replaced.

    Raises:
        OSError: `path` is a file, which stays as it was, or the system refuses to write.
    """
    path = Path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is a file, not a folder: name another place", str(path))
    with naming(path), _temporary_folder(path) as temporary:
        yield temporary


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        for file in temporary.rglob("*"):
            if file.is_file():
                sync_file(file)
        if path.exists():
            _exchange(temporary, path)
            shutil.rmtree(temporary)
        else:
            os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _exchange(new: Path, old: Path) -> None:
    """Swaps two folders: in one step where the system can, so that a kill leaves one of them whole in either place."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if hasattr(libc, "renameat2"):
            here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
            if libc.renameat2(here, os.fsencode(new.absolute()), here, os.fsencode(old.absolute()), exchange) == 0:
                return
            if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):  # file systems that cannot swap say EINVAL
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(old))
    aside = Path(tempfile.mkdtemp(prefix=f".{old.name}.", suffix=".old.partial", dir=old.parent))
    os.replace(old, aside / "old")
    try:
        os.replace(new, old)
    except BaseException:
        os.replace(aside / "old", old)
        aside.rmdir()
        raise
    os.replace(aside / "old", new)
    aside.rmdir()


def sweep(folder: Path, *names: str) -> None:
    """Removes what atomic writes of some files or folders left in a folder when their process was killed.

    Args:
        folder: nobody may be writing these there.
        names: of the files and folders; by default all.
    """
    patterns = [f".{glob.escape(name)}.*.partial*" for name in names] or [".*.partial*"]
    for left in [left for pattern in patterns for left in folder.glob(pattern)]:
        if left.is_dir():
            with suppress(FileNotFoundError):  # another process was faster
                shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)


def reserve(path: Path, size: int) -> None:
    """Reserves space on the disk for a file that will be mapped; it is made when absent, and keeps its content.

    A mapped file may have holes. When one is written to on a full disk, the system ends the process by a signal.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        with open(path, "ab") as stream:
            try:
                os.posix_fallocate(stream.fileno(), 0, max(size, path.stat().st_size))
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # file systems that cannot reserve
                    raise OSError(error.errno, os.strerror(error.errno or 0), str(path)) from None


def read_bytes(path: Path, at_most: int) -> bytes:
    """The content of a file, but no more than `at_most` bytes of it.

    Raises:
        OSError: it cannot be read, or is not a regular file (reading a named pipe could block for ever).
    """
    wait_for_nobody = getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | wait_for_nobody)) as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not an ordinary file", str(path))
        return stream.read(at_most)


def write_text(path: str | Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8), atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256(path: str | Path) -> str:
    """The SHA-256 checksum of a file, as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Makes sure that the content of a file survives a power cut."""
    with open(path, "r+b" if os.name == "nt" else "rb") as stream:  # Windows syncs only what may be written
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Makes sure that what was created, renamed or removed in a folder survives a power cut."""
    if os.name == "nt":  # Windows cannot open a folder, and keeps its entries in order by itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
