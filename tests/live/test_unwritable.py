"""A bundle that may not be written answers, and says so when it is changed."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.errors import BundleError
from fashion_hash.live import store
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

CODE = np.ones((2, 16))
CHANGES: dict[str, Callable[[Recommender], Any]] = {
    "add_items": lambda recommender: recommender.add_items([{"item_id": "new", "type": "top", "code": CODE}]),
    "remove_items": lambda recommender: recommender.remove_items({"top": ["top-1"]}),
    "add_outfits": lambda recommender: recommender.add_outfits({"new": {"top": "top-1", "shoe": "shoe-1"}}),
    "remove_outfits": lambda recommender: recommender.remove_outfits(["outfit-1"]),
    "add_user": lambda recommender: recommender.add_user("new", liked=[{"top": "top-1"}]),
    "update_user": lambda recommender: recommender.update_user("user-0", liked=[{"top": "top-1"}]),
}


@contextmanager
def without_privileges() -> Iterator[None]:
    """As an ordinary user, whom permissions stop; root may write everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may read; those of tmp_path are private."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    for part in [path, *path.rglob("*")]:
        part.chmod(0o755)
    shutil.rmtree(path)


def protect(path: Path) -> None:
    for part in [*path.rglob("*"), path]:
        part.chmod(0o555 if part.is_dir() else 0o444)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions are those of POSIX systems")
@pytest.mark.parametrize("changed", [False, True], ids=["as exported", "with changes"])
def test_every_change_of_a_protected_bundle_is_a_bundle_error(folder: Path, changed: bool) -> None:
    bundle = new_bundle(folder / "bundle")
    if changed:
        writer = Recommender.load(bundle.path)
        writer.add_outfits({"before": {"top": "top-1", "shoe": "shoe-1"}})
        writer.close()
    protect(bundle.path)
    before = sorted(bundle.path.rglob("*"))
    with without_privileges():
        recommender = Recommender.load(bundle.path)
        answer = recommender.recommend("user-0", 5)
        for name, change in CHANGES.items():
            with pytest.raises(BundleError, match=r"nothing was changed") as caught:
                change(recommender)
            assert str(bundle.path) in str(caught.value), name
        if changed:
            with pytest.raises(BundleError, match=r"cannot be changed: .*Permission denied; nothing was changed"):
                recommender.compact()
        else:
            assert not recommender.compact(), "nothing was changed, so there is nothing to do"
        again = recommender.recommend("user-0", 5)
        assert again.ids.tolist() == answer.ids.tolist()
        assert len(recommender) == 60 + changed
        recommender.close()
    assert sorted(bundle.path.rglob("*")) == before


@pytest.mark.parametrize("refused", ["mkdir", "link", "fsync"])
def test_what_a_read_only_file_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(bundle.path / "live"))

    with monkeypatch.context() as patched:
        patched.setattr(store.os if refused == "link" else os, refused, refuse)
        for change in CHANGES.values():
            with pytest.raises(BundleError, match="live: Read-only file system; nothing was changed"):
                change(recommender)
    assert len(recommender) == 60
    recommender.add_outfits({"new": {"top": "top-1", "shoe": "shoe-1"}})
    assert len(recommender) == 61
