"""One process at a time works on a folder, and the next one is told who that is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from fashion_hash.core.files import read_bytes, sweep, write_json
from fashion_hash.errors import FashionHashError


@contextmanager
def hold(folder: Path, doing: str, error: type[FashionHashError]) -> Iterator[None]:
    """Holds a folder within the block; the folder need not exist.

    The lock is a file beside the folder, `.NAME.lock`, so that the folder itself may be moved or replaced. The
    operating system drops it when its process ends, however that happens. Who holds it stands in `.NAME.holder`.

    Args:
        folder: what is held.
        doing: what is done to it, for the message: "training into it".
        error: raised when another process (or thread) holds the folder.
    """
    from filelock import FileLock, Timeout  # here: who only reads starts without it

    folder = folder.resolve()
    if not folder.name:
        raise error(f"{folder} is the root of a file system: name a folder in it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock_path, holder = folder.with_name(f".{folder.name}.lock"), folder.with_name(f".{folder.name}.holder")
    lock = FileLock(lock_path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise error(
            f"{folder} is in use: {_described(holder)} {doing}; wait until it has finished, stop it, "
            "or name another folder"
        ) from None
    try:
        sweep(folder.parent, holder.name)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        write_json(holder, {"process": os.getpid(), "host": socket.gethostname(), "since": since})
        yield
    finally:
        holder.unlink(missing_ok=True)
        if os.name != "nt":  # Windows removes no open file; there filelock does it after the release
            lock_path.unlink(missing_ok=True)
        lock.release()


def _described(holder: Path) -> str:
    try:
        who = json.loads(read_bytes(holder, 10_000))
        return f"process {who['process']} on {who['host']} has since {who['since']} been"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # it has just begun, or just ended
        return "another process is"
