"""A reader that may write nothing sees what others have changed, also when they have closed the file again."""

import sqlite3
from pathlib import Path

import pytest

from fashion_hash.live import store
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle


class Refused:
    """What SQLite gives where it cannot make its shared-memory file."""

    def execute(self, *_: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    close = execute


def test_an_empty_log_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk SQLite makes an empty log and then fails: the file is read without it."""
    bundle = new_bundle(tmp_path / "bundle")
    writer = Recommender.load(bundle.path)
    writer.add_outfits({"one": {"top": "top-1"}})
    writer.close()
    store.wal_path(store.store_path(bundle.path)).touch()
    connect = store._connect
    monkeypatch.setattr(store, "_connect", lambda path, mode: connect(path, mode) if "immutable" in mode else Refused())
    assert Recommender.load(bundle.path).outfit("one") == {"top": "top-1"}


def test_a_new_file_is_whole_before_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing copies the log into the file, and is silent when the disk is full."""
    bundle, logs = new_bundle(tmp_path / "bundle"), []

    class Connection(sqlite3.Connection):
        def close(self) -> None:
            logs.extend(log.stat().st_size for log in bundle.path.glob("live/*/*-wal"))
            super().close()

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *names, **more: connect(*names, **{"factory": Connection, **more}))
    store.create_store(bundle)
    assert not any(logs)


def test_a_file_that_was_changed_and_closed_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    first = Recommender.load(bundle.path)
    first.add_outfits({"one": {"top": "top-1"}})
    first.close()
    connect, opened = store._connect, []

    def read_only(path: Path, mode: str) -> sqlite3.Connection:
        opened.append(mode)
        return connect(path, mode) if "immutable" in mode else Refused()  # type: ignore[return-value]

    with monkeypatch.context() as patched:
        patched.setattr(store, "_connect", read_only)
        reader = Recommender.load(bundle.path)
        assert reader.outfit("one") == {"top": "top-1"}
        before = len(opened)
        assert len(reader) == 61
        assert len(opened) == before, "the file has not changed: it stays open"
    for name in ("two", "three"):
        writer = Recommender.load(bundle.path)
        writer.add_outfits({name: {"shoe": "shoe-2"}})
        writer.close()
        assert not store.wal_path(store.store_path(bundle.path)).exists()
        with monkeypatch.context() as patched:
            patched.setattr(store, "_connect", read_only)
            assert reader.outfit(name) == {"shoe": "shoe-2"}
    assert len(reader) == 63
