"""What changes the disk for good, made visible: a process can be killed before or after each such step.

A step is a rename, a replacement, an exchange of two folders, a link, a removal, an fsync, a statement that SQLite
executes, or records that LMDB commits. Only test processes ever install this; nothing in the package knows of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

from fashion_hash.core import files
from fashion_hash.data.stores import lmdb_files


class Steps:
    """Counts the steps of this process and kills it at one of them.

    Attributes:
        names: the steps so far; moment 2 i is before step i, moment 2 i + 1 after it.
        kill_at: the moment at which the process dies (SIGKILL); None to count only.
        looks: what `look` returned at each moment.
    """

    def __init__(self, kill_at: int | None = None, look: Callable[[], Any] | None = None) -> None:
        """No step yet."""
        self.kill_at = kill_at
        self.names: list[str] = []
        self.looks: dict[int, Any] = {}
        self._look = look

    def install(self) -> None:
        """Watches the steps of this process from now on."""
        for name in ("replace", "rename", "link", "symlink", "unlink", "remove", "rmdir", "fsync"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        shutil.rmtree = self._watched("rmtree", shutil.rmtree)  # type: ignore[assignment]
        if hasattr(files, "_exchange"):
            files._exchange = self._watched("exchange", files._exchange)
        for name in ("open_writer", "put_all"):
            setattr(lmdb_files, name, self._watched(f"lmdb {name}", getattr(lmdb_files, name)))
        connect, steps = sqlite3.connect, self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                run = super().execute
                return run(sql, *values) if sql.startswith(("SELECT", "PRAGMA")) else steps.step(sql, run, sql, *values)

            def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
                return steps.step(sql, super().executemany, sql, *values)

        def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return connect(*arguments, **{"factory": Connection, **options})

        sqlite3.connect = connected  # type: ignore[assignment]

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            return self.step(name, function, *arguments, **options)

        return watched

    def step(self, name: str, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        """Calls a function as a step; the steps inside of it (a rename in an exchange) count as well."""
        place = len(self.names)
        self.names.append(name)
        self._die_at(2 * place)
        result = function(*arguments, **options)
        self._die_at(2 * place + 1)
        return result

    def _die_at(self, moment: int) -> None:
        if self._look is not None:
            self.looks[moment] = self._look()
        if moment == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
