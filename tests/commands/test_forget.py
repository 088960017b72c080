"""`fashion-hash forget` removes users, and says truly what is left of their ids."""

import json
from pathlib import Path

import pytest

from fashion_hash.commands.forget import main
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.live.forgetting.search import files_of, search
from fashion_hash.retrieval.recommender import Recommender
from tests.worlds.live_world import new_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = new_bundle(tmp_path / "run/bundle", num_users=3).path
    Recommender.load(path).add_user("ann@example.org", liked=["outfit-000003"])
    return path


def test_nothing_is_left_of_users_who_are_forgotten(bundle: Path, capsys: pytest.CaptureFixture) -> None:
    users = bundle.parent / "users.txt"
    users.write_text("user-2\nunknown-user\n")
    assert main([str(bundle), "--user", "ann@example.org", "--users", str(users)]) == 0
    out = capsys.readouterr().out
    assert "removed 2 of 3 users" in out
    assert "1 were not in it, and are kept out from now on" in out
    assert out.count("not one sequence of its bytes is left") == 3
    assert not any(b"ann@example.org" in file.read_bytes() for file in files_of([bundle]))
    assert len(Recommender.load(bundle).recommend("user-1", 3).ids) == 3


def test_what_cannot_be_cleaned_is_named(bundle: Path, capsys: pytest.CaptureFixture) -> None:
    run = bundle.parent
    (run / "notes.json").write_bytes(json.dumps({"user": "user-2"}).encode("utf-16"))
    (run.with_name("run.old-1")).mkdir()
    (run.with_name("run.old-1") / "copy.csv").write_text("outfit_id,user_id\n1,user-2\n")
    assert main([str(bundle), "--user", "user-2", "--run", str(run)]) == 1
    out = capsys.readouterr().out
    assert "'user-2' is still in 2 files, which this command does not write" in out
    assert "notes.json" in out
    assert "copy.csv" in out
    assert "user-2" in RemovedUsers.read(run / "suppressed.json")


def test_parts_of_longer_ids_and_chance_are_told_from_the_id(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bundle = new_bundle(tmp_path / "bundle", num_users=20).path
    assert main([str(bundle), "--user", "user-1"]) == 0  # "user-12" stays
    out = capsys.readouterr().out
    assert "'user-1' is nowhere as a value or a word" in out
    assert len(Recommender.load(bundle).recommend("user-12", 3).ids) == 3
    found = {occurrence.file.name: occurrence.whole for occurrence in search("user-12", files_of([bundle]))}
    assert found["users.ids.npy"]


def test_a_call_without_users_is_an_error(bundle: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(bundle)]) == 2
    assert "no user is given" in capsys.readouterr().err
