"""Removed users are unknown at once, erased at the next compaction, and kept out."""

import os
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle.bundle import Bundle
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.errors import BundleError, DataError, UnknownIdError
from fashion_hash.index.partners import build_partners
from fashion_hash.live.forgetting.remove import removed_users
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle

SECRET = "user-2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    bundle = new_bundle(tmp_path / "bundle", num_users=4)
    build_partners(bundle)
    recommender = Recommender.load(bundle.path)
    recommender.add_user("late-secret", liked=["outfit-000004"])
    recommender.update_user(SECRET, liked=["outfit-000007"], disliked=["outfit-000009"])
    recommender.close()
    return bundle.path


def everything(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def asked(recommender: Recommender, users: list[str | None]) -> list:
    return [(hits.ids.tolist(), hits.scores.tolist()) for user in users for hits in [recommender.recommend(user, 20)]]


def test_a_removed_user_is_unknown_at_once_and_everywhere(path: Path) -> None:
    writer, reader = Recommender.load(path), Recommender.load(path)
    others: list[str | None] = ["user-0", "user-1", "user-3", None]
    before = asked(reader, others)
    writer.remove_user([SECRET, "late-secret"])
    for compacted in (False, True):
        if compacted:
            assert writer.compact()
            assert not writer.compact()
        for recommender in (writer, reader, Recommender.load(path)):
            for user_id in (SECRET, "late-secret"):
                for ask in (recommender.recommend, recommender.compose, recommender.liked, recommender.update_user):
                    with pytest.raises(UnknownIdError, match=f"unknown user '{user_id}'") as raised:
                        ask(user_id)
                    assert f"nearest: '{user_id}'" not in str(raised.value)
                with pytest.raises(DataError, match="was removed and is not added again by mistake"):
                    recommender.add_user(user_id)
            assert asked(recommender, others) == before
    writer.remove_user(SECRET)  # again: nothing happens
    with pytest.raises(UnknownIdError, match="unknown user 'user-9'"):
        writer.remove_user(["user-0", "user-9"])
    assert asked(reader, others) == before


def test_nothing_of_a_removed_user_is_left_after_a_compaction(path: Path) -> None:
    bundle = Bundle.open(path)
    row, fingerprint = bundle.users.row(SECRET), bundle.fingerprint
    liked = bundle.history.items[bundle.lines_of(row)]
    assert len(liked)
    assert any(SECRET.encode() in content for content in everything(path).values())
    writer = Recommender.load(path)
    writer.remove_user([SECRET, "late-secret"])
    writer.compact()
    for name, content in everything(path).items():
        assert SECRET.encode() not in content, name
        assert b"late-secret" not in content, name
    after = Bundle.open(path, verify=True)
    assert after.fingerprint == fingerprint
    assert after.users.id(row) == ""
    assert not after.user_codes[row].any()
    assert (after.history.items[after.lines_of(row)] == -1).all()
    writer.close()
    reopened = Recommender.load(path)
    assert not reopened.pool.liked(row).any()
    assert not (path / "live/live.sqlite-wal").exists() or not (path / "live/live.sqlite-wal").stat().st_size


def test_a_user_who_comes_back_starts_anew(path: Path) -> None:
    writer = Recommender.load(path)
    writer.remove_user(SECRET)
    writer.add_user(SECRET, again=True)
    for recommender in (writer, Recommender.load(path)):
        assert recommender.liked(SECRET) == []
        assert not recommender.recommend(SECRET, 3).personal
    writer.compact()
    assert Recommender.load(path).liked(SECRET) == []
    writer.remove_user(SECRET)
    writer.compact()
    assert all(SECRET.encode() not in content for content in everything(path).values())


def test_the_list_of_removed_users_tells_ids_but_holds_none(path: Path, tmp_path: Path) -> None:
    writer = Recommender.load(path)
    writer.remove_user(["late-secret", SECRET])
    removed_users(writer.live).write(tmp_path / "list.json")
    text = (tmp_path / "list.json").read_text()
    assert SECRET not in text
    assert "late-secret" not in text
    listed = RemovedUsers.read(tmp_path / "list.json")
    assert [user_id for user_id in ("user-0", SECRET, "late-secret") if user_id in listed] == [SECRET, "late-secret"]


class Killed(BaseException):
    pass


def test_a_kill_at_any_replacement_leaves_a_bundle_that_opens_and_forgets(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recommender.load(path).remove_user([SECRET, "late-secret"])
    calls, replace = 0, os.replace
    for until in range(40):
        calls = 0

        def replace_until(source: str, target: str, until: int = until) -> None:
            nonlocal calls
            calls += 1
            if calls > until:
                raise Killed
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_until)
            try:
                done = Recommender.load(path).compact()
            except Killed:
                done = False
        reader = Recommender.load(path, verify=True)
        with pytest.raises(UnknownIdError):
            reader.recommend(SECRET)
        assert len(reader.recommend("user-0", 3).ids) == 3
        if done:
            break
    assert done
    assert until > 4
    assert all(SECRET.encode() not in content for content in everything(path).values())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("codes/users.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (4, 2"),
        ("codes/users.npy", b""),
        ("history/items.npy", b"\x93NUMPY\x01\x00\x02\x00(\n"),
        ("ids/users.order.npy", b"not an array"),
        ("index/liked.offsets.npy", b"\x80\x04K\x01."),
        ("index/liked.rows.npy", None),
    ],
)
def test_arrays_that_were_damaged_before_a_compaction(path: Path, name: str, content: bytes | None) -> None:
    """One error of the tree; the user stays removed, and the next compaction of a whole bundle erases them."""
    writer = Recommender.load(path)
    writer.remove_user([SECRET])
    whole = (path / name).read_bytes()
    if content is None:
        array = np.load(path / name)
        np.save(path / name, array[:0])  # a readable array that is too short
    else:
        (path / name).write_bytes(content)
    with pytest.raises(BundleError, match=Path(name).name):
        writer.compact()
    assert not [file for file in path.rglob("*") if ".partial" in file.name]
    (path / name).write_bytes(whole)
    with pytest.raises(UnknownIdError):
        writer.recommend(SECRET)
    assert writer.compact()
    assert all(SECRET.encode() not in content for content in everything(path).values())
