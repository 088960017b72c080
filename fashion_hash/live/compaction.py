"""Compaction: changes that lie in the log become files, while others read and write.

The new files are written beside the old ones from a snapshot; then one short transaction names them
the current ones and drops from the log what they hold. A crash before it leaves the old generation
and its log, a crash behind it the new one; files without a name are removed by the next compaction.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fashion_hash.bundle.bundle import LIVE_FOLDER
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.generation import generation_path, write_generation

# changes in memory slow every query a little, a compaction costs seconds: by share of the pool
COMPACT_FROM, COMPACT_SHARE = 20_000, 0.05
LOCK = "compaction.lock"


def compact(live: LiveCatalogue) -> bool:
    """Folds what was changed into new files. Returns False when another process compacts, or nothing changed."""
    folder = live.bundle.path / LIVE_FOLDER
    if not folder.is_dir():
        return False
    with _alone(folder) as alone:
        if not alone:
            return False
        snapshot = live.now()
        old = snapshot.base.generation
        _sweep(folder, keep=old)
        if not snapshot.num_changes:
            return False
        path = write_generation(snapshot, old + 1)
        live.written = old + 1
        try:
            with live.writing() as (_, store):
                store.fold(old + 1, snapshot.seq)
        except BaseException:
            if live.now().base.generation == old:
                shutil.rmtree(path, ignore_errors=True)
                live.written = None
            raise
        live.now()
        _sweep(folder, keep=old + 1)
        return True


def compact_in_background(live: LiveCatalogue) -> threading.Thread | None:
    """Starts a compaction in a thread when enough was changed; a process has one at most."""
    snapshot = live.now()
    enough = snapshot.num_changes >= max(COMPACT_FROM, COMPACT_SHARE * len(snapshot.base.pool))
    if not enough or not live.compacting.acquire(blocking=False):
        return None

    def run() -> None:
        try:
            with suppress(AttributeError, OSError):  # Linux: of this thread alone; queries go first
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            compact(live)
        finally:
            live.compacting.release()

    thread = threading.Thread(target=run, name="fashion_hash compaction", daemon=True)
    thread.start()
    return thread


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process compacts; the operating system drops the lock when its process dies."""
    from filelock import FileLock, Timeout  # here: a query that never compacts starts without it

    # the soft fallback of file systems without locks would survive its process, so it stays off
    lock = FileLock(folder / LOCK, blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _sweep(folder: Path, keep: int) -> None:
    """Removes the files of other generations, and what a crash left half made.

    Who has files open keeps them until they are closed.
    """
    current = generation_path(folder.parent, keep).name
    for path in folder.iterdir():
        if path.is_dir() and path.name != current and (path.name.startswith("generation-") or _is_scratch(path)):
            shutil.rmtree(path, ignore_errors=True)


def _is_scratch(path: Path) -> bool:
    """Half made by a generation that nobody is writing: only one compacts at a time."""
    return path.name.startswith(".generation-") and path.name.endswith(".partial")
