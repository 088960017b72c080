"""Compaction: writes the changes in the log to files, while others read and write.

The new files are written beside the old ones from a snapshot. Then one short transaction makes them
current and deletes their changes from the log. A crash before this transaction leaves the old
generation and its log, a crash after it the new one; the next compaction removes unused files.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from fashion_hash.bundle.bundle import LIVE_FOLDER, Bundle
from fashion_hash.errors import FashionHashError
from fashion_hash.live.catalogue import LiveCatalogue
from fashion_hash.live.forgetting.erase import erase_told, erase_users
from fashion_hash.live.forgetting.remove import ERASE, is_suppressed
from fashion_hash.live.generation import generation_path, write_generation
from fashion_hash.live.snapshot import Snapshot
from fashion_hash.live.store import writable

log = logging.getLogger(__name__)

# a number, and a share of the pool: changes in memory slow down queries slightly, but a compaction takes seconds
COMPACT_FROM, COMPACT_SHARE = 20_000, 0.05
LOCK = "compaction.lock"


def compact(live: LiveCatalogue) -> bool:
    """Writes all changes to new files. Returns False when another process is compacting or nothing was changed.

    Raises:
        BundleError: the files cannot be written; the changes stay as they are.
    """
    folder = live.bundle.path / LIVE_FOLDER
    if not folder.is_dir():
        return False
    with writable(live.bundle.path), _alone(folder) as alone:
        if not alone:
            return False
        snapshot = live.now()
        old = snapshot.base.generation
        _sweep(folder, keep=old)
        erase = live.ask(lambda store: store.meta(ERASE))
        if not snapshot.num_changes and erase is None:
            return False
        if erase is not None:
            erase_told(live.bundle, lambda user_id: bool(live.ask(lambda store: is_suppressed(store, user_id))))
            snapshot = _without_removed_users(live, snapshot)
        if snapshot.num_changes:
            _write_files(live, snapshot)
        if erase is not None:
            _erase_deleted(live, erase)
        live.now()
        _sweep(folder, keep=live.now().base.generation)
        return True


def _write_files(live: LiveCatalogue, snapshot: Snapshot) -> None:
    """Writes a snapshot as the next generation, and makes that current."""
    old = snapshot.base.generation
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


def _without_removed_users(live: LiveCatalogue, snapshot: Snapshot) -> Snapshot:
    """Erases removed users from the exported files. Returns the snapshot with the history that is left."""
    rows = live.ask(lambda store: store.removed_users())
    if rows is None or not len(rows):
        return snapshot
    erase_users(live.bundle, rows)
    history = Bundle.open(live.bundle.path, verify=False).history
    return replace(snapshot, bundle=snapshot.bundle.view(history=history))


def _erase_deleted(live: LiveCatalogue, erase: str) -> None:
    """Leaves nothing in the file of changes that was deleted; tried again at the next compaction if others read on."""
    with live.writer() as store:
        if not store.rewrite():
            return
        with store.transaction("IMMEDIATE"):
            if store.meta(ERASE) == erase:  # otherwise another user was removed meanwhile
                store.put_meta(ERASE, None)
        store.rewrite()


def compact_in_background(live: LiveCatalogue) -> threading.Thread | None:
    """Starts a compaction in a thread if there are enough changes; a process runs at most one."""
    snapshot = live.now()
    enough = snapshot.num_changes >= max(COMPACT_FROM, COMPACT_SHARE * len(snapshot.base.pool))
    if not enough or not live.compacting.acquire(blocking=False):
        return None

    def run() -> None:
        try:
            with suppress(
                AttributeError, OSError
            ):  # on Linux this lowers the priority of this thread only, so that queries go first
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
            compact(live)
        except (FashionHashError, OSError) as error:
            # a thread has nobody to raise to, and a later compaction writes them
            log.warning("changes were not compacted, and stay in the log: %s", error)
        finally:
            live.compacting.release()

    thread = threading.Thread(target=run, name="fashion_hash compaction", daemon=True)
    thread.start()
    return thread


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Yields whether no other process is compacting; the operating system releases the lock of a dead process."""
    from filelock import FileLock, Timeout  # imported here, since queries do not need it

    # the soft fallback for file systems without locks would outlive its process, so it stays off
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
    """Removes the files of other generations and the partial files of a crash.

    Processes that have such files open can use them until they close them.
    """
    current = generation_path(folder.parent, keep).name
    for path in folder.iterdir():
        if path.is_dir() and path.name != current and (path.name.startswith("generation-") or _is_scratch(path)):
            shutil.rmtree(path, ignore_errors=True)


def _is_scratch(path: Path) -> bool:
    """Whether a folder is the partial generation of a crash: no other process compacts at this time."""
    return path.name.startswith(".generation-") and path.name.endswith(".partial")
