"""`fashion-hash forget` removes users, and says truly what is left of their ids."""

import json
from pathlib import Path

import pytest

from fashion_hash.commands.forget import main
from fashion_hash.core.locks import hold
from fashion_hash.data.splits.removed_list import RemovedUsers
from fashion_hash.data.told.tables import read_about, read_told, write_told
from fashion_hash.data.told.told import Told, ToldUser
from fashion_hash.errors import TrainingError
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
    assert "1 was not in it, and kept out from now on" in out
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


def test_splits_and_live_tables_of_a_run_and_of_older_ones_are_erased(
    bundle: Path, capsys: pytest.CaptureFixture
) -> None:
    run, users = bundle.parent, ("ann@example.org", "user-2")
    live, older = run.with_name("run.live-3"), run.with_name("run.old-1")
    told = Told(
        users={name: ToldUser(({"top": "t1"},)) for name in (*users, "bob@example.org")}, removed_items={("top", "t9")}
    )
    kept = RemovedUsers((("00" * 32, frozenset([b"0" * 32])),))
    write_told(live, told, {"bundle": "somewhere"}, kept)
    older.mkdir()
    lines = ["outfit_id,user_id,split", "o1,ann@example.org,train", "o2,user-1,test", "o3,user-2,valid"]
    for folder in (run, older):
        (folder / "split.csv").write_text("\n".join(lines) + "\n")
    options = [option for user_id in users for option in ("--user", user_id)]
    assert main([str(bundle), *options, "--run", str(run)]) == 0
    out = capsys.readouterr().out
    assert out.count("not one sequence of its bytes is left") == 2
    assert f"erased from {live}: train again" in out
    for folder in (run, older):
        assert (folder / "split.csv").read_text() == "outfit_id,user_id,split\no1,,train\no2,user-1,test\no3,,valid\n"
    left = read_told(live)
    assert (list(left.users), left.removed_items) == (["bob@example.org"], {("top", "t9")})
    assert read_about(live) == {"bundle": "somewhere"}
    removed = RemovedUsers.read(live / "removed_users.json")
    assert all(user_id in removed for user_id in users)
    assert kept.lists[0] in removed.lists


def test_a_run_that_is_being_trained_is_left_alone(bundle: Path, capsys: pytest.CaptureFixture) -> None:
    with hold(bundle.parent, "training into it", TrainingError):
        assert main([str(bundle), "--user", "user-2", "--run", str(bundle.parent)]) == 2
    assert "is in use" in capsys.readouterr().err


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


def test_without_a_run_those_that_hold_the_users_are_named(bundle: Path, capsys: pytest.CaptureFixture) -> None:
    run = bundle.parent
    assert main([str(bundle), "--user", "user-1"]) == 0
    assert "runs were not searched: --run RUN also erases users" in capsys.readouterr().out
    (run / "config.yaml").write_text("name: run\n")
    assert main([str(bundle), "--user", "user-1"]) == 0
    assert "--run" not in capsys.readouterr().out
    older = run.with_name("run.old-1")
    older.mkdir()
    for folder in (run, older):
        (folder / "split.csv").write_text("outfit_id,user_id,split\no1,ann@example.org,train\no2,user-2,test\n")
    assert main([str(bundle), "--user", "ann@example.org", "--user", "user-1"]) == 0
    out = capsys.readouterr().out
    for folder in (run, older):
        assert f"{folder} still holds 1 of these users: erase them there with --run {run}" in out
