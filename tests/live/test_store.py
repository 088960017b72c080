"""What cannot be trusted is refused by name, bad input changes nothing, and old changes never meet a new bundle."""

import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.errors import BundleError, DataError, FashionHashError, FeatureError, QueryError, UnknownIdError
from fashion_hash.index.build import build_index
from fashion_hash.live import compaction, store
from fashion_hash.live.store import Store, store_path
from fashion_hash.retrieval.recommender import Recommender
from tests.paths import PROJECT
from tests.worlds.live_world import World, new_bundle
from tests.worlds.random_bundles import random_pool

CODE = np.ones((2, 16))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with changes, which is copied for each test."""
    bundle = new_bundle(tmp_path_factory.mktemp("changed") / "bundle")
    with_changes(bundle)
    return bundle.path


@pytest.fixture
def bundle(tmp_path: Path, changed: Path) -> Bundle:
    return Bundle.open(shutil.copytree(changed, tmp_path / "bundle"))


def with_changes(bundle: Bundle) -> None:
    recommender = Recommender.load(bundle.path)
    recommender.add_items([{"item_id": "x", "type": "top", "code": CODE, "picture": b"j" * 20000, "title": "An x"}])
    recommender.add_outfits({"new": {"top": "x", "shoe": "shoe-1"}})
    recommender.close()


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("keep", [0, 10, 100, 5000, 30000])
def test_a_truncated_file_is_refused(bundle: Bundle, keep: int, verify: bool) -> None:
    path = store_path(bundle.path)
    whole = path.read_bytes()
    assert len(whole) > 30000
    path.write_bytes(whole[:keep])
    with pytest.raises(BundleError, match=re.escape(str(path))):
        Recommender.load(bundle.path, verify=verify).recommend(None)
    path.write_bytes(whole)
    assert len(Recommender.load(bundle.path)) == 61


def test_changed_bytes_are_refused(bundle: Bundle) -> None:
    path = store_path(bundle.path)
    whole = path.read_bytes()
    for start in (0, 4096, 3 * 4096):
        path.write_bytes(whole[:start] + b"\xff" * 200 + whole[start + 200 :])
        with pytest.raises(BundleError, match=re.escape(str(path))):
            Recommender.load(bundle.path).recommend(None)


def test_changes_of_another_bundle_are_refused_by_name(bundle: Bundle, tmp_path: Path) -> None:
    other = new_bundle(tmp_path / "other", seed=1)
    shutil.copytree(bundle.path / "live", other.path / "live")
    with pytest.raises(BundleError, match=f"bundle {bundle.fingerprint}, but .* is {other.fingerprint}: put"):
        Recommender.load(other.path)


def test_changes_of_another_index_are_refused_by_name(bundle: Bundle) -> None:
    moved = bundle.path.parent / "live"
    shutil.move(bundle.path / "live", moved)
    build_index(bundle, random_pool(bundle, 30, seed=9))
    shutil.move(moved, bundle.path / "live")
    with pytest.raises(BundleError, match=r"holds changes of index \w+, but the index beside it is \w+"):
        Recommender.load(bundle.path)


def test_a_new_bundle_or_index_does_not_swallow_changes(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=f"live holds changes to bundle {bundle.fingerprint}"):
        new_bundle(bundle.path, seed=1)
    with pytest.raises(BundleError, match=r"live holds changes to the present pool .* move it away first"):
        build_index(bundle, random_pool(bundle, 30))
    assert Recommender.load(bundle.path).outfit("new") == {"top": "x", "shoe": "shoe-1"}


def test_files_without_their_log_are_refused(bundle: Bundle) -> None:
    recommender = Recommender.load(bundle.path)
    assert recommender.compact()
    recommender.close()
    path = store_path(bundle.path)
    path.rename(path.with_name("away"))
    with pytest.raises(BundleError, match=r"live\.sqlite is missing"):
        Recommender.load(bundle.path)
    path.with_name("away").rename(path)
    file = next((bundle.path / "live/generation-1").rglob("outfits.npy"))
    file.write_bytes(file.read_bytes()[:-4] + b"\x01\0\0\0")
    with pytest.raises(BundleError, match="does not match its checksum"):
        Recommender.load(bundle.path)


def test_bundle_and_index_verify_without_looking_at_changes(bundle: Bundle) -> None:
    (bundle.path / "live" / "stray").write_text("?")
    assert Bundle.open(bundle.path, verify=True).fingerprint == bundle.fingerprint


def test_a_folder_that_may_not_be_written_is_read(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a folder where SQLite cannot create its -shm file: only an immutable connection works."""
    connect = store._connect

    def read_only(path: Path, mode: str) -> sqlite3.Connection:
        return connect(path, mode if "immutable" in mode else "ro") if mode != "rw" else _Refused()  # type: ignore[return-value]

    class _Refused:
        def execute(self, *_: object) -> None:
            raise sqlite3.OperationalError("unable to open database file")

        close = execute

    monkeypatch.setattr(store, "_connect", read_only)
    recommender = Recommender.load(bundle.path)
    assert recommender.outfit("new") == {"top": "x", "shoe": "shoe-1"}
    with pytest.raises(BundleError, match="nothing was changed"):
        recommender.remove_outfits(["new"])
    monkeypatch.undo()
    Recommender.load(bundle.path).remove_outfits(["new"])  # another process may write
    with pytest.raises(UnknownIdError):
        recommender.outfit("new")


def test_who_waits_too_long_is_told(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT_SECONDS", 0.1)
    first, other = Recommender.load(bundle.path), Recommender.load(bundle.path)
    with first.live.writing(), pytest.raises(BundleError, match=r"another process kept writing for .* try again"):
        other.remove_outfits(["new"])
    other.remove_outfits(["new"])


BAD: list[tuple[str, tuple, type[FashionHashError], str]] = [
    ("add_items", ([{"type": "top"}],), DataError, "item 1 has no 'item_id'"),
    ("add_items", ([{"item_id": "n", "type": "tops"}],), QueryError, r"no item type 'tops' \(nearest: 'top'"),
    ("add_items", ([{"item_id": "x", "type": "top", "code": CODE}],), DataError, "top 'x' already exists"),
    ("add_items", ([{"item_id": "n", "type": "top", "code": CODE}] * 2,), DataError, "top 'n' was given twice"),
    ("add_items", ([{"item_id": "", "type": "top", "code": CODE}],), DataError, "not empty"),
    (
        "add_items",
        ([{"item_id": "n", "type": "top", "code": CODE[:1]}],),
        FeatureError,
        r"item 'n': a code must have shape \(2, 16\)",
    ),
    ("add_items", ([{"item_id": "n", "type": "top", "code": 0 * CODE}],), FeatureError, "item 'n': a code must have"),
    ("add_items", ([{"item_id": "n", "type": "top"}],), BundleError, "holds no hash heads"),
    ("add_items", ([{"item_id": "n", "type": "top", "code": CODE, "bias": "a"}],), DataError, "item 'n': bias 'a'"),
    ("add_items", ([{"item_id": "n", "type": "top", "code": CODE, "bias": 1e9}],), DataError, "item 'n': bias"),
    (
        "add_items",
        ([{"item_id": "n", "type": "top", "code": CODE, "title": 3}],),
        DataError,
        "item 'n': the title must be a text, got 3",
    ),
    (
        "add_items",
        ([{"item_id": "n", "type": "top", "code": CODE, "price": {1}}],),
        DataError,
        r"item 'n': column 'price' cannot hold \{1\} \(set\)",
    ),
    (
        "add_items",
        ([{"item_id": "n", "type": "top", "code": CODE, "picture": "a"}],),
        DataError,
        "item 'n': cannot read the picture",
    ),
    ("remove_items", ({"top": ["nobody"]},), UnknownIdError, "unknown top 'nobody'"),
    ("remove_items", ({"hat": ["x"]},), QueryError, "no item type 'hat'"),
    ("remove_items", ({"top": "x"},), QueryError, "give a list of top ids, got 'x'"),
    ("remove_items", ({"top": ["x", "x"]},), DataError, "top 'x' was given twice"),
    ("add_outfits", ({"new": {"top": "x"}},), DataError, "outfit 'new' already exists"),
    ("add_outfits", ({"outfit-000007": {"top": "x"}},), DataError, "outfit 'outfit-000007' already exists"),
    ("add_outfits", ({"n": {}},), QueryError, "outfit 'n' has no items"),
    ("add_outfits", ({"n": {"hat": "x"}},), QueryError, "no slot 'hat'"),
    ("add_outfits", ({"n": {"shoe": "x"}},), UnknownIdError, "unknown shoe 'x': this item has type top"),
    ("add_outfits", ({"n": {"top": "x", "top_2": "x"}},), DataError, "outfit 'n' has top 'x' in two slots"),
    ("add_outfits", ({"n": ["x"]},), QueryError, "outfit 'n' must be a mapping"),
    ("remove_outfits", (["n"],), UnknownIdError, "unknown outfit 'n'"),
    ("remove_outfits", (["new", "new"],), DataError, "outfit 'new' was given twice"),
    ("remove_outfits", ("new",), QueryError, "give a list of outfit ids"),
    ("add_user", ("user-1",), DataError, "user 'user-1' already exists: use update_user"),
    ("add_user", ("",), DataError, "not empty"),
    ("add_user", (7,), DataError, "a user id must be a text, got 7"),
    ("add_user", ("n", ["nothing"]), UnknownIdError, "unknown outfit 'nothing'"),
    ("add_user", ("n", "new"), QueryError, "put it into brackets"),
    ("add_user", ("n", ["new"], ["new"]), QueryError, "both liked and disliked"),
    ("add_user", ("n", [{"top": "nobody"}]), UnknownIdError, "unknown top 'nobody'"),
    ("update_user", ("user-99", ["new"]), UnknownIdError, r"unknown user 'user-99': add new users"),
    ("update_user", ("user-1", ["new"], ["new"]), QueryError, "both liked and disliked"),
]


@pytest.mark.parametrize(("act", "arguments", "error", "message"), BAD)
def test_bad_input_changes_nothing(
    bundle: Bundle, act: str, arguments: tuple[Any, ...], error: type[FashionHashError], message: str
) -> None:
    recommender = Recommender.load(bundle.path)
    before = recommender.live.now().seq
    good = {"add_items": [{"item_id": "good", "type": "shoe", "code": CODE}], "add_outfits": {"good": {"top": "x"}}}
    if act == "add_items":  # a good change in the same call is not kept either
        arguments = ([*good[act], *arguments[0]],)
    elif act == "add_outfits":
        arguments = ({**good[act], **arguments[0]},)
    with pytest.raises(error, match=message):
        getattr(recommender, act)(*arguments)
    assert recommender.live.now().seq == before
    assert "good" not in recommender.bundle.items["shoe"]
    assert len(Recommender.load(bundle.path)) == 61


def test_a_crash_while_compacting_leaves_the_old_files(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender, world = Recommender.load(bundle.path), World(bundle)
    world.items["top"]["x"] = CODE.astype(int), 0
    world.outfits["new"] = {"top": "x", "shoe": "shoe-1"}

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    for where in ("fold", "append"):
        with monkeypatch.context() as patched:
            patched.setattr(Store, where, fails)
            with pytest.raises(KeyboardInterrupt):
                recommender.compact() if where == "fold" else recommender.remove_outfits(["new"])
        world.check(recommender, np.random.default_rng(0))
    (bundle.path / "live/generation-7").mkdir()
    (bundle.path / "live/.generation-8.abc.partial").mkdir()
    assert recommender.compact()
    assert not recommender.compact(), "nothing to do"
    world.check(recommender, np.random.default_rng(0))
    assert [path.name for path in (bundle.path / "live").iterdir() if path.is_dir()] == ["generation-1"]


HOLDER = """
import sys
from pathlib import Path
from fashion_hash.live.compaction import _alone
with _alone(Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""


def test_one_process_compacts_at_a_time_and_its_lock_dies_with_it(bundle: Bundle) -> None:
    recommender = Recommender.load(bundle.path)
    command = [sys.executable, "-c", HOLDER, str(bundle.path / "live")]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not recommender.compact(), "another process holds the lock"
        holder.kill()
    assert recommender.compact()


def test_one_thread_compacts_at_a_time(bundle: Bundle) -> None:
    answers: list[bool] = []
    with compaction._alone(bundle.path / "live") as alone:
        assert alone
        thread = threading.Thread(target=lambda: answers.append(Recommender.load(bundle.path).compact()))
        thread.start()
        thread.join()
        assert not Recommender.load(bundle.path).compact(), "this thread holds the lock, too"
    assert answers == [False]
    assert Recommender.load(bundle.path).compact()


def test_many_changes_are_folded_in_the_background(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACT_FROM", 10)
    recommender = Recommender.load(bundle.path)
    recommender.add_outfits({f"n{number}": {"top": "x"} for number in range(20)})
    for thread in threading.enumerate():
        if thread.name == "fashion_hash compaction":
            thread.join()
    snapshot = recommender.live.now()
    assert (snapshot.base.generation, snapshot.num_changes, snapshot.num_outfits) == (1, 0, 81)
    assert recommender.bundle.catalogue.item("top", 12).title == "An x"
    assert recommender.bundle.catalogue.picture("top", 12) == b"j" * 20000


ACTS = ("add_items", "update_items", "remove_items", "hide_items", "add_outfits", "remove_outfits")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("argument", [None, 5, [5], {"top": {"a": [1]}}])
def test_arguments_of_another_form_are_refused(bundle, act, argument):
    recommender = Recommender.load(bundle.path)
    before = recommender.live.now().num_changes
    with pytest.raises(FashionHashError, match=r"must be|give a list|nknown|has no|no slot"):
        getattr(recommender, act)(argument)
    assert recommender.live.now().num_changes == before


@pytest.mark.parametrize("liked", [None, 5, "outfit-1", {"top": "top-1"}])
def test_likes_of_another_form_are_refused(bundle, liked):
    with pytest.raises(QueryError, match="outfits must be a list"):
        Recommender.load(bundle.path).update_user("user-0", liked=liked)


def test_adding_nothing_changes_nothing(bundle):
    recommender = Recommender.load(bundle.path)
    before = recommender.live.now().num_changes
    recommender.add_outfits({})
    recommender.add_items([])
    recommender.remove_outfits([])
    assert recommender.remove_items({"top": []}) == []
    assert recommender.live.now().num_changes == before


@pytest.mark.parametrize("fate", ["moved", "removed", "replaced"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows moves no open files")
def test_changes_to_a_file_that_has_gone_are_refused(tmp_path: Path, fate: str) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)
    first, second = map(str, recommender.recommend("user-0", 2).ids)
    recommender.update_user("user-0", liked=[first])
    expected = list(recommender.recommend("user-0", 3).ids)
    folder = store_path(bundle.path).parent
    folder.rename(tmp_path / "elsewhere")
    if fate == "replaced":
        Recommender.load(bundle.path).update_user("user-0", liked=[second])
    elif fate == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    calls: list[Any] = [
        lambda: recommender.update_user("user-0", liked=[second]),
        lambda: recommender.remove_outfits([second]),
        lambda: recommender.recommend("user-0", 2),
        lambda: recommender.explain("user-0", first),
    ]
    for call in calls:
        with pytest.raises(BundleError, match=r"moved, removed or replaced while it was open; nothing was changed"):
            call()
    if fate == "moved":  # nothing was written where it is now
        shutil.rmtree(folder, ignore_errors=True)
        (tmp_path / "elsewhere").rename(folder)
        assert list(Recommender.load(bundle.path).recommend("user-0", 3).ids) == expected
        assert list(recommender.recommend("user-0", 3).ids) == expected


def test_a_bundle_that_was_moved_while_it_was_open_still_answers(tmp_path: Path) -> None:
    bundle = new_bundle(tmp_path / "bundle")
    recommender = Recommender.load(bundle.path)
    expected = recommender.recommend("user-0", 3)
    bundle.path.rename(tmp_path / "elsewhere")
    answer = recommender.recommend("user-0", 3)
    assert list(answer.ids) == list(expected.ids)
    assert recommender.bundle.catalogue.lines("top", [0, 1]).keys() == {0, 1}
