"""Threads that come at the same time share one transaction: whoever comes first writes for all who wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Change = TypeVar("Change")
Write = Callable[[Sequence[Change]], Sequence[Exception | None]]


class Together(Generic[Change]):
    """Changes of one kind that wait to be written."""

    def __init__(self) -> None:
        self._pending: list[tuple[Change, Future[None]]] = []
        self._lock, self._writing = threading.Lock(), threading.Lock()

    def write(self, change: Change, write: Write[Change]) -> None:
        """Writes a change, and perhaps others with it; it is on the disk when this returns.

        Args:
            change: what to write.
            write: writes several changes; returns for each the error that refuses it, or None. When it raises, none of
                them is written.

        Raises:
            Exception: what refuses this change.
        """
        mine: Future[None] = Future()
        with self._lock:
            self._pending.append((change, mine))
        with self._writing:
            if not mine.done():
                self._write_pending(write)
        mine.result()

    def _write_pending(self, write: Write[Change]) -> None:
        with self._lock:
            batch, self._pending = self._pending, []
        try:
            errors = write([change for change, _ in batch])
        except BaseException as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), refused in zip(batch, errors):
            if refused is None:
                future.set_result(None)
            else:
                future.set_exception(refused)
