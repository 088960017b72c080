"""A live catalogue, open: snapshots for those who ask, transactions for those who change it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.bundle.catalogue import Line
from fashion_hash.errors import BundleError
from fashion_hash.index.engines.open import EngineName
from fashion_hash.live.generation import open_base
from fashion_hash.live.snapshot import Base, Changes, Snapshot
from fashion_hash.live.store import Store, UserState, create_store, sqlite_errors, store_path


class Writing(NamedTuple):
    """A transaction that is open: what was there before it, and where to write."""

    snapshot: Snapshot
    store: Store


class LiveCatalogue:
    """The catalogue of a bundle as it is now. Threads may share one; processes open their own.

    Args:
        path: the bundle folder.
        verify: compare the checksum of every file.
        engine: what searches the pool's files.

    Raises:
        BundleError: no bundle, no index, broken files, or changes of another bundle or index.
    """

    def __init__(self, path: str | Path, *, verify: bool = True, engine: EngineName = "auto") -> None:
        self.bundle = Bundle.open(path, verify=verify)
        self._engine: EngineName = engine
        self._verify = verify
        self._lock = threading.RLock()
        self._write_lock = threading.RLock()
        self.compacting = threading.Lock()
        self.written: int | None = None  # the last generation that this process wrote
        self._store: Store | None = None
        self._writer: Store | None = None
        self._version: object = None  # of the file, as far as it was read
        self._changes: Changes | None = None
        self.now()

    def now(self) -> Snapshot:
        """The state of this moment: everything that any process has changed before."""
        with self._lock:
            return self._catch_up(self._opened()).snapshot

    def now_with(self, user_ids: Sequence[str]) -> tuple[Snapshot, list[UserState | None]]:
        """The state of this moment, with what became of some users after the export."""
        with self._lock:
            while True:  # until nobody wrote between the two
                store = self._opened()
                snapshot = self._catch_up(store).snapshot
                if store is None:
                    return snapshot, [None] * len(user_ids)
                with sqlite_errors(store.path):
                    states = [store.user(one, len(self.bundle.slots)) for one in user_ids]
                    if store.version() == self._version:
                        return snapshot, states

    def _item(self, kind: str, row: int) -> Line | None:
        with self._lock:
            store = self._opened()
            if store is None:
                return None
            with sqlite_errors(store.path):
                return store.item(kind, row)

    def details(self, kind: str, first: int) -> list[tuple[str | None, str]]:
        """Title and details (JSON) of added items, see Store.details; none where nothing was changed."""
        with self._lock:
            store = self._opened()
            if store is None:
                return []
            with sqlite_errors(store.path):
                return store.details(kind, first)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """A transaction: no other process writes meanwhile, and all of it or nothing is kept.

        Raises BundleError when another process does not stop writing, or the file cannot be written.
        """
        with self._write_lock:
            if self._writer is None:
                if not store_path(self.bundle.path).exists():
                    create_store(self.bundle)
                self._writer = Store.open(self.bundle, write=True)
            with self._writer.transaction("IMMEDIATE"):
                yield Writing(self.now(), self._writer)

    def close(self) -> None:
        """Closes the files; a closed catalogue opens them again when it is asked."""
        with self._write_lock, self._lock:
            for store in (self._store, self._writer):
                if store is not None:
                    store.close()
            self._store = self._writer = self._version = None

    def _opened(self) -> Store | None:
        """The file of changes, if there is one; opens it when it came into being."""
        if self._store is not None and self._store.outdated():
            self._store.close()
            self._store = None
        if self._store is None and store_path(self.bundle.path).exists():
            self._store, self._version = Store.open(self.bundle, verify=self._verify), None
        return self._store

    def _catch_up(self, store: Store | None) -> Changes:
        """Reads what was changed since the last time."""
        if store is None:
            if self._changes is None:
                self._check_folder()
                self._changes = Changes(self._open_base(0))
            return self._changes
        with sqlite_errors(store.path):
            version = store.version()
            if self._changes is not None and version == self._version:
                return self._changes
            changes, self._changes = self._changes, None  # an interrupt on the way: begin anew
            generation, entries = store.read(0 if changes is None else changes.snapshot.seq)
            while changes is None or changes.snapshot.base.generation != generation:
                generation, entries = store.read(0)
                try:
                    changes = Changes(self._open_base(generation))
                except BundleError:
                    if store.read(0)[0] == generation:
                        raise
                    # else compacted once more, and the folder removed, before it was open
            changes.read(entries)
        self._changes, self._version = changes, version
        return changes

    def _open_base(self, generation: int) -> Base:
        # what this process wrote a moment ago needs no checksums
        verify = self._verify and generation != self.written
        return open_base(self.bundle, generation, engine=self._engine, verify=verify, added=self._item)

    def _check_folder(self) -> None:
        path = store_path(self.bundle.path)
        if any(path.parent.glob("generation-*")):
            raise BundleError(f"{path} is missing, but {path.parent} holds files of it: put it back, or move both away")
