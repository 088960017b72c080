"""Connections that switch a new file to a write-ahead log at once wait for each other."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest

from fashion_hash.bundle.sqlite_files import write_ahead


def test_a_switch_to_the_write_ahead_log_waits_for_a_lock(tmp_path):
    path = tmp_path / "new.sqlite"
    with (
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
        closing(sqlite3.connect(path, timeout=20)) as connection,
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_ahead(connection, seconds=0.05)

        def let_go():
            time.sleep(0.1)
            other.execute("COMMIT")

        later = threading.Thread(target=let_go)
        later.start()
        write_ahead(connection)
        later.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
